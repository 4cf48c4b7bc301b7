/** The events of a process again, out of what is retained. */

import type { ManagedProcess, ProcessEvent } from "./process.ts";

/**
 * Retained events after a number, in order: as many as fit `maxBytes`, but at least one if there is one. What output was
 * given up shows in the numbers.
 */
export function eventsAfter(process: ManagedProcess, seq: number, maxBytes: number): ProcessEvent[] {
  const { chunks } = process.log.slice(seq, maxBytes);
  const last = chunks.at(-1)?.seq ?? seq;
  const isWhole = chunks.length === 0 || process.log.slice(last, 0).chunks.length === 0;
  const ends = process.ends.filter((end) => end.seq > seq && (isWhole || end.seq < last));
  const output = chunks.map(({ seq, stream, bytes }) => ({ kind: "output", seq, stream, bytes }) as const);
  return [...output, ...ends].sort((a, b) => a.seq - b.seq);
}
