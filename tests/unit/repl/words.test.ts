import { expect, test } from "bun:test";
import { splitWords } from "../../../lib/repl/words.ts";

test("words are parted as a shell parts them", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["  a  b\tc ", ["a", "b", "c"]],
    ["'a b' \"c d\" e\\ f", ["a b", "c d", "e f"]],
    ["a'b'\"c\"d", ["abcd"]],
    ["'' \"\"", ["", ""]],
    ['\'a\\b\' "a\\b\\"\\$"', ["a\\b", 'a\\b"$']],
    ["C:\\\\x", ["C:\\x"]],
    ["a\\", ["a\\"]],
    ['it"\'"s', ["it's"]],
  ];
  for (const [text, words] of cases) expect(splitWords(text)).toEqual(words);
  expect(() => splitWords("a 'b")).toThrow("A quote is open");
});
