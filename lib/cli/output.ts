/** What commands write: results to stdout, everything else to stderr. */

import { Buffer } from "node:buffer";

import process from "node:process";
import { nodeFs } from "../runtime/node_modules.ts";

/** Statuses of our own (README, "Exit status"). */
export const exitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** `run`: `--timeout` has passed. */
  timeout: 124,
  /** `run`: the connection was lost; whether and how the command ended is not known. */
  unknown: 254,
  /** `run`: we failed before the command ran, or could not run it. */
  ownFailure: 255,
} as const;

/** A line on stdout, out of the process at once. `process.stdout` would cost 10 ms at start-up. */
export function print(text: string): void {
  writeAll(1, `${text}\n`);
}

/** A line on stderr. */
export function complain(text: string): void {
  writeAll(2, `${text}\n`);
}

/** Bytes on stdout, out of the process at once. */
export function printBytes(bytes: Uint8Array): void {
  writeAll(1, bytes);
}

/** A line on the terminal of stderr that the next one is written over; undefined takes it away. */
export function printStatus(text: string | undefined): void {
  writeAll(2, `\r\x1b[K${text ?? ""}`);
}

function writeAll(fd: number, text: string | Uint8Array): void {
  let bytes = typeof text === "string" ? Buffer.from(text) : text;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(nodeFs().writeSync(fd, bytes));
    } catch (error) {
      // A pipe that is full, and was made non-blocking by who holds the other end.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
    }
  }
}

/** Whether colours are wanted on that stream. */
export function hasColour(stream: { isTTY?: boolean }): boolean {
  return Boolean(stream.isTTY) && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

/** Text columns, each as wide as its longest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, i) => Math.max(cell.length, widest[i] ?? 0)),
    [],
  );
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join("  "))
    .join("\n");
}
