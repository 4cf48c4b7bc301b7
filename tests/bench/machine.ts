/** What the figures were taken on. */

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly system: string;
  readonly bun: string;
  /** Load of the last minute, before and after the run. Ours alone makes 1 to 3. */
  readonly load: [number, number];
  readonly date: string;
}

export function describeMachine(loadBefore: number): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 1e9),
    system: `${nameOfSystem()}, Linux ${release()}`,
    bun: Bun.version,
    load: [loadBefore, load()],
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Load of the last minute. */
export function load(): number {
  return Math.round((loadavg()[0] ?? 0) * 10) / 10;
}

function nameOfSystem(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
  } catch {
    return process.platform;
  }
}
