import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LineChannel, LineSplitter, LineTooLong } from "../../../lib/transport/lines.ts";
import { until } from "../../support/deadline.ts";
import { FakeSink, FakeSource, Recorder, split, WAIT_MS } from "./support.ts";

function linesOf(pieces: readonly Uint8Array[], maxLineBytes = 1000): string[] {
  const splitter = new LineSplitter(maxLineBytes);
  const lines: string[] = [];
  const keep = (line: Uint8Array): void => void lines.push(Buffer.from(line).toString("latin1"));
  for (const piece of pieces) splitter.feed(piece, keep);
  splitter.end(keep);
  return lines;
}

describe("cutting into lines", () => {
  test("any split of the bytes gives the same lines", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "\r", "\xff"), maxLength: 60 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 12 }), (all, cuts) => {
        const expected = all.split("\n");
        // What is behind the last LF is a line if there is something.
        if (expected.at(-1) === "") expected.pop();
        expect(linesOf(split(Buffer.from(all, "latin1"), cuts))).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test("a line of exactly the limit passes and one more byte does not, whatever the cuts", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 5 }), fc.boolean(), (cuts, ended) => {
        const end = ended ? "\n" : "";
        expect(linesOf(split(Buffer.from(`a\n${"x".repeat(50)}${end}`), cuts), 50)).toEqual([
          "a",
          "x".repeat(50),
        ]);
        expect(() => linesOf(split(Buffer.from(`a\n${"x".repeat(51)}${end}`), cuts), 50)).toThrow(
          LineTooLong,
        );
      }),
    );
  });

  test("a line that never ends is refused before it has filled the memory", () => {
    const splitter = new LineSplitter(100);
    splitter.feed(new Uint8Array(60), () => {});
    expect(() => splitter.feed(new Uint8Array(41), () => {})).toThrow(
      "A line is above the limit of 100 bytes",
    );
  });

  test("the end is told once", () => {
    const splitter = new LineSplitter(100);
    const lines: number[] = [];
    splitter.feed(Buffer.from("abc"), () => {});
    splitter.end((line) => lines.push(line.length));
    splitter.end((line) => lines.push(line.length));
    expect(lines).toEqual([3]);
  });
});

function openLines(
  maxLineBytes?: number,
  isServer = false,
): {
  channel: LineChannel;
  source: FakeSource;
  sink: FakeSink;
  told: Recorder;
  ends: string[];
} {
  const source = new FakeSource();
  const sink = new FakeSink();
  const ends: string[] = [];
  const channel = new LineChannel(source, sink, {
    label: "exec-server stdio",
    isServer,
    ...(maxLineBytes === undefined ? {} : { maxLineBytes }),
    onEnd: () => ends.push("end"),
    onClose: (reason) => ends.push(`close ${reason.kind}`),
  });
  const told = new Recorder();
  channel.open(told);
  return { channel, source, sink, told, ends };
}

