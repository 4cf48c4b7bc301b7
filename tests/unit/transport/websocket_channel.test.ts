import { afterEach, describe, expect, jest, test } from "bun:test";
import fc from "fast-check";
import type { CloseReason } from "../../../lib/jsonrpc/channel.ts";
import { WebsocketChannel, type WebsocketOptions } from "../../../lib/transport/websocket_channel.ts";
import { encodeFrame, type Frame, FrameParser } from "../../../lib/transport/websocket_frames.ts";
import { until } from "../../support/deadline.ts";
import { FakeStream, Recorder, split, streamPair, WAIT_MS } from "./support.ts";

const MIB = 1024 * 1024;

function openChannel(options: Partial<WebsocketOptions> = {}): {
  channel: WebsocketChannel;
  stream: FakeStream;
  told: Recorder;
} {
  const stream = new FakeStream();
  const channel = new WebsocketChannel(stream, {
    role: "client",
    label: "test",
    pingIntervalMs: 0,
    ...options,
  });
  const told = new Recorder();
  channel.open(told);
  return { channel, stream, told };
}

/** What was written, as frames. */
function framesOf(stream: FakeStream, masked: boolean): Frame[] {
  const frames: Frame[] = [];
  const parser = new FrameParser({ maxPayloadBytes: 1 << 30, masked });
  for (const bytes of stream.written) parser.feed(bytes.slice(), (frame) => frames.push(frame));
  return frames;
}

function closeOf(frame: Frame | undefined): [number, string] {
  expect(frame?.opcode).toBe(8);
  const payload = Buffer.from(frame!.payload);
  return [payload.readUInt16BE(), payload.toString("utf8", 2)];
}

/** A frame as a server sends it. */
function bare(opcode: number, payload: string | Uint8Array, fin = true): Uint8Array {
  return encodeFrame(
    { fin, opcode, payload: typeof payload === "string" ? Buffer.from(payload) : payload },
    false,
  );
}

function closeFrame(status: number, text = ""): Uint8Array {
  return bare(8, Buffer.from([status >> 8, status & 0xff, ...Buffer.from(text)]));
}

