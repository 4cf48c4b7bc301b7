/** Answers of `process/read`. */

import type { ReadParams, ReadResult } from "../protocol/process.ts";
import { timerMs } from "../protocol/timer.ts";
import type { ManagedProcess } from "./process.ts";

/** The reads of one connection, which end with it. */
export class Reads {
  readonly #find: (processId: string) => ManagedProcess;
  readonly #waits = new Set<(error?: Error) => void>();

  /** @param find Throws where there is no such process. */
  constructor(find: (processId: string) => ManagedProcess) {
    this.#find = find;
  }

  read(params: ReadParams): ReadResult | Promise<ReadResult> {
    const process = this.#find(params.processId);
    const { afterSeq = 0, waitMs = 0 } = params;
    if (waitMs === 0 || hasNews(process, afterSeq)) return readNow(process, params);
    return this.#waitForNews(process, afterSeq, waitMs).then(() => readNow(process, params));
  }

  /** All waits end: with what there is, or with this error. */
  end(error?: Error): void {
    for (const cancel of [...this.#waits]) cancel(error);
  }

  async #waitForNews(process: ManagedProcess, afterSeq: number, waitMs: number): Promise<void> {
    const deadline = performance.now() + waitMs;
    while (!hasNews(process, afterSeq)) {
      const wait = process.nextEvent();
      let ended = false;
      let failure: Error | undefined;
      const cancel = (error?: Error): void => {
        ended = true;
        failure = error;
        wait.cancel();
      };
      this.#waits.add(cancel);
      const timer = setTimeout(() => cancel(), timerMs(deadline - performance.now()));
      await wait.happened;
      clearTimeout(timer);
      this.#waits.delete(cancel);
      if (failure) throw failure;
      if (ended) return;
    }
  }
}

/** Whether there is something to tell at once. */
function hasNews(process: ManagedProcess, afterSeq: number): boolean {
  if (process.closed || process.log.hasAfter(afterSeq)) return true;
  return process.exited && afterSeq < process.log.nextSeq - 1;
}

/** What there is now. */
function readNow(process: ManagedProcess, params: ReadParams): ReadResult {
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
