/**
 * Runs the suite on Deno (`deno run -A`), one line of JSON for each case: `{name, error?, skipped?}`. Arguments
 * are words that the names must contain.
 */

import process from "node:process";
import { denoRuntime } from "../../../lib/runtime/deno.ts";
import { cases, runCase } from "./behaviour.ts";

const words = process.argv.slice(2);
const runtime = denoRuntime();
for (const oneCase of cases) {
  if (!words.every((word) => oneCase.name.includes(word))) continue;
  const result: { name: string; error?: string; skipped?: string; ms?: number } = { name: oneCase.name };
  const from = performance.now();
  try {
    const skipped = await runCase(oneCase, runtime);
    if (skipped) result.skipped = skipped;
  } catch (error) {
    result.error = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  result.ms = Math.round(performance.now() - from);
  console.log(JSON.stringify(result));
}
// A case that failed may have left something running.
process.exit(0);