describe("messages out", () => {
  test("small ones of one turn go out in one write, in order, masked by a client", async () => {
    const { channel, stream } = openChannel();
    for (const text of ["a", "b", "é"]) channel.send(text);
    expect(stream.written).toEqual([]);
    expect(channel.pendingBytes).toBe(3 * 6 + 4);
    await Promise.resolve();
    expect(stream.written).toHaveLength(1);
    expect(channel.pendingBytes).toBe(0);
    expect(framesOf(stream, true).map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      "a",
      "b",
      "é",
    ]);
  });

  test("a large one does not overtake small ones before it", async () => {
    const { channel, stream } = openChannel({ role: "server" });
    const large = "x".repeat(20_000);
    channel.send("1");
    channel.send(large);
    channel.send("3");
    await Promise.resolve();
    expect(framesOf(stream, false).map(({ payload }) => payload.length)).toEqual([1, 20_000, 1]);
  });

  test("up to 8 MiB a message is one frame; above it comes in pieces of 8 MiB", async () => {
    for (const [length, pieces] of [
      [8 * MIB, [8 * MIB]],
      [8 * MIB + 1, [8 * MIB, 1]],
      [20 * MIB, [8 * MIB, 8 * MIB, 4 * MIB]],
    ] as const) {
      const { channel, stream } = openChannel({ role: "server" });
      channel.send("y".repeat(length));
      await Promise.resolve();
      const frames = framesOf(stream, false);
      expect(frames.map(({ payload }) => payload.length)).toEqual([...pieces]);
      expect(frames.map(({ opcode }) => opcode)).toEqual(pieces.map((_, i) => (i === 0 ? 1 : 0)));
      expect(frames.map(({ fin }) => fin)).toEqual(pieces.map((_, i) => i === pieces.length - 1));
    }
  });

  test("pieces that are cut within a character are whole on the other side", async () => {
    const text = `x${"é".repeat(4 * MIB + 10)}`;
    const [a, b, connect] = streamPair();
    const client = new WebsocketChannel(a, { role: "client", label: "a", pingIntervalMs: 0 });
    const server = new WebsocketChannel(b, { role: "server", label: "b", pingIntervalMs: 0 });
    connect(client.streamHandlers, server.streamHandlers);
    const told = new Recorder();
    server.open(told);
    client.send(text);
    await until(WAIT_MS, "message", () => told.messages.length === 1);
    expect(told.messages[0] === text).toBe(true);
  });

  test("texts with base64 keep their place among others, whatever their length, and take a copy", async () => {
    const { channel, stream } = openChannel({ role: "server" });
    const lengths = [0, 3, 12_000, 20_000, 200_000, 7 * MIB];
    for (const length of lengths) {
      const bytes = new Uint8Array(length).fill(1);
      channel.sendBase64("é", bytes, "!");
      bytes.fill(2);
      channel.send(`after ${length}`);
    }
    await Promise.resolve();
    let whole = "";
    const texts: string[] = [];
    for (const { fin, payload } of framesOf(stream, false)) {
      whole += Buffer.from(payload).toString();
      if (fin) texts.push(whole);
      if (fin) whole = "";
    }
    const expected = lengths.flatMap((length) => [
      `é${Buffer.alloc(length, 1).toString("base64")}!`,
      `after ${length}`,
    ]);
    expect(texts.map((text, i) => text === expected[i])).toEqual(expected.map(() => true));
  });

  test("what is sent after the end goes nowhere", async () => {
    const { channel, stream } = openChannel();
    channel.streamHandlers.close();
    channel.send("late");
    await Promise.resolve();
    expect(stream.written).toEqual([]);
  });
});

describe("messages in", () => {
  test("text and binary are taken, fragments put together, pings answered in between", async () => {
    const { channel, stream, told } = openChannel();
    const { data } = channel.streamHandlers;
    data(bare(1, "one"));
    data(bare(2, "two"));
    data(bare(1, "th", false));
    data(bare(9, "are you there"));
    data(bare(0, "", false));
    data(bare(0, "ree"));
    data(bare(2, "fo", false));
    data(bare(0, "ur"));
    expect(told.messages).toEqual(["one", "two", "three", "four"]);
    await Promise.resolve();
    const [pong] = framesOf(stream, true);
    expect([pong!.opcode, Buffer.from(pong!.payload).toString()]).toEqual([10, "are you there"]);
  });

  test("any cutting into frames and into bytes gives the same messages", () => {
    // A zero begins what is no text.
    const text = fc.string({ unit: "binary", maxLength: 60 }).filter((value) => !value.startsWith("\0"));
    const nats = fc.array(fc.nat(), { maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, fc.constantFrom(1, 2), nats), { maxLength: 5 }),
        nats,
        (messages, cuts) => {
          const { channel, told } = openChannel();
          const bytes = messages.flatMap(([message, opcode, fragments]) => {
            const pieces = split(Buffer.from(message), fragments);
            if (pieces.length === 0) pieces.push(new Uint8Array(0));
            return pieces.map((piece, i) => bare(i === 0 ? opcode : 0, piece, i === pieces.length - 1));
          });
          for (const piece of split(Buffer.concat(bytes), cuts)) channel.streamHandlers.data(piece);
          expect(told.messages).toEqual(messages.map(([message]) => message));
        },
      ),
    );
  });

  test("a byte-order mark is kept, as JSON must see it", () => {
    const { channel, told } = openChannel();
    channel.streamHandlers.data(bare(1, "\ufeff{}"));
    expect(told.messages).toEqual(["\ufeff{}"]);
  });

  test("a binary message that is no UTF-8 is told, and the channel lives on", () => {
    const { channel, told } = openChannel();
    channel.streamHandlers.data(bare(2, new Uint8Array([0xff])));
    channel.streamHandlers.data(bare(1, "next"));
    expect(told.undecodables).toEqual(["the message is not UTF-8"]);
    expect(told.messages).toEqual(["next"]);
    expect(told.closes).toEqual([]);
  });

  test("what comes before the channel is opened waits for it", () => {
    const stream = new FakeStream();
    const channel = new WebsocketChannel(stream, { role: "client", label: "test", pingIntervalMs: 0 });
    const bytes = Buffer.concat([bare(1, "early"), bare(1, "second")]);
    channel.streamHandlers.data(bytes.subarray(0, 4));
    channel.streamHandlers.data(bytes.subarray(4));
    const told = new Recorder();
    channel.open(told);
    expect(told.messages).toEqual(["early", "second"]);
  });

  test("an end before the channel is opened is told when it is", () => {
    const channel = new WebsocketChannel(new FakeStream(), {
      role: "client",
      label: "test",
      pingIntervalMs: 10,
    });
    channel.streamHandlers.close(new Error("reset"));
    const told = new Recorder();
    channel.open(told);
    channel.streamHandlers.close();
    expect(told.closes).toEqual([{ kind: "lost", message: "the connection broke: reset" }]);
  });
});

