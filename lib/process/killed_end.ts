/** The end of a process that was killed: its output must end too, whoever else holds it. */

import { HELD_AFTER_MS, killHolders } from "./process_tree.ts";
import { settledWithin } from "./settled_within.ts";

/** After the kill, how long output that somebody still holds may stay silent. */
const SILENCE_MS = 100;

/** The process, as far as its end needs it. */
export interface KilledProcess {
  readonly closed: boolean;
  /** Settles then. */
  readonly whenClosed: Promise<unknown>;
  /** Output that is not at its end, as the process table names it. */
  readonly outputFiles: readonly string[];
  /** How long nothing has come; 0 while output waits for who reads it. */
  idleMs(): number;
  stopReading(): void;
}

/** Settles when nobody holds the output any more, or it is not read any more. */
export async function endKilled(process: KilledProcess): Promise<void> {
  await settledWithin(process.whenClosed, HELD_AFTER_MS);
  if (process.closed) return;
  // Or there is a lot to read, and nobody holds it.
  await killHolders(() => process.outputFiles);
  const from = performance.now();
  // Somebody whom the table does not show may hold it for ever.
  while (!process.closed) {
    await settledWithin(process.whenClosed, SILENCE_MS);
    if (Math.min(process.idleMs(), performance.now() - from) >= SILENCE_MS) return process.stopReading();
  }
}
