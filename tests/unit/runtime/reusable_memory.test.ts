import { describe, expect, test } from "bun:test";
import { giveBack, ReusableMemory } from "../../../lib/runtime/reusable_memory.ts";

describe("reusable memory", () => {
  test("is used again once it was given back, for what fits", () => {
    const memory = new ReusableMemory(100);
    const first = memory.take(80);
    expect(memory.take(80).buffer).not.toBe(first.buffer);
    giveBack(first);
    expect(memory.take(81).buffer).not.toBe(first.buffer);
    const again = memory.take(30);
    expect([again.buffer, again.byteOffset, again.length]).toEqual([first.buffer, 0, 30]);
    expect(memory.take(30).buffer).not.toBe(first.buffer);
  });

  test("given back twice is not had by two", () => {
    const memory = new ReusableMemory(100);
    const first = memory.take(50);
    giveBack(first);
    const second = memory.take(50);
    giveBack(first);
    expect(memory.take(50).buffer).not.toBe(second.buffer);
  });

  test("that is too large is not kept, and of two the larger one is", () => {
    const memory = new ReusableMemory(100);
    const [large, small, middle] = [memory.take(101), memory.take(10), memory.take(20)];
    for (const bytes of [large, middle, small, new Uint8Array(60)]) giveBack(bytes);
    expect(memory.take(5).buffer).toBe(middle.buffer);
  });
});