describe("broken rules", () => {
  const wrong: [string, Uint8Array[], number, CloseReason["kind"]][] = [
    ["text that is no UTF-8", [bare(1, new Uint8Array([0xc3]))], 1007, "protocol"],
    ["text cut within a character", [bare(1, new Uint8Array([0xc3]), false), bare(0, "a")], 1007, "protocol"],
    ["a reserved opcode", [new Uint8Array([0x83, 0])], 1002, "protocol"],
    [
      "a masked frame from a server",
      [encodeFrame({ fin: true, opcode: 1, payload: new Uint8Array(1) }, true)],
      1002,
      "protocol",
    ],
    ["a continuation of nothing", [bare(0, "a")], 1002, "protocol"],
    ["a continuation after a whole message", [bare(1, "a"), bare(0, "b")], 1002, "protocol"],
    ["a message within another", [bare(1, "a", false), bare(1, "b")], 1002, "protocol"],
    ["a frame above the limit", [bare(2, new Uint8Array(1001))], 1009, "tooBig"],
    [
      "fragments above the limit together",
      [bare(2, new Uint8Array(600), false), bare(0, new Uint8Array(401))],
      1009,
      "tooBig",
    ],
  ];
  for (const [what, frames, status, kind] of wrong) {
    test(`${what} closes with ${status}, tells once and ends the connection`, () => {
      const { channel, stream, told } = openChannel({ maxMessageBytes: 1000 });
      for (const bytes of frames) channel.streamHandlers.data(bytes);
      channel.streamHandlers.data(bare(1, "more"));
      channel.streamHandlers.close();
      expect(told.closes.map((reason) => reason.kind)).toEqual([kind]);
      expect(told.late).toBe(0);
      const closes = framesOf(stream, true).filter(({ opcode }) => opcode === 8);
      expect(closes.map((frame) => closeOf(frame)[0])).toEqual([status]);
      expect(stream.calls).toContain("end");
    });
  }

  test("a fault of who takes a message ends the connection, and is nobody else's", () => {
    const { channel, stream, told } = openChannel({ role: "server" });
    told.onMessage = () => {
      throw new RangeError("too deep");
    };
    channel.streamHandlers.data(encodeFrame({ fin: true, opcode: 1, payload: Buffer.from("a") }, true));
    expect(told.closes).toEqual([{ kind: "protocol", message: "RangeError: too deep" }]);
    expect(closeOf(framesOf(stream, false).at(-1))).toEqual([1011, "RangeError: too deep"]);
    expect(stream.calls).toContain("end");
  });

  test("messages of exactly the limit pass, whole and in pieces", () => {
    const { channel, told } = openChannel({ maxMessageBytes: 1000 });
    channel.streamHandlers.data(bare(2, "x".repeat(1000)));
    channel.streamHandlers.data(bare(2, "x".repeat(600), false));
    channel.streamHandlers.data(bare(0, "x".repeat(400)));
    expect(told.messages.map(({ length }) => length)).toEqual([1000, 1000]);
  });
});

