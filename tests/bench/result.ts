/** The outcome of a whole run, as `--json` writes and `--from` reads it. */

import type { Machine } from "./machine.ts";
import type { Line } from "./table.ts";

export interface Result {
  readonly machine: Machine;
  readonly rounds: number;
  readonly quick: boolean;
  readonly seconds: number;
  readonly figures: readonly Line[];
  /** Families that were not run, and why. */
  readonly skipped: readonly { family: string; why: string }[];
  /** Cases that broke. */
  readonly failures: readonly string[];
}
