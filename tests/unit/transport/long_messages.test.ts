import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { base64Pieces, LongMessages, type PieceFrame, pieces } from "../../../lib/transport/long_messages.ts";

/** Collects frames, with room for so many at a time. */
function collector(room: number) {
  const frames: PieceFrame[] = [];
  let left = room;
  const long = new LongMessages(
    (frame) => {
      frames.push({ ...frame, bytes: Buffer.from(frame.bytes) });
      left--;
    },
    () => left > 0,
  );
  const drain = (): void => {
    left = room;
    long.pump();
  };
  const text = (): string => Buffer.concat(frames.map(({ bytes }) => bytes)).toString("latin1");
  return { frames, long, drain, text };
}

describe("long messages", () => {
  test("go out in pieces, as there is room", () => {
    const { frames, long, drain, text } = collector(2);
    long.start(2, 10, pieces([Buffer.from("abc"), Buffer.from("defghij")], 3));
    expect([text(), long.active]).toEqual(["abcdef", true]);
    drain();
    expect([text(), long.active, long.pendingBytes]).toEqual(["abcdefghij", false, 0]);
    expect(frames.map(({ opcode, fin }) => [opcode, fin])).toEqual([
      [2, false],
      [0, false],
      [0, false],
      [0, true],
    ]);
  });

  test("hold up what is sent behind them, in its order", () => {
    const { long, drain, text } = collector(1);
    const later: string[] = [];
    long.start(1, 6, pieces([Buffer.from("abcdef")], 2));
    expect(long.defers(10, () => later.push(`first after ${text()}`))).toBe(true);
    expect(long.defers(20, () => long.start(1, 4, pieces([Buffer.from("ghij")], 2)))).toBe(true);
    expect(long.defers(30, () => later.push(`last after ${text()}`))).toBe(true);
    expect(long.pendingBytes).toBe(4 + 60);
    drain();
    expect(later).toEqual([]);
    drain();
    expect(later).toEqual(["first after abcdef"]);
    drain();
    drain();
    expect(later).toEqual(["first after abcdef", "last after abcdefghij"]);
    expect(long.defers(1, () => {})).toBe(false);
    expect(long.pendingBytes).toBe(0);
  });

  test("keep their order when a write tells of room", () => {
    const written: string[] = [];
    const long = new LongMessages(
      ({ bytes }) => {
        long.pump();
        written.push(Buffer.from(bytes).toString());
      },
      () => true,
    );
    long.start(1, 6, pieces([Buffer.from("abcdef")], 2));
    expect(written).toEqual(["ab", "cd", "ef"]);
  });

  test("say when nothing of them is needed any more", () => {
    const { long, drain, text } = collector(2);
    const done: string[] = [];
    long.start(1, 6, pieces([Buffer.from("abcdef")], 2), () => done.push(text()));
    expect(done).toEqual([]);
    drain();
    expect(done).toEqual(["abcdef"]);
    long.start(1, 6, pieces([Buffer.from("ghijkl")], 2), () => done.push(text()));
    long.drop();
    expect(done).toEqual(["abcdef", "abcdefgh"]);
  });

  test("go nowhere after the end", () => {
    const { long, drain, text } = collector(1);
    long.start(1, 6, pieces([Buffer.from("abcdef")], 2));
    long.defers(1, () => expect.unreachable());
    long.drop();
    drain();
    expect([text(), long.pendingBytes]).toEqual(["ab", 0]);
  });

  test("base64 in pieces is the base64 of the whole", () => {
    for (const length of [0, 1, 2, 3, 8, 9, 10, 1000]) {
      const bytes = randomBytes(length);
      const parts = [...base64Pieces('{"é":"', bytes, '"}', 10)].map(({ bytes: part, base64 }) =>
        base64 ? Buffer.from(Buffer.from(part).toString("base64")) : Buffer.from(part),
      );
      expect(Buffer.concat(parts).toString()).toBe(`{"é":"${bytes.toString("base64")}"}`);
      expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(12);
    }
  });
});
