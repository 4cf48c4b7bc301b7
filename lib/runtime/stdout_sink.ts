/** The program's own standard output: a queue before a write that waits on its own. */

import { giveBack } from "../jsonrpc/reusable_memory.ts";
import { joined, takeBatch } from "./bytes.ts";
import { closedError } from "./fd_sink.ts";
import type { ByteSink } from "./runtime.ts";

/** Small arrays are joined up to this size: every write is a trip to another thread. */
const JOIN_BYTES = 256 * 1024;

interface Queued {
  bytes: Uint8Array;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * The descriptor is the parent's choice: it may block, so that a direct write could stop the whole program, and
 * it must not be made non-blocking, as others have it too. It is never closed: its number would go to the next
 * file, which `console.log` would write to.
 */
export class StdoutSink implements ByteSink {
  readonly #writeAll: (bytes: Uint8Array) => Promise<unknown>;
  readonly #queue: Queued[] = [];
  #batch: Queued[] = [];
  #pending = 0;
  #writing = false;
  #closed = false;

  /** @param writeAll Settles when all bytes have been taken. Called one at a time. */
  constructor(writeAll: (bytes: Uint8Array) => Promise<unknown>) {
    this.#writeAll = writeAll;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    if (bytes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes, resolve, reject });
      this.#pending += bytes.length;
      if (!this.#writing) this.#drain();
    });
  }

  close(): void {
    this.#closed = true;
  }

  destroy(): void {
    this.#closed = true;
    this.#fail(closedError());
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    // What else is written in this turn goes along.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      this.#batch = takeBatch(this.#queue, JOIN_BYTES);
      try {
        const bytes = joined(this.#batch);
        await this.#writeAll(bytes);
        if (this.#batch.length > 1) giveBack(bytes);
      } catch (error) {
        this.#fail(error as Error);
      }
      for (const { bytes, resolve } of this.#batch.splice(0)) {
        this.#pending -= bytes.length;
        resolve();
      }
    }
    this.#writing = false;
  }

  #fail(error: Error): void {
    this.#pending = 0;
    for (const { reject } of [...this.#batch.splice(0), ...this.#queue.splice(0)]) reject(error);
  }
}
