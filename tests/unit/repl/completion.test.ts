/** Where the word before the cursor begins, what it says, and how a name is written back. */

import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { quoteWord, wordAt } from "../../../lib/repl/completion.ts";

const at = (text: string) => wordAt(text, text.length);

describe("wordAt()", () => {
  test.each([
    ["", { from: 0, value: "", quote: "", isCommand: true }],
    ["ls", { from: 0, value: "ls", quote: "", isCommand: true }],
    ["ls ", { from: 3, value: "", quote: "", isCommand: false }],
    ["ls a", { from: 3, value: "a", quote: "", isCommand: false }],
    ["ls | gr", { from: 5, value: "gr", quote: "", isCommand: true }],
    ["a; b && c", { from: 8, value: "c", quote: "", isCommand: true }],
    ["A=1 v", { from: 4, value: "v", quote: "", isCommand: true }],
    ["sudo v", { from: 5, value: "v", quote: "", isCommand: true }],
    ["cat <fi", { from: 5, value: "fi", quote: "", isCommand: false }],
    ["cat a\\ b", { from: 4, value: "a b", quote: "", isCommand: false }],
    ['cat "a b', { from: 4, value: "a b", quote: '"', isCommand: false }],
    ["cat 'a b", { from: 4, value: "a b", quote: "'", isCommand: false }],
    ["cat 'a'b", { from: 4, value: "ab", quote: "", isCommand: false }],
    ["echo $(l", { from: 7, value: "l", quote: "", isCommand: true }],
  ] as const)("reads %p", (text, word) => expect(at(text)).toEqual(word));

  test("looks at the text before the cursor only", () => expect(wordAt("ls abc", 4).value).toBe("a"));
});

describe("quoteWord()", () => {
  test("keeps plain paths and a home folder readable", () => {
    expect(quoteWord("~/a b/", "", false)).toBe("~/a\\ b/");
    expect(quoteWord("/usr/lib", "", true)).toBe("/usr/lib");
  });

  test("is read by the shell as it was, in every kind of quote", () => {
    const name = fc.string({
      unit: fc.constantFrom(..."ab é日'\"\\$`!*?[]{}()<>|&;#\t\n".split("")),
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(name, fc.constantFrom("", "'", '"'), (value, quote) => {
        const word = quoteWord(value, quote, true);
        const { stdout } = spawnSync("sh", ["-c", `printf %s ${word}`], { encoding: "utf8" });
        expect(stdout).toBe(value);
      }),
      { numRuns: 60 },
    );
  });
});
