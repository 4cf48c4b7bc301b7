/** What commands write: results to stdout, everything else to stderr. */

import { Buffer } from "node:buffer";

import process from "node:process";
import { nodeFs } from "../runtime/node_modules.ts";

/** Statuses of our own (README, "Exit status"). */
export const exitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** Whoever read us has gone, as in `… | head`: what a program that was killed by SIGPIPE has. */
  brokenPipe: 141,
  /** `run`: `--timeout` has passed. */
  timeout: 124,
  /** `run`: the connection was lost; whether and how the command ended is not known. */
  unknown: 254,
  /** `run`: we failed before the command ran, could not run it, or could not write its output. */
  ownFailure: 255,
} as const;

/** Standard output, or standard error where it is a result, does not take what was to be said. */
export class OutputFailed extends Error {
  override readonly name = "OutputFailed";
  /** The system's name for the reason. */
  readonly code: string | undefined;

  constructor(cause: unknown, what: "output" | "error" = "output") {
    const { code, message } = cause as NodeJS.ErrnoException;
    super(`Cannot write standard ${what}: ${message}`, { cause });
    this.code = code;
  }
}

/** Tells of it, unless whoever read has gone; answers the exit status. */
export function outputFailure({ code, message }: OutputFailed, status: number = exitStatus.failed): number {
  if (code === "EPIPE") return exitStatus.brokenPipe;
  complain(`exec-server: ${message}`);
  return status;
}

/**
 * A line on stdout, out of the process at once. `process.stdout` would cost 10 ms at start-up.
 * @throws {OutputFailed}
 */
export function print(text: string): void {
  printBytes(Buffer.from(`${text}\n`));
}

/** A line on stderr. */
export function complain(text: string): void {
  tell(`${text}\n`);
}

/** Bytes on stdout, out of the process at once. @throws {OutputFailed} */
export function printBytes(bytes: Uint8Array): void {
  try {
    writeAll(1, bytes);
  } catch (error) {
    throw new OutputFailed(error);
  }
}

/** A line on the terminal of stderr that the next one is written over; undefined takes it away. */
export function printStatus(text: string | undefined): void {
  tell(`\r\x1b[K${text ?? ""}`);
}

/** On stderr. Where that cannot be written there is nowhere to say so. */
function tell(text: string): void {
  try {
    writeAll(2, Buffer.from(text));
  } catch {}
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += nodeFs().writeSync(fd, bytes, at);
    } catch (error) {
      // A pipe that is full, and was made non-blocking by who holds the other end.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
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
