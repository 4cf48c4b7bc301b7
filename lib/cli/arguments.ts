/** What the command line holds besides its text. */

import { ExecServerError } from "../protocol/errors.ts";
import { nodeFs } from "../runtime/node_modules.ts";

/**
 * Runtimes put U+FFFD where an argument is not UTF-8. Over there it would be another argument, or the name of another
 * file, and nobody would know.
 * @throws {ExecServerError} `ERR_USAGE`
 */
export function refuseUndecodable(args: readonly string[]): void {
  if (!args.some((arg) => arg.includes("\ufffd"))) return;
  let line: Uint8Array;
  try {
    line = nodeFs().readFileSync("/proc/self/cmdline");
  } catch {
    // A system without one: then they are taken for what was meant.
    return;
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(line);
  } catch {
    throw new ExecServerError("ERR_USAGE", "An argument is not UTF-8, which no server can be told");
  }
}
