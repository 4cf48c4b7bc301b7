import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HeadTailBuffer, type Rendered } from "../../../lib/exec/head_tail_buffer.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Cuts bytes at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, i) => bytes.slice(sorted[i], end));
}

/** The two texts around the marker line, and the number in it; without a marker all in the first. */
function parse(text: string): { before: string; omitted: number; after: string } {
  const match = /\[\.\.\. (\d+) bytes omitted \.\.\.\]\n/.exec(text);
  if (!match) return { before: text, omitted: 0, after: "" };
  return {
    before: text.slice(0, match.index),
    omitted: Number(match[1]),
    after: text.slice(match.index + match[0].length),
  };
}

/** The same, thought simply: all bytes at hand. */
function model(all: Uint8Array, maxBytes: number): { head: Uint8Array; tail: Uint8Array } {
  if (all.length <= maxBytes) return { head: all, tail: new Uint8Array(0) };
  const half = Math.floor(maxBytes / 2);
  return { head: all.slice(0, half), tail: all.slice(all.length - (maxBytes - half)) };
}

/** Characters of one to four bytes, none of the marker's. */
const texts = fc.string({ unit: fc.constantFrom("a", "\n", "é", "€", "😀"), maxLength: 60 });
const places = fc.array(fc.nat(), { maxLength: 8 });
const budgets = fc.integer({ min: 0, max: 40 });

function expectRendered({ text, omittedBytes }: Rendered, all: Uint8Array, maxBytes: number): void {
  const { head, tail } = model(all, maxBytes);
  const { before, omitted, after } = parse(text);
  expect(omitted).toBe(omittedBytes);
  if (all.length <= maxBytes) {
    expect([before, omitted]).toEqual([new TextDecoder().decode(all), 0]);
    return;
  }
  expect(text).not.toContain("\uFFFD");
  // A line end may have been put before the marker.
  const ends = [before, before.replace(/\n$/, "")];
  const kept = ends.find((end) => bytesOf(end).length + omitted + bytesOf(after).length === all.length);
  expect(kept).toBeDefined();
  expect(before === "" || before.endsWith("\n")).toBe(true);
  // Whole characters, no more than up to three bytes shorter than the halves of the budget.
  expect(Buffer.from(head).indexOf(bytesOf(kept!))).toBe(0);
  expect(head.length - bytesOf(kept!).length).toBeLessThan(4);
  expect(Buffer.from(tail).toHex().endsWith(bytesOf(after).toHex())).toBe(true);
  expect(tail.length - bytesOf(after).length).toBeLessThan(4);
}

