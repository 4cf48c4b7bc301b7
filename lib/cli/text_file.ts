/** Files of text that the command line names. */

import { nodeFs } from "../runtime/node_modules.ts";

/**
 * All of the text. Bytes that are no UTF-8 would otherwise become U+FFFD, and a secret one that can be guessed.
 * @throws {Error} It cannot be read, or is not UTF-8.
 */
export function readText(path: string): string {
  const bytes = nodeFs().readFileSync(path);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8");
  }
}