describe("the end", () => {
  const statuses: [CloseReason["kind"], number][] = [
    ["normal", 1000],
    ["goingAway", 1001],
    ["protocol", 1002],
    ["tooBig", 1009],
    ["timeout", 1008],
    ["lost", 1011],
  ];
  for (const [kind, status] of statuses) {
    test(`our close "${kind}" is a close frame with ${status}, and is told at once`, () => {
      const { channel, stream, told } = openChannel();
      channel.close({ kind, message: "because" });
      channel.close({ kind: "normal", message: "again" });
      expect(told.closes).toEqual([{ kind, message: "because" }]);
      const frames = framesOf(stream, true);
      expect(frames).toHaveLength(1);
      expect(closeOf(frames[0])).toEqual([status, "because"]);
      channel.streamHandlers.close();
      expect(told.closes).toHaveLength(1);
    });
  }

  test("what was sent before our close goes out before it", () => {
    const { channel, stream } = openChannel();
    channel.send("last words");
    channel.close({ kind: "normal", message: "" });
    expect(framesOf(stream, true).map(({ opcode }) => opcode)).toEqual([1, 8]);
  });

  test("their answer to our close ends the connection, and messages before it are for nobody", () => {
    const { channel, stream, told } = openChannel();
    channel.close({ kind: "normal", message: "" });
    channel.streamHandlers.data(bare(1, "too late"));
    expect(stream.calls).toEqual([]);
    channel.streamHandlers.data(closeFrame(1000));
    expect(stream.calls).toEqual(["end"]);
    channel.streamHandlers.close();
    expect(told.messages).toEqual([]);
    expect(told.closes).toHaveLength(1);
    expect(framesOf(stream, true)).toHaveLength(1);
  });

  test("when they do not answer our close, the connection is destroyed after a second", async () => {
    jest.useFakeTimers();
    try {
      const { channel, stream } = openChannel();
      channel.close({ kind: "normal", message: "" });
      jest.advanceTimersByTime(999);
      expect(stream.calls).toEqual([]);
      jest.advanceTimersByTime(1);
      expect(stream.calls).toEqual(["destroy"]);
    } finally {
      jest.useRealTimers();
    }
  });

  test("when they close and do not take our answer, the connection is destroyed after a second, too", () => {
    jest.useFakeTimers();
    try {
      const { channel, stream } = openChannel();
      channel.streamHandlers.data(closeFrame(1000));
      jest.advanceTimersByTime(999);
      channel.streamHandlers.data(closeFrame(1000));
      expect(stream.calls).toEqual(["end", "end"]);
      jest.advanceTimersByTime(1);
      expect(stream.calls).toEqual(["end", "end", "destroy"]);
      channel.streamHandlers.close();
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  const theirs: [number | undefined, string, CloseReason, number][] = [
    [1000, "", { kind: "normal", message: "the other side closed the connection with status 1000" }, 1000],
    [
      1001,
      "bye",
      { kind: "goingAway", message: "the other side closed the connection with status 1001: bye" },
      1001,
    ],
    [
      undefined,
      "",
      { kind: "normal", message: "the other side closed the connection with status 1005" },
      1000,
    ],
    [1008, "é", { kind: "lost", message: "the other side closed the connection with status 1008: é" }, 1008],
    [4999, "", { kind: "lost", message: "the other side closed the connection with status 4999" }, 4999],
    // No frame may carry these, so nobody sends them back.
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000].map((status): (typeof theirs)[number] => [
      status,
      "x",
      { kind: "lost", message: `the other side closed the connection with status ${status}: x` },
      1002,
    ]),
  ];
  for (const [status, text, reason, answer] of theirs) {
    test(`their close ${status ?? "without a status"} is answered with ${answer} and told as ${reason.kind}`, () => {
      const { channel, stream, told } = openChannel();
      channel.streamHandlers.data(status === undefined ? bare(8, "") : closeFrame(status, text));
      expect(told.closes).toEqual([reason]);
      expect(closeOf(framesOf(stream, true)[0])).toEqual([answer, ""]);
      expect(stream.calls).toEqual(["end"]);
      channel.streamHandlers.data(closeFrame(1000));
      channel.streamHandlers.close(new Error("reset"));
      expect(told.closes).toEqual([reason]);
    });
  }

  test("their close with half a status is answered with 1002", () => {
    const { channel, stream, told } = openChannel();
    channel.streamHandlers.data(bare(8, new Uint8Array([3])));
    expect(told.closes.map(({ kind }) => kind)).toEqual(["lost"]);
    expect(closeOf(framesOf(stream, true)[0])[0]).toBe(1002);
  });

  test("a connection that ends or breaks without a close frame is lost", () => {
    const one = openChannel();
    one.channel.streamHandlers.close();
    expect(one.told.closes).toEqual([{ kind: "lost", message: "the other side closed the connection" }]);
    const other = openChannel();
    other.channel.streamHandlers.close(new Error("ECONNRESET"));
    expect(other.told.closes).toEqual([{ kind: "lost", message: "the connection broke: ECONNRESET" }]);
  });

  test("a long reason is cut to what a close frame holds, on a character", () => {
    for (const message of ["x".repeat(500), "é".repeat(500), "😀".repeat(500), "\u{10ffff}x".repeat(60)]) {
      const { channel, stream } = openChannel();
      channel.close({ kind: "normal", message });
      const [frame] = framesOf(stream, true);
      expect(frame!.payload.length).toBeLessThanOrEqual(125);
      expect(frame!.payload.length).toBeGreaterThan(40);
      expect(() =>
        new TextDecoder("utf-8", { fatal: true }).decode(frame!.payload.subarray(2)),
      ).not.toThrow();
    }
  });

  test("closing while paused lets their answer in", () => {
    const { channel, stream } = openChannel();
    channel.pause();
    channel.close({ kind: "normal", message: "" });
    expect(stream.calls).toEqual(["pause", "resume"]);
  });
});

describe("pings", () => {
  afterEach(() => void jest.useRealTimers());

  test("go out at each interval, and anything that comes keeps the channel alive", () => {
    jest.useFakeTimers();
    const { channel, stream, told } = openChannel({ pingIntervalMs: 1000 });
    for (let i = 0; i < 10; i++) {
      jest.advanceTimersByTime(1000);
      channel.streamHandlers.data(i % 2 === 0 ? bare(10, "") : bare(1, "x"));
    }
    channel.close({ kind: "normal", message: "" });
    expect(framesOf(stream, true).filter(({ opcode }) => opcode === 9)).toHaveLength(10);
    // So that anything is seen to come, also in the middle of a long message.
    expect(stream.calls.filter((call) => call === "tellOfAll")).toHaveLength(10);
    expect(told.closes).toEqual([{ kind: "normal", message: "" }]);
  });

  test("two without an answer end the channel, and the connection at once", () => {
    jest.useFakeTimers();
    const { stream, told } = openChannel({ pingIntervalMs: 1000 });
    jest.advanceTimersByTime(2999);
    expect(told.closes).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(told.closes).toEqual([{ kind: "timeout", message: "2 pings brought no answer in 2 s" }]);
    expect(stream.calls).toEqual(["tellOfAll", "tellOfAll", "destroy"]);
    jest.advanceTimersByTime(10_000);
    expect(framesOf(stream, true).filter(({ opcode }) => opcode === 9)).toHaveLength(2);
  });

  test("without an answer are the reason that is told, also when the connection ends while it is destroyed", () => {
    jest.useFakeTimers();
    const { channel, stream, told } = openChannel({ pingIntervalMs: 1000 });
    stream.destroy = () => channel.streamHandlers.close();
    jest.advanceTimersByTime(3000);
    expect(told.closes.map(({ kind }) => kind)).toEqual(["timeout"]);
  });

  test("a channel that is paused, or whose backlog shrinks, is not given up", () => {
    jest.useFakeTimers();
    const { channel, stream, told } = openChannel({ pingIntervalMs: 1000 });
    channel.pause();
    jest.advanceTimersByTime(10_000);
    channel.resume();
    for (let left = 10; left > 0; left--) {
      stream.pendingBytes = left;
      jest.advanceTimersByTime(1000);
    }
    expect(told.closes).toEqual([]);
    stream.pendingBytes = 0;
    jest.advanceTimersByTime(4000);
    expect(told.closes).toHaveLength(1);
  });

  test("five without an answer end the channel of a client that does not take its backlog, two that of a server", () => {
    jest.useFakeTimers();
    for (const [role, pings] of [
      ["server", 5],
      ["client", 2],
    ] as const) {
      const { stream, told } = openChannel({ pingIntervalMs: 1000, role });
      stream.pendingBytes = 1;
      jest.advanceTimersByTime(pings * 1000 + 999);
      expect(told.closes).toEqual([]);
      jest.advanceTimersByTime(1);
      const message = `${pings} pings brought no answer in ${pings} s`;
      expect(told.closes).toEqual([{ kind: "timeout", message }]);
    }
  });

  test("are not sent with an interval of 0", () => {
    jest.useFakeTimers();
    const { stream } = openChannel({ pingIntervalMs: 0 });
    jest.advanceTimersByTime(1_000_000);
    expect(stream.written).toEqual([]);
  });
});

describe("a client that does not take what is sent", () => {
  const more = (): Uint8Array =>
    new Uint8Array(encodeFrame({ fin: true, opcode: 1, payload: Buffer.from("more") }, true));

  test("is not read above 64 MiB, until it has taken all", () => {
    const { channel, stream, told } = openChannel({ role: "server" });
    stream.pendingBytes = 64 * MIB;
    channel.streamHandlers.data(more());
    expect(stream.calls).toEqual([]);
    stream.pendingBytes += 1;
    channel.streamHandlers.data(more());
    channel.streamHandlers.data(more());
    expect(stream.calls).toEqual(["pause"]);
    // Who held it back for other reasons does not let it go on, nor the other way round.
    channel.pause();
    channel.resume();
    channel.pause();
    stream.pendingBytes = 0;
    channel.streamHandlers.drain();
    expect(stream.calls).toEqual(["pause", "pause", "pause"]);
    channel.resume();
    expect(stream.calls.at(-1)).toBe("resume");
    expect(told.messages).toHaveLength(3);
  });

  test("is asked whether it lives all the same, and read again when the channel ends", () => {
    jest.useFakeTimers();
    try {
      const { channel, stream, told } = openChannel({ role: "server", pingIntervalMs: 1000 });
      stream.pendingBytes = 65 * MIB;
      channel.streamHandlers.data(more());
      jest.advanceTimersByTime(6000);
      expect(told.closes.map(({ kind }) => kind)).toEqual(["timeout"]);
      expect(stream.calls.filter((call) => call !== "tellOfAll")).toEqual(["pause", "resume", "destroy"]);
    } finally {
      jest.useRealTimers();
    }
  });

  test("may have any length of one message before it", () => {
    const { channel, stream } = openChannel({ role: "server" });
    stream.pendingBytes = 2 * MIB;
    channel.sendBytes(new Uint8Array(5), new Uint8Array(100 * MIB));
    channel.streamHandlers.data(more());
    expect(channel.pendingBytes).toBeGreaterThan(100 * MIB);
    expect(stream.calls).toEqual([]);
    channel.streamHandlers.close();
  });

  test("is read where it is a server", () => {
    const { channel, stream } = openChannel();
    stream.pendingBytes = 65 * MIB;
    channel.streamHandlers.data(bare(1, "more"));
    expect(stream.calls).toEqual([]);
  });
});

test("pause, resume and drained are handed on", () => {
  const { channel, stream, told } = openChannel();
  channel.pause();
  channel.resume();
  expect(stream.calls).toEqual(["pause", "resume"]);
  channel.streamHandlers.drain();
  expect(told.drains).toBe(1);
  stream.pendingBytes = 77;
  expect(channel.pendingBytes).toBe(77);
  channel.close({ kind: "normal", message: "" });
  channel.streamHandlers.drain();
  expect(told.drains).toBe(1);
});

describe("a probe", () => {
  afterEach(() => void jest.useRealTimers());

  test("sends a ping, and anything that comes in time is life", () => {
    jest.useFakeTimers();
    const { channel, stream, told } = openChannel();
    channel.probe(100);
    expect(stream.calls).toEqual(["tellOfAll"]);
    jest.advanceTimersByTime(99);
    channel.streamHandlers.data(bare(10, ""));
    jest.advanceTimersByTime(1000);
    expect(told.closes).toEqual([]);
  });

  test("without an answer it ends the channel at once, and a second one does not put that off", () => {
    jest.useFakeTimers();
    const { channel, stream, told } = openChannel();
    channel.probe(100);
    jest.advanceTimersByTime(60);
    channel.probe(100);
    jest.advanceTimersByTime(40);
    expect(told.closes).toEqual([{ kind: "timeout", message: "a ping brought no answer in 100 ms" }]);
    expect(framesOf(stream, true).map(({ opcode }) => opcode)).toEqual([9, 8]);
    expect(stream.calls).toEqual(["tellOfAll", "destroy"]);
  });

  test("does not end a channel that is not read, whose answer nobody could hear", () => {
    jest.useFakeTimers();
    const { channel, stream, told } = openChannel();
    channel.pause();
    channel.probe(100);
    jest.advanceTimersByTime(1000);
    expect(told.closes).toEqual([]);
    channel.resume();
    channel.probe(100);
    jest.advanceTimersByTime(100);
    expect(told.closes.map(({ kind }) => kind)).toEqual(["timeout"]);
    expect(stream.calls.at(-1)).toBe("destroy");
  });

  test("of a channel that is read again gives it all of the time from then on", () => {
    jest.useFakeTimers();
    const { channel, told } = openChannel();
    for (const answers of [true, false]) {
      channel.pause();
      channel.probe(100);
      jest.advanceTimersByTime(99);
      channel.resume();
      jest.advanceTimersByTime(99);
      expect(told.closes).toEqual([]);
      if (answers) channel.streamHandlers.data(bare(10, ""));
      jest.advanceTimersByTime(1);
    }
    expect(told.closes.map(({ kind }) => kind)).toEqual(["timeout"]);
  });

  test("does not end a channel whose other side takes some of what waits", () => {
    jest.useFakeTimers();
    const { channel, stream, told } = openChannel();
    stream.pendingBytes = 2000;
    channel.probe(100);
    stream.pendingBytes = 1000;
    jest.advanceTimersByTime(1000);
    expect(told.closes).toEqual([]);
    channel.probe(100);
    jest.advanceTimersByTime(100);
    expect(told.closes.map(({ kind }) => kind)).toEqual(["timeout"]);
  });

  test("leaves no timer when the channel ends first", () => {
    jest.useFakeTimers();
    const { channel, told } = openChannel();
    channel.probe(100);
    channel.streamHandlers.close();
    channel.probe(100);
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(1000);
    expect(told.closes).toHaveLength(1);
  });
});
