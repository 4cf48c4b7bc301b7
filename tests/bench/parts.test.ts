/** What the figures are made of: sums, frames, messages, ratios. */

import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { Flood } from "./flood.ts";
import { FrameReader, frame, joined, MASK } from "./frames.ts";
import { isMet } from "./goals.ts";
import { parse } from "./link.ts";
import { median, quantile } from "./statistics.ts";
import { linesOf, short } from "./table.ts";

test("median and quantile", () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(quantile([5, 1, 3, 2, 4], 0.5)).toBe(3);
  expect(quantile([5, 1, 3, 2, 4], 0.99)).toBe(5);
});

describe("frames", () => {
  const payloads = [0, 1, 125, 126, 65_535, 65_536].map((length) => Buffer.alloc(length, 120));

  test.each([
    [true, 1],
    [true, 7],
    [false, 4096],
    [false, 1_000_000],
  ])("masked %p, however they are cut: pieces of %p bytes", (masked, size) => {
    const bytes = Buffer.concat(payloads.map((payload) => frame(1, [payload], masked)));
    const found: Buffer[] = [];
    const reader = new FrameReader((opcode, pieces) => {
      expect(opcode).toBe(1);
      found.push(Buffer.concat(pieces));
    });
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    expect(found.map(({ length }) => length)).toEqual([0, 1, 125, 126, 65_535, 65_536]);
    expect(Buffer.concat(found).equals(Buffer.concat(payloads))).toBe(true);
  });

  test("a masked one shows nothing of its payload, and leaves it as it was", () => {
    for (const length of [100, 10_000]) {
      const payload = Buffer.alloc(length, "text");
      for (let i = 0; i < 2; i++) expect(frame(1, [payload], true).includes("te")).toBe(false);
      expect(payload.equals(Buffer.alloc(length, "text"))).toBe(true);
    }
  });

  test("a whole text can be taken before it is cut out, and only such a one", () => {
    const [found, seen]: [string[], string[]] = [[], []];
    const reader = new FrameReader(
      (_, pieces) => found.push(`${joined(pieces)}`),
      (bytes, at) => {
        seen.push(bytes.toString("latin1", at, at + 2));
        return bytes[at] === 0x61;
      },
    );
    const bytes = Buffer.concat(["a1", "b2", "a3", "a4"].map((text) => frame(1, [Buffer.from(text)], false)));
    reader.push(bytes.subarray(0, -1));
    reader.push(bytes.subarray(-1));
    expect([seen, found]).toEqual([
      ["a1", "b2", "a3"],
      ["b2", "a4"],
    ]);
  });

  test("of a long one that may be passed only ends and length are kept", () => {
    const found: Buffer[] = [];
    const reader = new FrameReader(
      (_, pieces) => found.push(Buffer.concat(pieces)),
      () => false,
      (opcode, first) => opcode === 2 && first[0] === 1,
    );
    const payload = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => 1 + (i % 251)));
    const bytes = frame(2, [payload], false);
    reader.push(bytes.subarray(0, 2000));
    const memory = Buffer.alloc(64 * 1024);
    let passed = 2000;
    for (let most = reader.passable; most > 0; most = reader.passable) {
      const count = Math.min(most, memory.length);
      bytes.copy(memory, 0, passed, passed + count);
      reader.pass(memory.subarray(0, count));
      passed += count;
    }
    expect(bytes.length - passed).toBeLessThan(64 * 1024);
    reader.push(bytes.subarray(passed));
    expect(found.map(({ length }) => length)).toEqual([300_000]);
    expect(found[0]!.subarray(0, 3000).equals(payload.subarray(0, 3000))).toBe(true);
    expect(found[0]!.subarray(-1000).equals(payload.subarray(-1000))).toBe(true);
    payload[0] = 2;
    reader.push(frame(2, [payload], false).subarray(0, 2000));
    expect(reader.passable).toBe(0);
  });

  test("fragments are put together, with a ping between them", () => {
    const first = frame(2, [Buffer.from("ab")], false);
    first[0] = 2; // not the last
    const found: string[] = [];
    const reader = new FrameReader((opcode, pieces) => found.push(`${opcode} ${joined(pieces)}`));
    reader.push(
      Buffer.concat([first, frame(9, [Buffer.from("p")], false), frame(0, [Buffer.from("c")], false)]),
    );
    expect(found).toEqual(["9 p", "2 abc"]);
  });
});

