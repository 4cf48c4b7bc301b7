import { describe, expect, test } from "bun:test";
import { GivingWay } from "../../../lib/runtime/giving_way.ts";

/** Others who keep the processor for so long when they are let. */
function others(): { way: GivingWay; keep(ms: number): boolean; pass(ms: number): void } {
  let now = 0;
  let keptMs = 0;
  const way = new GivingWay(
    () => {
      now += keptMs;
    },
    () => now,
  );
  return {
    way,
    keep: (ms) => {
      keptMs = ms;
      return way.giveWay();
    },
    pass: (ms) => {
      now += ms;
    },
  };
}

describe("giving way to other threads", () => {
  test("goes on while they are quick", () => {
    const { way, keep } = others();
    for (let i = 0; i < 1000; i++) expect(keep(0.5)).toBe(true);
    expect(way.rests).toBe(false);
  });

  test("rests when one keeps the processor, twice as long each time and 2 s at the most", () => {
    const { way, keep, pass } = others();
    const rests: number[] = [];
    for (let i = 0; i < 11; i++) {
      expect(keep(3)).toBe(false);
      let rest = 0;
      for (; way.rests; rest++) pass(1);
      rests.push(rest);
    }
    expect(rests).toEqual([4, 8, 16, 32, 64, 128, 256, 512, 1024, 2000, 2000]);
  });

  test("forgets it when 500 looks have paid off since", () => {
    const { way, keep, pass } = others();
    const lose = (): number => {
      keep(3);
      let rest = 0;
      for (; way.rests; rest++) pass(1);
      return rest;
    };
    expect([lose(), lose()]).toEqual([4, 8]);
    for (let i = 0; i < 499; i++) way.paidOff();
    expect(lose()).toBe(16);
    for (let i = 0; i < 500; i++) way.paidOff();
    expect(lose()).toBe(4);
  });
});
