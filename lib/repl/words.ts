/** Takes the arguments of a `:command` apart as a shell would. */

import { UsageError } from "./usage_error.ts";

/** Blanks part words; quotes and a backslash keep them together. @throws {UsageError} A quote is open. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quote === "'" ? char !== "'" : quote === '"' && char !== '"' && char !== "\\") {
      word += char;
    } else if (char === quote) {
      quote = "";
    } else if (char === "\\" && at + 1 < text.length) {
      const next = text[++at]!;
      word = (word ?? "") + (quote === '"' && !/["\\$`]/.test(next) ? `\\${next}` : next);
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote) throw new UsageError(`A quote is open: ${text}`);
  if (word !== undefined) words.push(word);
  return words;
}
