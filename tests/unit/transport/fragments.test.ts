import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Fragments } from "../../../lib/transport/fragments.ts";
import { split } from "./support.ts";

const LIMIT = 200_000;

function frame(payload: Uint8Array, opcode: number, fin: boolean): Parameters<Fragments["add"]>[0] {
  return { fin, opcode, payload };
}

describe("a message in frames", () => {
  test("is whole again, however it was cut, and so is the next", () => {
    const cut = fc.tuple(fc.nat({ max: LIMIT }), fc.array(fc.nat({ max: LIMIT }), { maxLength: 80 }));
    fc.assert(
      fc.property(fc.array(cut, { maxLength: 4 }), (messages) => {
        const fragments = new Fragments(LIMIT);
        for (const [length, cuts] of messages) {
          const bytes = Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8)));
          const near = cuts.map((at, i) => (i % 2 === 0 ? at : cuts[i - 1]! + (at % 100)));
          const pieces = [...split(bytes, near), new Uint8Array(0)];
          const [message, ...others] = pieces
            .map((piece, i) => fragments.add(frame(piece, i === 0 ? 2 : 0, i === pieces.length - 1)))
            .filter((added) => added !== undefined);
          expect(others).toEqual([]);
          expect(message).toMatchObject({ fin: true, opcode: 2 });
          expect(Buffer.compare(message!.payload, bytes)).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("is bounded, and begins once", () => {
    const full = new Fragments(10);
    full.add(frame(new Uint8Array(10), 1, false));
    expect(full.add(frame(new Uint8Array(0), 0, false))).toBeUndefined();
    expect(() => full.add(frame(new Uint8Array(1), 0, false))).toThrow("above the limit of 10 bytes");
    const begun = new Fragments(10);
    begun.add(frame(new Uint8Array(0), 1, false));
    expect(() => begun.add(frame(new Uint8Array(1), 1, true))).toThrow("begins within another");
    begun.drop();
    expect(() => begun.add(frame(new Uint8Array(1), 0, true))).toThrow("without a beginning");
  });

  for (const length of [0, 1]) {
    test(`keeps no object for each frame of ${length} bytes`, () => {
      const arrays = (): number => {
        Bun.gc(true);
        return heapStats().objectTypeCounts.Uint8Array ?? 0;
      };
      const fragments = new Fragments(LIMIT);
      fragments.add(frame(new Uint8Array(length), 1, false));
      const before = arrays();
      for (let i = 0; i < 50_000; i++) fragments.add(frame(new Uint8Array(length), 0, false));
      expect(arrays() - before).toBeLessThan(1000);
      expect(fragments.add(frame(new Uint8Array(0), 0, true))!.payload.length).toBe(50_001 * length);
    });
  }
});
