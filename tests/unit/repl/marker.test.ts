/** The report of a line is taken out of its output, and nothing else is. */

import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { MarkerStripper } from "../../../lib/repl/marker.ts";

const nonce = "0123456789abcdef";
const frame = (digits: string, last = false) =>
  Buffer.from(`\x1e${nonce}${digits}${last ? "." : ""};`, "latin1");

/** Output between frames, with bytes that look like the begin of one. */
const noise = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc
    .constantFrom(
      "\x1e",
      `\x1e${nonce.slice(0, 5)}`,
      `\x1e${nonce.slice(0, 15)}x`,
      "\x1e\x1e",
      ";",
      ".;",
      "\n",
    )
    .map((text) => Buffer.from(text, "latin1")),
);

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.slice(i === 0 ? 0 : ends[i - 1], end));
}

describe("MarkerStripper", () => {
  test("gives every byte of the output and the report, however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(noise, { maxLength: 6 }),
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (pieces, payload, places) => {
          const digits = Buffer.from(payload).toString("hex");
          const half = digits.length >> 1;
          const frames = [frame(digits.slice(0, half)), frame(digits.slice(half), true)];
          const parts: Uint8Array[] = [];
          pieces.forEach((piece, i) => {
            parts.push(piece);
            if (i < 2) parts.push(frames[i]!);
          });
          for (let i = pieces.length; i < 2; i++) parts.push(frames[i]!);
          const stripper = new MarkerStripper(nonce);
          const output = cut(Buffer.concat(parts), places).flatMap((chunk) => stripper.push(chunk));
          output.push(...stripper.finish());
          expect(Buffer.concat(output).toString("hex")).toBe(Buffer.concat(pieces).toString("hex"));
          expect(stripper.report && Buffer.from(stripper.report).toString("hex")).toBe(digits);
        },
      ),
    );
  });

  test("holds nothing back that cannot be the begin of a frame", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 50 }), (bytes) => {
        const output = Buffer.concat(new MarkerStripper(nonce).push(bytes));
        const held = Buffer.from(bytes.subarray(output.length)).toString("latin1");
        expect(output.length === bytes.length || `\x1e${nonce}`.startsWith(held)).toBe(true);
      }),
    );
  });

  test("lets the frame of another nonce and one that is not hex through", () => {
    const text = `\x1e${nonce.replace("0", "f")}00;\x1e${nonce}zz;`;
    const stripper = new MarkerStripper(nonce);
    const output = [...stripper.push(Buffer.from(text, "latin1")), ...stripper.finish()];
    expect(Buffer.concat(output).toString("latin1")).toBe(text);
    expect(stripper.report).toBeUndefined();
  });

  test("gives a large chunk without markers back as it is", () => {
    const chunk = new Uint8Array(1 << 20).fill(65);
    expect(new MarkerStripper(nonce).push(chunk)[0]).toBe(chunk);
  });
});
