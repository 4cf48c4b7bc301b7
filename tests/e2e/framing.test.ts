/** Messages in frames, and lines. */

import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { within } from "../support/deadline.ts";
import { type Harness, ours, suite, verifies } from "../support/harness.ts";
import type { StdioClient } from "../support/raw_client.ts";
import { encodeFrame, type FrameOptions, type RawSocket } from "../support/raw_socket.ts";

const MIB = 1024 * 1024;

/** A request of exactly so many bytes. */
function request(bytes: number): string {
  const [head, tail] = ['{"id":1,"method":"no/such","params":"', '"}'];
  return head + "x".repeat(bytes - head.length - tail.length) + tail;
}

const small = '{"id":1,"method":"no/such"}';

suite("websocket framing", { transports: ["websocket"] }, (t) => {
  const open = async (): Promise<RawSocket> => (await t.socket()).upgrade();
  /** `answered`, or how the connection ended. */
  const outcome = async (socket: RawSocket): Promise<unknown> => {
    for (;;) {
      const frame = await socket.next();
      if (!frame) return "dropped";
      if (frame.opcode === 8) return frame.payload.readUInt16BE(0);
      if (frame.opcode === 1) return `answered ${JSON.parse(frame.payload.toString()).id}`;
    }
  };

  verifies("websocket: text and binary are taken, text is sent", async () => {
    const socket = await open();
    for (const opcode of [1, 2]) {
      socket.frame(small, { opcode });
      const frame = (await socket.next())!;
      expect(frame).toMatchObject({ opcode: 1, fin: true, masked: false });
      expect(JSON.parse(frame.payload.toString()).error.code).toBe(-32601);
    }
  });

  verifies("websocket: a message may come in fragments, with control frames between", async () => {
    const socket = await open();
    socket.frame(small.slice(0, 5), { fin: false });
    socket.frame("hi", { opcode: 9 });
    socket.frame("", { opcode: 0, fin: false });
    socket.frame(small.slice(5), { opcode: 0 });
    const pong = (await socket.next())!;
    expect([pong.opcode, pong.payload.toString()]).toEqual([10, "hi"]);
    expect(await outcome(socket)).toBe("answered 1");
  });

  verifies("websocket: every way to cut the bytes of a frame is the same", async () => {
    const socket = await open();
    const bytes = encodeFrame(small);
    for (const byte of bytes) {
      socket.write(new Uint8Array([byte]));
      await Bun.sleep(0);
    }
    expect(await outcome(socket)).toBe("answered 1");
    socket.write(Buffer.concat([bytes, bytes, bytes]));
    for (let i = 0; i < 3; i++) expect(await outcome(socket)).toBe("answered 1");
  });

  verifies("websocket: a frame of 16 MiB is taken", async () => {
    const socket = await open();
    socket.frame(request(16 * MIB));
    expect(await outcome(socket)).toBe("answered 1");
  });

  verifies("websocket: a frame above 16 MiB is taken by ours", async () => {
    const socket = await open();
    socket.frame(request(16 * MIB + 1));
    t.same("frame above 16 MiB", await outcome(socket), "answered 1");
  });

  verifies("websocket: a message of 64 MiB in fragments is taken, a longer one is 1009", async () => {
    for (const size of [64 * MIB, 64 * MIB + 1]) {
      const socket = await open();
      const bytes = Buffer.from(request(size));
      for (let at = 0; at < size; at += 8 * MIB) {
        socket.frame(bytes.subarray(at, at + 8 * MIB), {
          opcode: at === 0 ? 1 : 0,
          fin: at + 8 * MIB >= size,
        });
      }
      const result = await outcome(socket);
      if (size === 64 * MIB) expect(result).toBe("answered 1");
      else t.same("message above 64 MiB", result, 1009);
      socket.close();
    }
  });

  const broken: Record<string, [payload: string | Uint8Array, options: FrameOptions, status: number]> = {
    "an unmasked frame": [small, { masked: false }, 1002],
    "a reserved bit": [small, { reserved: 4 }, 1002],
    "a reserved opcode": [small, { opcode: 3 }, 1002],
    "a continuation of nothing": [small, { opcode: 0 }, 1002],
    "a fragmented ping": ["x", { opcode: 9, fin: false }, 1002],
    "a ping that is too long": ["x".repeat(126), { opcode: 9 }, 1002],
    "a text that is no UTF-8": [new Uint8Array([0x22, 0xff, 0x22]), {}, 1007],
  };
  for (const [name, [payload, options, status]] of Object.entries(broken)) {
    verifies("websocket: a broken frame ends the connection", name, async () => {
      const socket = await open();
      socket.frame(payload, options);
      t.same("broken frame", await outcome(socket), status);
      await within(3000, "end", socket.gone);
    });
  }

  verifies("websocket: a binary message that is no UTF-8 is malformed and no more", async () => {
    const socket = await open();
    socket.frame(new Uint8Array([0x22, 0xff, 0x22]), { opcode: 2 });
    expect((await socket.nextJson()).error.code).toBe(-32600);
    socket.frame(small);
    expect(await outcome(socket)).toBe("answered 1");
  });

  verifies("websocket: a ping gets its pong", async () => {
    const socket = await open();
    for (const payload of ["", "x".repeat(125)]) {
      socket.frame(payload, { opcode: 9 });
      const pong = (await socket.next())!;
      expect([pong.opcode, pong.payload.toString()]).toEqual([10, payload]);
    }
  });

  verifies("websocket: a close frame is answered with its status", async () => {
    for (const [payload, status] of [
      [Buffer.from([3, 232]), 1000],
      [Buffer.from([3, 233]), 1001],
      [Buffer.alloc(0), 1000],
    ] as const) {
      const socket = await open();
      socket.frame(payload, { opcode: 8 });
      t.same("close frame", await outcome(socket), status);
      await within(3000, "end", socket.gone);
    }
  });

  verifies("websocket: answers are not held back", async () => {
    if (t.difference("held back answers")) return;
    const client = await t.client();
    const times: number[] = [];
    for (let i = 0; i < 30; i++) {
      const from = performance.now();
      const [first, second] = [client.post("no/such"), client.post("no/such")];
      await client.answer(first);
      await client.answer(second);
      times.push(performance.now() - from);
    }
    expect(times.sort((a, b) => a - b)[15]).toBeLessThan(20);
  });
});

