/** Keys out of bytes, and what they do to a line and to the screen. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Key, KeyDecoder } from "../../../lib/repl/keys.ts";
import { LineBuffer } from "../../../lib/repl/line_buffer.ts";
import { commonPrefix } from "../../../lib/repl/line_editor.ts";
import { LineView } from "../../../lib/repl/line_view.ts";
import { TailBuffer } from "../../../lib/repl/tail_buffer.ts";
import { textWidth } from "../../../lib/repl/width.ts";

const encoder = new TextEncoder();

function keysOf(chunks: readonly Uint8Array[]): Key[] {
  const decoder = new KeyDecoder();
  const keys: Key[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let key = decoder.next(); key; key = decoder.next()) keys.push(key);
  }
  return keys;
}

/** Texts that came in pieces are one. */
function joined(keys: readonly Key[]): Key[] {
  const result: Key[] = [];
  for (const key of keys) {
    const last = result.at(-1);
    if (key.kind === "text" && last?.kind === "text")
      result[result.length - 1] = { kind: "text", text: last.text + key.text };
    else result.push(key);
  }
  return result;
}

describe("KeyDecoder", () => {
  test("knows the keys", () => {
    const bytes = encoder.encode("a\x01\x1b[A\x1bOH\x1b[3~\x1b[1;5C\x1bb\r\x7f\x1b[200~x\r\ny\x1b[201~é");
    expect(keysOf([bytes])).toEqual([
      { kind: "text", text: "a" },
      { kind: "key", name: "ctrl-a" },
      { kind: "key", name: "up" },
      { kind: "key", name: "home" },
      { kind: "key", name: "delete" },
      { kind: "key", name: "ctrl-right" },
      { kind: "key", name: "alt-b" },
      { kind: "key", name: "enter" },
      { kind: "key", name: "backspace" },
      { kind: "paste", text: "x\ny" },
      { kind: "text", text: "é" },
    ]);
  });

  test("gives the same keys however the bytes are cut", () => {
    const piece = fc.constantFrom(
      "a",
      "日本",
      "👍🏽",
      "\x1b[A",
      "\x1b[1;5D",
      "\x1bf",
      "\r",
      "\x03",
      "\x1b[200~a\nb\x1b[201~",
      "\x1b[3~",
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (pieces, places) => {
          const bytes = encoder.encode(pieces.join(""));
          const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
          const chunks = [...ends, bytes.length].map((end, i) => bytes.slice(i === 0 ? 0 : ends[i - 1], end));
          expect(joined(keysOf(chunks))).toEqual(joined(keysOf([bytes])));
        },
      ),
    );
  });
});

describe("LineBuffer", () => {
  const after = (text: string, ...keys: string[]) => {
    const line = new LineBuffer();
    line.set(text);
    for (const key of keys) line.edit(key);
    return `${line.before}|${line.after}`;
  };
  test.each([
    ["one two", ["ctrl-a"], "|one two"],
    ["one two", ["alt-b"], "one |two"],
    ["one two", ["ctrl-w"], "one |"],
    ["one two", ["ctrl-w", "ctrl-w", "ctrl-y"], "one two|"],
    ["one two", ["ctrl-a", "alt-d", "ctrl-e", "ctrl-y"], " twoone|"],
    ["one two", ["alt-b", "ctrl-k"], "one |"],
    ["one two", ["alt-b", "ctrl-u"], "|two"],
    ["ab", ["ctrl-t"], "ba|"],
    ["ab", ["left", "ctrl-t"], "ba|"],
    ["ab", ["ctrl-a", "ctrl-t"], "|ab"],
    ["a", ["ctrl-t"], "a|"],
    ["a👍", ["ctrl-t"], "👍a|"],
    ["👍e\u0301x", ["left", "ctrl-t"], "👍xe\u0301|"],
    ["a日", ["backspace"], "a|"],
    ["a👨‍👩‍👧", ["left"], "a|👨‍👩‍👧"],
    ["e\u0301x", ["ctrl-a", "delete"], "|x"],
    ["one\ntwo", ["ctrl-a"], "one\n|two"],
    ["one\ntwo", ["ctrl-a", "left"], "one|\ntwo"],
  ] as const)("%p after %p", (text, keys, result) => expect(after(text, ...keys)).toBe(result));
});

