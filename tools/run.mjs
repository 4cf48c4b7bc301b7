/**
 * Runs one of the pinned programs, installing it when it is missing: `node tools/run.mjs bun cli.ts`. Takes
 * the place of node_modules/.bin, which has no working Bun when npm ran no install scripts, and no Deno.
 */

import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { isMain, runMain, ToolError } from "./report.mjs";
import { setup, setupPeers } from "./setup.mjs";

const scripts = {
  biome: join(root, "node_modules", "@biomejs", "biome", "bin", "biome"),
  tsc: join(root, "node_modules", "typescript", "bin", "tsc"),
};

/** The command line that starts a pinned program. */
export function commandOf(name) {
  if (name === "bun") return [setup()];
  if (name === "deno") return [setupPeers().deno];
  if (scripts[name] === undefined)
    throw new ToolError(`Unknown program "${name}": wanted bun, deno, biome or tsc`);
  setup();
  return [process.execPath, scripts[name]];
}

if (isMain(import.meta.url)) {
  runMain(() => {
    const [name, ...args] = process.argv.slice(2);
    const [program, ...first] = commandOf(name);
    const result = spawnSync(program, [...first, ...args], { stdio: "inherit" });
    if (result.error) throw new ToolError(`Cannot run ${name}: ${result.error.message}`);
    process.exitCode = result.status ?? 128 + constants.signals[result.signal];
  });
}