suite("stdio framing", { transports: ["stdio"] }, (t) => {
  const answers = async (t: Harness, input: (string | Uint8Array)[]): Promise<unknown[]> => {
    const client = await t.fresh({ initialize: false });
    for (const piece of input) {
      // Bytes go out as they are.
      client.send(typeof piece === "string" ? Buffer.from(piece) : piece);
      await Bun.sleep(1);
    }
    client.send({ id: "last", method: "no/such" });
    await client.answer("last");
    return client.messages.map(({ id }) => id);
  };

  verifies("stdio: a line is a message, CRLF too, and blank lines are none", async () => {
    const input = ['{"id":1,"method":"no/such"}\n\n  \r\n{"id":2,"method":"no/such"}\r\n\t\n'];
    expect(await answers(t, input)).toEqual([1, 2]);
  });

  verifies("stdio: a line may come in pieces and several at once", async () => {
    const input = [
      '{"id":',
      '1,"method":"no/s',
      'uch"}\n{"id":2,"method":"no/such"}\n{"id"',
      ':3,"method":"no/such"}\n',
    ];
    expect(await answers(t, input)).toEqual([1, 2, 3]);
  });

  verifies("stdio: a line that is no UTF-8 ends the connection", async () => {
    const client = await t.fresh({ initialize: false });
    client.send(Buffer.from([0x22, 0xff, 0x22, 0x0a]));
    const nudge = setInterval(() => client.send(""), 50);
    await within(5000, "end", client.closed);
    clearInterval(nudge);
  });

  verifies("stdio: a line of 64 MiB is taken, one of 70 MiB ends the connection", async () => {
    const client = await t.fresh({ initialize: false });
    client.send(request(64 * MIB));
    expect((await client.answer(1, 20_000)).error.code).toBe(-32601);
    client.send(request(70 * MIB));
    if (t.difference("no line limit")) {
      expect((await client.answer(1, 20_000)).error.code).toBe(-32601);
      return;
    }
    const nudge = setInterval(() => client.send(""), 50);
    await within(10_000, "end", client.closed);
    clearInterval(nudge);
  });
});

suite("stdio framing, ours", { transports: ["stdio"], servers: ours }, (t) => {
  verifies("stdio: a line that is no UTF-8 ends the connection", "with status 0", async () => {
    const client = await t.fresh({ initialize: false });
    client.send(Buffer.from([0x22, 0xff, 0x22, 0x0a]));
    expect(await (client as StdioClient).running.exit()).toBe(0);
  });

  verifies("stdio: what comes before the end of input is done and answered", async () => {
    const client = (await t.fresh({ initialize: false })) as StdioClient;
    const dataBase64 = Buffer.from("hi").toString("base64");
    client.post("initialize", { clientName: "raw" });
    client.notify("initialized", {});
    // For each of them something is loaded that was not there before.
    const ids = [
      client.post("process/terminate", { processId: "none" }),
      client.post("fs/writeFile", { path: `${t.folder.work}/one`, dataBase64 }),
      client.post("http/request/cancel", { requestId: "none" }),
    ];
    await client.close();
    for (const id of ids) expect(await client.answer(id)).toHaveProperty("result");
    expect(readFileSync(`${t.folder.work}/one`, "utf8")).toBe("hi");
  });
});
