import { describe, expect, test } from "bun:test";
import { freeAtOnce, giveBack, ReusableMemory } from "../../../lib/jsonrpc/reusable_memory.ts";

const KIB = 1024;

describe("reusable memory", () => {
  test("is used again once it was given back by any view of it, for what fits", () => {
    const memory = new ReusableMemory(1024 * KIB);
    const first = memory.take(300 * KIB);
    expect(first.length).toBe(300 * KIB);
    expect(memory.take(300 * KIB).buffer).not.toBe(first.buffer);
    giveBack(first.subarray(7, 9));
    expect(memory.take(400 * KIB).buffer).not.toBe(first.buffer);
    const again = memory.take(299 * KIB);
    expect([again.buffer, again.byteOffset, again.length]).toEqual([first.buffer, 0, 299 * KIB]);
    expect(memory.take(300 * KIB).buffer).not.toBe(first.buffer);
  });

  test("much larger than what is wanted is left for others", () => {
    const memory = new ReusableMemory(1024 * KIB);
    const large = memory.take(512 * KIB);
    giveBack(large);
    expect(memory.take(64 * KIB).buffer).not.toBe(large.buffer);
    expect(memory.take(512 * KIB).buffer).toBe(large.buffer);
  });

  test("given back twice is not had by two", () => {
    const memory = new ReusableMemory(1024 * KIB);
    const first = memory.take(50);
    giveBack(first);
    const second = memory.take(50);
    giveBack(first);
    expect(second.buffer).toBe(first.buffer);
    expect(memory.take(50).buffer).toBe(second.buffer);
    expect(memory.take(50).buffer).not.toBe(second.buffer);
  });

  test("beyond what is kept is freed, the longest unused first; what is too large is not taken back", () => {
    const memory = new ReusableMemory(256 * KIB);
    const tooLarge = memory.take(257 * KIB);
    const pieces = [memory.take(128 * KIB), memory.take(64 * KIB), memory.take(128 * KIB)];
    for (const bytes of [tooLarge, ...pieces, new Uint8Array(60)]) giveBack(bytes);
    expect(pieces.map(({ length }) => length)).toEqual([0, 64 * KIB, 128 * KIB]);
    expect(tooLarge.length).toBe(257 * KIB);
  });

  test("what is not from here is freed at once, unless it is small", () => {
    const [large, small] = [new Uint8Array(32 * KIB), new Uint8Array(100)];
    freeAtOnce(large.subarray(5, 6));
    freeAtOnce(small);
    expect([large.length, small.length]).toEqual([0, 100]);
  });
});
