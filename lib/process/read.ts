/** Answers of `process/read`. */

import { OneByOne } from "../jsonrpc/one_by_one.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { ReadParams, ReadResult } from "../protocol/process.ts";
import { timerMs } from "../protocol/timer.ts";
import type { ManagedProcess } from "./process.ts";

/** The reads of one connection, which end with it. */
export class Reads {
  readonly #find: (processId: string) => ManagedProcess;
  readonly #ready: () => Promise<void> | undefined;
  readonly #waits = new Set<(error?: Error) => void>();
  /** Those that wait until the client takes what it asked for. */
  #turns = new OneByOne();

  /**
   * @param find Throws where there is no such process.
   * @param ready Nothing when more may be sent, else a promise for when it may, or for the end of the connection.
   */
  constructor(find: (processId: string) => ManagedProcess, ready: () => Promise<void> | undefined) {
    this.#find = find;
    this.#ready = ready;
  }

  read(params: ReadParams): ReadResult | Promise<ReadResult> {
    const process = this.#find(params.processId);
    const { afterSeq = 0, waitMs = 0 } = params;
    if (waitMs === 0 || hasNews(process, afterSeq)) return this.#answer(process, params);
    return this.#waitForNews(process, afterSeq, waitMs).then(() => this.#answer(process, params));
  }

  /** All waits end: with what there is, or with this error. */
  end(error?: Error): void {
    for (const cancel of [...this.#waits]) cancel(error);
    this.#turns = new OneByOne();
  }

  /** Who asks faster than it takes the answers, of up to a MiB each, does not fill the memory. */
  #answer(process: ManagedProcess, params: ReadParams): ReadResult | Promise<ReadResult> {
    if (this.#turns.isIdle && !this.#ready()) return readNow(process, params);
    return this.#inTurn(process, params);
  }

  #inTurn(process: ManagedProcess, params: ReadParams): Promise<ReadResult> {
    let failure: Error | undefined;
    const cancel = (error: Error = new RpcError(rpcCode.internal, "the client has gone")): void => {
      failure = error;
    };
    this.#waits.add(cancel);
    return this.#turns.run(async () => {
      if (!failure) await this.#ready();
      this.#waits.delete(cancel);
      if (failure) throw failure;
      return readNow(process, params);
    });
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
