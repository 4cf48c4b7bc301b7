import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteRing } from "../../../lib/process/byte_ring.ts";

describe("the ring of bytes", () => {
  test("has the last bytes of a stream, whatever comes in which pieces and wherever it grows or shrinks", () => {
    const step = fc.record({ size: fc.nat({ max: 3000 }), kept: fc.double({ min: 0, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.array(step, { maxLength: 60 }), (most, steps) => {
        const ring = new ByteRing();
        const stream: number[] = [];
        let kept = 0;
        let next = 0;
        for (const { size, kept: share } of steps) {
          const bytes = Uint8Array.from({ length: Math.min(size, most) }, () => next++);
          kept = Math.floor(Math.min(kept, most - bytes.length) * share) + bytes.length;
          ring.put(bytes, stream.length, kept, most);
          stream.push(...bytes);
          if (size % 5 === 0) ring.fit(stream.length, kept);
          const from = stream.length - kept;
          expect([...ring.get(from, kept)]).toEqual(stream.slice(from));
          const middle = from + (kept >> 1);
          expect([...ring.get(middle, kept >> 2)]).toEqual(stream.slice(middle, middle + (kept >> 2)));
        }
      }),
      { numRuns: 200 },
    );
  });

  test("what it gives is a copy", () => {
    const ring = new ByteRing();
    ring.put(Uint8Array.of(1, 2, 3), 0, 3, 3);
    const before = ring.get(0, 3);
    ring.put(Uint8Array.of(4, 5, 6), 3, 3, 3);
    expect([...before, ...ring.get(3, 3)]).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
