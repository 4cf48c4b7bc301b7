import { expect, test } from "bun:test";
import { lineLabels } from "../../../lib/repl/process_commands.ts";
import { shorten } from "../../../lib/repl/style.ts";

test("a line that is shortened has no half of a character at its end", () => {
  expect(shorten("abc😀", 5)).toBe("abc😀");
  expect(shorten("abc😀d", 5)).toBe("abc…");
  expect(shorten("ab😀cd", 5)).toBe("ab😀…");
  // A server reads no request with such a half, and one that it cannot read it cannot answer.
  for (let length = 190; length < 210; length++) {
    const { line } = lineLabels(`${"x".repeat(length)}😀 and more${"y".repeat(200)}`);
    expect(line!.isWellFormed()).toBe(true);
  }
});
