/** Answers of `process/read`. */

import type { ReadParams, ReadResult } from "../protocol/process.ts";
import type { ManagedProcess } from "./process.ts";

/** Whether there is something to tell at once. */
export function hasNews(process: ManagedProcess, afterSeq: number): boolean {
  if (process.closed || process.log.hasAfter(afterSeq)) return true;
  return process.exited && afterSeq < process.log.nextSeq - 1;
}

/** What there is now. */
export function readNow(process: ManagedProcess, params: ReadParams): ReadResult {
  const { afterSeq = 0, maxBytes = Number.POSITIVE_INFINITY } = params;
  const { chunks, lostBytes, lostBytesIsMinimum } = process.log.slice(afterSeq, maxBytes);
  const last = chunks.at(-1);
  return {
    chunks: chunks.map(({ seq, stream, bytes }) => ({ seq, stream, chunk: bytes })),
    nextSeq: params.maxBytes !== undefined && last ? last.seq + 1 : process.log.nextSeq,
    exited: process.exited,
    exitCode: process.exitCode,
    closed: process.closed,
    failure: null,
    sandboxDenied: process.sandboxDenied,
    ...(process.exitSignal === undefined ? {} : { signal: process.exitSignal }),
    ...(process.endedBy === undefined ? {} : { endedBy: process.endedBy }),
    ...(lostBytes > 0 ? { lostBytes } : {}),
    ...(lostBytesIsMinimum ? { lostBytesIsMinimum } : {}),
  };
}
