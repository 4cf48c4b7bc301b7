/** Who is measured: our executable, the real server, and the control, which is compiled for the run. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { codex169, executable, type Found, root } from "../support/programs.ts";
import { readAnew } from "./page_cache.ts";
import type { Contender } from "./server_process.ts";

export interface Contenders {
  readonly ours: Contender;
  readonly peer: Contender;
  readonly control: Contender;
}

/** @throws {Error} A program is missing; the message says how to get it. */
export function findContenders(folder: string): Contenders {
  const [ours, peer] = [pathOf(executable), pathOf(codex169)];
  const control = compileControl(join(folder, "control"));
  for (const path of [ours, peer, control]) readAnew(path);
  return {
    ours: { name: "ours", command: [ours] },
    peer: { name: "codex 0.169.0", command: [peer, "exec-server"] },
    control: { name: "control", command: [control] },
  };
}

function pathOf(found: Found): string {
  if ("missing" in found) throw new Error(found.missing);
  return found.path;
}

/** As our executable is, so that the difference between the two is our own code. */
function compileControl(path: string): string {
  const entry = join(root, "tests", "bench", "control", "main.ts");
  const args = ["build", entry, "--compile", "--bytecode", "--minify", "--format=esm", `--outfile=${path}`];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot compile the control: ${stderr}`);
  return path;
}
