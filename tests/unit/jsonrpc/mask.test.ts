import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyMask, asWord, keyAt } from "../../../lib/jsonrpc/mask.ts";

describe("the mask", () => {
  test("is the naive one for every alignment and length", () => {
    const keys = [0, 1, 0xff000000, 0x12345678, 0xffffffff, 0x80000001];
    for (const key of keys) {
      for (let offset = 0; offset < 8; offset++) {
        for (const length of [...Array(24).keys(), ...Array.from({ length: 20 }, (_, i) => 120 + i)]) {
          const whole = new Uint8Array(160).map((_, i) => i * 37 + 11);
          const expected = whole.slice();
          for (let i = 0; i < length; i++) expected[offset + i]! ^= (key >>> (24 - 8 * (i % 4))) & 0xff;
          applyMask(whole.subarray(offset, offset + length), key);
          expect(whole).toEqual(expected);
        }
      }
    }
  });

  test("applied twice is nothing", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat({ max: 7 }),
        fc.nat({ max: 0xffffffff }),
        (bytes, at, key) => {
          const room = new Uint8Array(bytes.length + 8);
          room.set(bytes, at);
          const view = room.subarray(at, at + bytes.length);
          applyMask(view, key);
          applyMask(view, key);
          expect(view).toEqual(bytes);
        },
      ),
    );
  });

  test("of what begins later is the key turned, and as a word its first byte comes first", () => {
    for (const key of [0x12345678, 0xfedcba98 | 0]) {
      for (let offset = 0; offset < 8; offset++) {
        const whole = new Uint8Array(40);
        applyMask(whole, key);
        const part = new Uint8Array(40 - offset);
        applyMask(part, keyAt(key, offset));
        expect(part).toEqual(whole.slice(offset));
      }
      const word = new Int32Array([asWord(key)]);
      const bytes = new Uint8Array(4);
      applyMask(bytes, key);
      expect(new Uint8Array(word.buffer)).toEqual(bytes);
    }
  });
});
