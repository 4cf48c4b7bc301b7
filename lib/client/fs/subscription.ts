/** What notifications bring, as an async iterable that ends with its reader, its signal or the session. */

import type { CloseReason } from "../../jsonrpc/channel.ts";
import { ExecServerError } from "../../protocol/errors.ts";

/** Items that wait for their reader. Memory is bounded by who pushes. */
export class Subscription<T> {
  #items: T[] = [];
  #error: unknown;
  #isOver = false;
  #wake: (() => void) | undefined;

  get waiting(): number {
    return this.#items.length;
  }

  push(...items: T[]): void {
    if (this.#isOver) return;
    this.#items.push(...items);
    this.#wake?.();
  }

  /** Drops what waits. */
  clear(): void {
    this.#items = [];
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  /** After what waits, the reader gets this. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#error = error;
    this.end();
  }

  /** What has come, one batch after the other. */
  async *batches(): AsyncGenerator<T[], void> {
    for (;;) {
      if (this.#items.length > 0) {
        yield this.#items.splice(0);
        continue;
      }
      if (this.#isOver) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }
}

const toldOfEnds = new WeakMap<Promise<CloseReason>, Set<(reason: CloseReason) => void>>();

/**
 * Tells of the end of a session; the answer ends that. A reaction to the promise itself could not be taken back, and would
 * keep all that it knows for as long as the session lives.
 */
export function onSessionEnd(
  closed: Promise<CloseReason>,
  listener: (reason: CloseReason) => void,
): () => void {
  const told = toldOfEnds.get(closed) ?? new Set();
  if (!toldOfEnds.has(closed)) {
    toldOfEnds.set(closed, told);
    closed.then((reason) => {
      // Who asks from here on gets a reaction of his own, at once.
      toldOfEnds.delete(closed);
      for (const tell of told) tell(reason);
    });
  }
  told.add(listener);
  return () => told.delete(listener);
}

export function sessionOver(what: string, { message }: CloseReason): ExecServerError {
  return new ExecServerError("ERR_DISCONNECTED", `Cannot go on to ${what}: ${message}`);
}