describe("a channel of lines", () => {
  test("each line is a message; blank ones are skipped, CR before LF and a missing last LF are right", async () => {
    const { source, sink, told, ends } = openLines();
    source.push('{"a":1}\n\n  \t\n{"b"');
    source.push(":2}\r\n\r\n");
    source.push('{"é":3}');
    source.push(null);
    await until(WAIT_MS, "end", () => told.closes.length > 0 && ends.length === 2);
    expect(told.messages.map((text) => JSON.parse(text))).toEqual([{ a: 1 }, { b: 2 }, { é: 3 }]);
    expect(told.closes).toEqual([{ kind: "normal", message: "the other side ended its output" }]);
    expect([source.cancelled, sink.closed, sink.destroyed]).toEqual([true, true, false]);
    expect(ends).toEqual(["end", "close normal"]);
  });

  test("what is sent in one turn goes out in one write, each message with its LF", async () => {
    const { channel, sink } = openLines();
    channel.send("1");
    channel.send("é");
    expect(channel.pendingBytes).toBeGreaterThan(0);
    await until(WAIT_MS, "write", () => sink.taken.length > 0);
    expect(sink.taken).toHaveLength(1);
    expect(sink.text).toBe("1\né\n");
    expect(channel.pendingBytes).toBe(0);
  });

  test("texts with base64 keep their place among others, whatever their length, and take a copy", async () => {
    const { channel, sink } = openLines();
    const lengths = [0, 3, 16_383, 16_384, 300_000];
    for (const length of lengths) {
      const bytes = new Uint8Array(length).fill(1);
      channel.sendBase64("é", bytes, "!");
      bytes.fill(2);
      channel.send(`after ${length}`);
    }
    const expected = lengths.map((n) => `é${Buffer.alloc(n, 1).toString("base64")}!\nafter ${n}\n`).join("");
    await until(WAIT_MS, "writes", () => sink.text.length === expected.length);
    expect(sink.text === expected).toBe(true);
    expect(channel.pendingBytes).toBe(0);
  });

  test("drained comes when all has been taken, not before", async () => {
    const { channel, sink, told } = openLines();
    sink.open = false;
    channel.send("x".repeat(100_000));
    channel.send("y");
    await until(WAIT_MS, "writes", () => sink.pendingBytes === 100_003);
    expect(channel.pendingBytes).toBe(100_003);
    expect(told.drains).toBe(0);
    sink.flush();
    await until(WAIT_MS, "drained", () => told.drains === 1);
  });

  test("while it is paused nothing more is read", async () => {
    const { channel, source, told } = openLines();
    told.onMessage = () => channel.pause();
    source.push("1\n");
    source.push("2\n");
    await until(WAIT_MS, "message", () => told.messages.length === 1);
    await Bun.sleep(10);
    expect([source.unread, told.messages.length]).toEqual([1, 1]);
    channel.resume();
    await until(WAIT_MS, "message", () => told.messages.length === 2);
  });

  test("a pause that begins as another ends holds back the end of the input, too", async () => {
    const { channel, source, told } = openLines();
    told.onMessage = () => channel.pause();
    source.push("1\n");
    source.push(null);
    await until(WAIT_MS, "message", () => told.messages.length === 1);
    channel.resume();
    channel.pause();
    await Bun.sleep(10);
    expect([source.unread, told.closes]).toEqual([1, []]);
    channel.resume();
    await until(WAIT_MS, "end", () => told.closes.length === 1);
  });

  test("of a client that has not taken 64 MiB nothing more is read until it has", async () => {
    const { channel, source, sink, told } = openLines(undefined, true);
    const answer = "x".repeat(1024 * 1024);
    sink.open = false;
    told.onMessage = () => channel.send(answer);
    for (let i = 0; i < 70; i++) source.push("1\n");
    source.push(null);
    await until(WAIT_MS, "messages", () => told.messages.length === 64);
    await Bun.sleep(10);
    expect(told.messages.length).toBe(64);
    // Who holds it back besides is asked as well.
    channel.pause();
    sink.open = true;
    sink.flush();
    await Bun.sleep(10);
    expect(told.messages.length).toBe(64);
    channel.resume();
    await until(WAIT_MS, "end", () => told.closes.length === 1);
    expect(told.messages.length).toBe(70);
    expect(sink.taken.reduce((sum, { length }) => sum + length, 0)).toBe(70 * (answer.length + 1));
  });

  test("a client may have any length of one message before it", async () => {
    const { channel, source, sink, told } = openLines(undefined, true);
    sink.open = false;
    channel.sendBase64("", new Uint8Array(70 * 1024 * 1024), "");
    source.push("1\n");
    source.push("2\n");
    await until(WAIT_MS, "messages", () => told.messages.length === 2);
    expect(channel.pendingBytes).toBeGreaterThan(64 * 1024 * 1024);
  });

  test.each([
    ["its sink breaks", (sink: FakeSink) => sink.fail(new Error("EPIPE"))],
    ["it is closed", (_: FakeSink, channel: LineChannel) => channel.close({ kind: "normal", message: "" })],
  ])("one that is not read ends when %s", async (_, end) => {
    const { channel, source, sink, told, ends } = openLines(undefined, true);
    sink.open = false;
    told.onMessage = () => channel.send("x".repeat(70 * 1024 * 1024));
    source.push("1\n");
    source.push("2\n");
    await until(WAIT_MS, "message", () => sink.pendingBytes > 0);
    end(sink, channel);
    sink.flush();
    await until(WAIT_MS, "end", () => ends.length === 2);
    expect(told.messages).toEqual(["1"]);
  });

  test("a server that does not take what it is sent is read on", async () => {
    const { channel, source, sink, told } = openLines();
    sink.open = false;
    channel.send("x".repeat(70 * 1024 * 1024));
    source.push("1\n");
    source.push("2\n");
    await until(WAIT_MS, "messages", () => told.messages.length === 2);
  });

  test("a line that is no UTF-8 ends it", async () => {
    const { source, told } = openLines();
    source.push(new Uint8Array([0x31, 10, 0xff, 10, 0x32, 10]));
    await until(WAIT_MS, "end", () => told.closes.length > 0);
    expect(told.messages).toEqual(["1"]);
    expect(told.closes[0]!.kind).toBe("protocol");
    expect(source.cancelled).toBe(true);
  });

  test("a line above the limit ends it as too big", async () => {
    const { source, told } = openLines(10);
    source.push("0123456789\n0123456789a");
    await until(WAIT_MS, "end", () => told.closes.length > 0);
    expect(told.messages).toEqual(["0123456789"]);
    expect(told.closes).toEqual([{ kind: "tooBig", message: "A line is above the limit of 10 bytes" }]);
  });

  test("our close lets out what was sent, then ends the sink, and is told once", async () => {
    const { channel, source, sink, told, ends } = openLines();
    sink.open = false;
    channel.send("last");
    channel.close({ kind: "normal", message: "done" });
    channel.close({ kind: "lost", message: "again" });
    channel.send("too late");
    source.push("nobody hears this\n");
    expect(told.closes).toEqual([{ kind: "normal", message: "done" }]);
    await Bun.sleep(5);
    expect(ends).toEqual(["end"]);
    expect([sink.closed, sink.destroyed, source.cancelled]).toEqual([true, false, true]);
    sink.flush();
    await until(WAIT_MS, "close", () => ends.length === 2);
    expect(sink.text).toBe("last\n");
    expect([told.messages, told.closes.length, told.late]).toEqual([[], 1, 0]);
  });

  test("a paused channel that is closed ends", async () => {
    const { channel, source, told, ends } = openLines();
    channel.pause();
    source.push("1\n");
    channel.close({ kind: "normal", message: "" });
    await until(WAIT_MS, "close", () => ends.length === 2);
    expect(told.closes).toHaveLength(1);
  });

  test("a sink that breaks ends it as lost", async () => {
    const { channel, sink, told, ends } = openLines();
    sink.open = false;
    channel.send("x");
    await until(WAIT_MS, "write", () => sink.pendingBytes > 0);
    sink.fail(new Error("EPIPE"));
    await until(WAIT_MS, "end", () => ends.length === 2);
    expect(told.closes).toEqual([{ kind: "lost", message: "cannot write: EPIPE" }]);
    expect(sink.destroyed).toBe(true);
  });

  test("closed before it was opened, it tells the end when it is", () => {
    const channel = new LineChannel(new FakeSource(), new FakeSink(), { label: "x" });
    channel.close({ kind: "goingAway", message: "bye" });
    const told = new Recorder();
    channel.open(told);
    expect(told.closes).toEqual([{ kind: "goingAway", message: "bye" }]);
  });
});