describe("a flood of requests", () => {
  const options = { method: "environment/status", params: null, count: 10, width: 4 };
  const answer = (id: number): Buffer => Buffer.from(`{"id":${id},"result":{}}`);
  const begin = (): { flood: Flood; sent: { id: number }[] } => {
    const sent: { id: number }[] = [];
    const reader = new FrameReader((_, pieces) => sent.push(JSON.parse(joined(pieces).toString())));
    const encode = (parts: readonly Buffer[]): Buffer => frame(1, parts, true);
    return { flood: new Flood(options, encode, MASK, (bytes) => reader.push(Buffer.from(bytes))), sent };
  };

  test("has so many on the way, and is done with the last answer", async () => {
    const { flood, sent } = begin();
    for (let answered = 0; answered < 10; answered += 3) {
      expect(sent.length).toBe(Math.min(10, answered + 4));
      for (const { id } of sent.slice(answered, answered + 3)) expect(flood.take(answer(id), 0)).toBe(true);
      await Promise.resolve();
    }
    await flood.done;
    expect(sent).toEqual(
      Array.from({ length: 10 }, (_, i) => ({
        id: 1_000_000 + i,
        method: "environment/status",
        params: null,
      })),
    );
  });

  test("takes no other message, and fails at a second answer", async () => {
    const { flood, sent } = begin();
    const { id } = sent[0]!;
    for (const text of [`{"id":${id},"error":{}}`, `{"id":${id + 4},"result":{}}`, '{"method":"x"}', "{}"]) {
      expect(flood.take(Buffer.from(text), 0)).toBe(false);
    }
    flood.take(answer(id), 0);
    flood.take(answer(id), 0);
    await expect(flood.done).rejects.toThrow("There is a second answer to request 0");
  });
});

describe("the length of a chunk is told", () => {
  const inPieces = (message: unknown, size: number): Buffer[] => {
    const text = Buffer.from(JSON.stringify(message));
    return Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
      text.subarray(i * size, (i + 1) * size),
    );
  };

  test.each([1, 2, 3, 500, 501, 502, 200_000, 200_001, 200_002])("%p bytes", (length) => {
    const chunk = Buffer.alloc(length).toString("base64");
    const output = { method: "process/output", params: { chunk, processId: "p1", seq: 1 } };
    const answer = { id: 1, result: { dataBase64: chunk, eof: false } };
    for (const size of [100, 1024, 65_536, 10_000_000]) {
      const { message, bytes } = parse(inPieces(output, size));
      expect(bytes).toBe(length);
      expect(message.params).toMatchObject({ processId: "p1", seq: 1 });
      expect(parse(inPieces(answer, size))).toMatchObject({ bytes: length, message: { id: 1 } });
    }
  });

  test("a long message of another kind is parsed whole", () => {
    const names = Array.from({ length: 20_000 }, (_, i) => `file-${i}`);
    expect(parse(inPieces({ id: 7, result: { names, chunk: "" } }, 65_536)).message.result.names).toEqual(
      names,
    );
  });
});

test("a ratio is judged by its direction", () => {
  expect(isMet("pty.echo_p50_us", "lower", 0.01)).toBe(true);
  expect(isMet("pty.echo_p50_us", "lower", 0.02)).toBe(false);
  expect(isMet("pipe.one_MBps", "higher", 1.9)).toBe(false);
  expect(isMet("pipe.one_MBps", "higher", 2)).toBe(true);
});

test("what was not measured is not judged", () => {
  const figure = { id: "x", title: "x", unit: "ms", better: "lower" } as const;
  const [line] = linesOf([{ family: "f", figure, ours: [1, 3], peer: [], control: [] }]);
  expect(line).toMatchObject({ ours: 2, peer: null, ratio: null, met: null });
});

test("numbers are shown with three figures", () => {
  expect([0, 0.012345, 1.5, 99.94, 1234.5].map(short)).toEqual(["0", "0.0123", "1.5", "99.9", "1,235"]);
});
