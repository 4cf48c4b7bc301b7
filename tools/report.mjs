/** How the tools speak: progress lines on stderr, one line for what went wrong. */

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Something the user can mend: its message is shown, without a stack. */
export class ToolError extends Error {}

/** Says what is going on; call the result when it is done. */
export function progress(what) {
  const from = performance.now();
  process.stderr.write(`${what}\n`);
  return (more = "") => process.stderr.write(`  done in ${seconds(from)}${more}\n`);
}

/** The time since `from` (`performance.now()`), for people. */
export function seconds(from) {
  return `${((performance.now() - from) / 1000).toFixed(1)} s`;
}

/** Whether this module is the program, not imported by it. */
export function isMain(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(url));
}

/** What is said of an error: the stack only of our own mistakes, not where the system or the command line is at fault. */
export function explain(error) {
  const isOurs =
    !(error instanceof ToolError) && error.syscall === undefined && !/^ERR_PARSE_ARGS/.test(error.code);
  return isOurs ? error.stack : error.message;
}

/** Runs a tool's main function. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
  }
}