test.each([
  [["a\\ b", "a\\(c"], "a"],
  [['"a\\$b', '"a\\`c'], '"a'],
  [["a\\\\b", "a\\\\c"], "a\\\\"],
  [["a\\\\\\ b", "a\\\\\\(c"], "a\\\\"],
  [["'a\\b", "'a\\c"], "'a\\"],
  [["a/\\😀b", "a/\\😁c"], "a/"],
])("commonPrefix(%p) leaves no backslash behind that quotes nothing", (texts, prefix) => {
  expect(commonPrefix(texts)).toBe(prefix);
});

test("commonPrefix() ends with a whole character", () => {
  expect(commonPrefix(["cat 😀", "cat 😁"])).toBe("cat ");
  expect(commonPrefix(["😀a", "😀b"])).toBe("😀");
  expect(commonPrefix([])).toBe("");
});

/** A terminal of the simplest kind: text, newlines, and the sequences that the view uses. */
function play(text: string, columns: number): { rows: string[]; row: number; column: number } {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  for (const [token] of text.matchAll(/\x1b\[(\d*)([A-Z])|[\s\S]/g)) {
    const sequence = /^\x1b\[(\d*)([A-Z])$/.exec(token);
    if (sequence) {
      const count = Number(sequence[1] || 1);
      if (sequence[2] === "A") row -= count;
      if (sequence[2] === "C") column += count;
      if (sequence[2] === "J") {
        rows[row]!.length = Math.min(column, rows[row]!.length);
        rows.length = row + 1;
      }
    } else if (token === "\r") column = 0;
    else if (token === "\n") rows[++row] ??= [];
    else {
      expect(column).toBeLessThan(columns);
      rows[row]![column++] = token;
    }
  }
  return { rows: rows.map((cells) => cells.join("")), row, column };
}

describe("LineView", () => {
  test("shows a text over several rows and the cursor in its place", () => {
    const view = new LineView();
    const drawn = view.draw({ prompt: "$ ", text: "abcdefghijkl", cursor: 12 }, { columns: 10, rows: 5 });
    expect(play(drawn, 10)).toEqual({ rows: ["$ abcdefgh", "ijkl"], row: 1, column: 4 });
  });

  test("gives the cursor a row of its own behind a full one", () => {
    const drawn = new LineView().draw(
      { prompt: "$ ", text: "abcdefgh", cursor: 8 },
      { columns: 10, rows: 5 },
    );
    expect(play(drawn, 10)).toEqual({ rows: ["$ abcdefgh", ""], row: 1, column: 0 });
  });

  test("always draws over what it drew before", () => {
    const line = fc.record({
      text: fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 60 }),
      place: fc.nat(),
    });
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 12, max: 30 }),
        (lines, columns) => {
          const view = new LineView();
          const size = { columns, rows: 8 };
          let all = "";
          for (const { text, place } of lines)
            all += view.draw({ prompt: "$ ", text, cursor: place % (text.length + 1) }, size);
          const { text, place } = lines.at(-1)!;
          const alone = new LineView().draw({ prompt: "$ ", text, cursor: place % (text.length + 1) }, size);
          expect(play(all, columns)).toEqual(play(alone, columns));
        },
      ),
    );
  });

  test("shows the rows around the cursor when there are more than the screen has", () => {
    const text = Array.from({ length: 50 }, (_, i) => `line ${i}`).join("\n");
    const { rows } = play(
      new LineView().draw({ prompt: "$ ", text, cursor: text.length }, { columns: 20, rows: 6 }),
      20,
    );
    expect(rows.length).toBe(6);
    expect(rows.at(-1)).toBe("> line 49");
  });
});

test("textWidth() counts wide, combining and control characters", () => {
  expect(["abc", "日本", "e\u0301", "👍🏽", "\x01", "한"].map(textWidth)).toEqual([3, 4, 1, 2, 2, 2]);
});

test("TailBuffer keeps the newest bytes and counts the others", () => {
  const tail = new TailBuffer(10);
  for (const text of ["abcdef", "ghij", "klm"]) tail.push("stdout", encoder.encode(text));
  expect(tail.droppedBytes).toBe(3);
  const kept = tail.drain().map(({ bytes }) => new TextDecoder().decode(bytes));
  expect(kept.join("")).toBe("defghijklm");
});