describe("HeadTailBuffer", () => {
  test("keeps all within the budget", () => {
    const buffer = new HeadTailBuffer(10);
    buffer.push(bytesOf("01234"));
    buffer.push(bytesOf("56789"));
    expect(buffer.render()).toEqual({ text: "0123456789", omittedBytes: 0 });
    expect([buffer.totalBytes, buffer.keptBytes, buffer.omittedBytes]).toEqual([10, 10, 0]);
  });

  test("keeps the halves of too much, and says how much is omitted", () => {
    const buffer = new HeadTailBuffer(10);
    buffer.push(bytesOf("0123456789abcdef"));
    expect(buffer.render()).toEqual({ text: "01234\n[... 6 bytes omitted ...]\nbcdef", omittedBytes: 6 });
    expect([buffer.totalBytes, buffer.keptBytes, buffer.omittedBytes]).toEqual([16, 10, 6]);
  });

  test("puts no second line end before the marker", () => {
    const buffer = new HeadTailBuffer(4);
    buffer.push(bytesOf("a\nbcdef"));
    expect(buffer.render().text).toBe("a\n[... 3 bytes omitted ...]\nef");
  });

  test("counts the rest of a cut character as omitted", () => {
    const buffer = new HeadTailBuffer(8);
    buffer.push(bytesOf("€€€€")); // 12 bytes: the head holds 4 of them, the tail 4
    expect(buffer.render()).toEqual({ text: "€\n[... 6 bytes omitted ...]\n€", omittedBytes: 6 });
  });

  test("keeps a mark of byte order", () => {
    const buffer = new HeadTailBuffer(8);
    buffer.push(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]));
    expect(buffer.render().text).toBe("\uFEFFa");
  });

  test("refuses a budget that is no number of bytes", () => {
    for (const maxBytes of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new HeadTailBuffer(maxBytes)).toThrow(RangeError);
    }
  });

  test("takes as much memory as it holds, not as its budget", () => {
    const buffer = new HeadTailBuffer(2 ** 50);
    buffer.push(bytesOf("small"));
    expect(buffer.drain().text).toBe("small");
  });

  test("gives what a naive model gives, however the bytes came", () => {
    fc.assert(
      fc.property(texts, places, budgets, budgets, (text, cuts, budget, wanted) => {
        const all = bytesOf(text);
        const buffer = new HeadTailBuffer(budget);
        for (const piece of cut(all, cuts)) buffer.push(piece);
        expect(buffer.totalBytes).toBe(all.length);
        expect(buffer.omittedBytes).toBe(Math.max(0, all.length - budget));
        expectRendered(buffer.render(), all, budget);
        const less = Math.min(wanted, budget);
        expectRendered(buffer.render(less), all, less);
      }),
      { numRuns: 2000 },
    );
  });

  test("holds the very bytes of the model, of any content", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), places, budgets, (all, cuts, budget) => {
        // ASCII, so that the text shows the bytes.
        const plain = all.map((byte) => byte % 26).map((byte) => byte + 97);
        const buffer = new HeadTailBuffer(budget);
        for (const piece of cut(plain, cuts)) {
          buffer.push(piece);
          piece.fill(0); // they were copied
        }
        const { head, tail } = model(plain, budget);
        const { before, after } = parse(buffer.render().text);
        expect([before.replace(/\n$/, ""), after]).toEqual([
          new TextDecoder().decode(head),
          new TextDecoder().decode(tail),
        ]);
      }),
      { numRuns: 1000 },
    );
  });

  test("drains piece by piece without cutting a character, and each byte is told of once", () => {
    fc.assert(
      fc.property(texts, places, budgets, budgets, (text, cuts, budget, wanted) => {
        const all = bytesOf(text);
        const buffer = new HeadTailBuffer(budget);
        let told = 0;
        let whole = "";
        const note = ({ text, omittedBytes }: Rendered): void => {
          const { before, after } = parse(text);
          if (omittedBytes === 0) {
            told += bytesOf(text).length;
            whole += text;
          } else {
            expect(omittedBytes).toBe(parse(text).omitted);
            told += omittedBytes + bytesOf(after).length;
            // With or without the line end before the marker: settled by the sum below only.
            told += bytesOf(before).length;
            extra += before === "" ? 0 : 1;
          }
          if (budget >= 8) expect(text).not.toContain("\uFFFD");
        };
        let extra = 0;
        const maxBytes = budget >= 8 ? Math.max(wanted, 8) : wanted;
        for (const piece of cut(all, cuts)) {
          buffer.push(piece);
          note(buffer.drain({ maxBytes }));
          expect(buffer.totalBytes).toBeLessThan(4);
        }
        note(buffer.drain({ maxBytes, final: true }));
        expect(buffer.totalBytes).toBe(0);
        if (budget < 8) return;
        expect(told).toBeGreaterThanOrEqual(all.length);
        expect(told - all.length).toBeLessThanOrEqual(extra);
        if (extra === 0 && told === all.length && !whole.includes("[")) expect(whole).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  test("gives an unfinished character at the very end as U+FFFD", () => {
    const buffer = new HeadTailBuffer(10);
    buffer.push(new Uint8Array([0x61, 0xe2, 0x82]));
    expect(buffer.drain()).toEqual({ text: "a", omittedBytes: 0 });
    expect(buffer.drain()).toEqual({ text: "", omittedBytes: 0 });
    expect(buffer.drain({ final: true })).toEqual({ text: "\uFFFD", omittedBytes: 0 });
  });

  test("puts the marker between head and tail when a character at the end stays", () => {
    const buffer = new HeadTailBuffer(8);
    buffer.push(new Uint8Array([...bytesOf("abcdefghij"), 0xe2]));
    // Head abcd, tail hij and the begin of a character.
    expect(buffer.drain()).toEqual({ text: "abcd\n[... 3 bytes omitted ...]\nhij", omittedBytes: 3 });
    buffer.push(new Uint8Array([0x82, 0xac]));
    expect(buffer.drain()).toEqual({ text: "€", omittedBytes: 0 });
  });
});
