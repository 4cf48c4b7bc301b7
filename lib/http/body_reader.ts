/** The body of an answer, pulled. What has come before a failure is still delivered. */

import { HttpFailure } from "./failure.ts";

/** The origin is held back while so much waits here. */
const HIGH_WATER_BYTES = 512 * 1024;

/** The same of all bodies together, for those of which something waits. */
const HIGH_WATER_OF_ALL_BYTES = 4 * 1024 * 1024;
let queuedOfAll = 0;

/** The connection that a body comes from. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** Ends it now: nothing more of the body is wanted. */
  destroy(): void;
}

export class BodyReader {
  readonly #source: BodySource;
  /** Length that was announced; undefined when it was not. */
  readonly announcedBytes: number | undefined;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #received = 0;
  #paused = false;
  #dropped = false;
  /** Set at the end; `null` for a good one. */
  #end: { failure: HttpFailure | null } | undefined;
  #wake: (() => void) | undefined;

  constructor(source: BodySource, announcedBytes: number | undefined) {
    this.#source = source;
    this.announcedBytes = announcedBytes;
  }

  /** The next bytes, never empty; null at the end of a whole body. @throws {HttpFailure} It is not whole. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const bytes = this.#queue.shift();
      if (bytes) {
        this.#count(-bytes.length);
        const isLow = queuedOfAll < HIGH_WATER_OF_ALL_BYTES && this.#queued < HIGH_WATER_BYTES / 2;
        if (this.#paused && (isLow || this.#queued === 0)) this.#resume();
        return bytes;
      }
      if (this.#end?.failure) throw this.#end.failure;
      if (this.#end) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** All that there is of a body that has come whole and in one piece, as a short one does; else undefined. */
  takeWhole(): Uint8Array | undefined {
    if (!this.#end || this.#end.failure || this.#queue.length !== 1) return undefined;
    this.#count(-this.#queued);
    return this.#queue.pop();
  }

  /** Reads on for nobody, so that the connection can be used again. */
  drop(): void {
    this.#dropped = true;
    this.#empty();
    this.#resume();
  }

  /**
   * Closes the connection. What has not been read is gone, and reading fails with the reason. A body that has ended
   * has no connection any more, which may be with another request by now.
   */
  destroy(reason: HttpFailure): void {
    this.#empty();
    if (this.#end) return;
    this.#finish(reason);
    this.#source.destroy();
  }

  /** The connection brought bytes, never none. */
  push(bytes: Uint8Array): void {
    if (this.#end) return;
    this.#received += bytes.length;
    if (this.#dropped) return;
    this.#queue.push(bytes);
    this.#count(bytes.length);
    const isHigh = this.#queued >= HIGH_WATER_BYTES || queuedOfAll >= HIGH_WATER_OF_ALL_BYTES;
    if (!this.#paused && isHigh) {
      this.#paused = true;
      this.#source.pause();
    }
    this.#wake?.();
  }

  /** The body is whole. */
  complete(): void {
    this.#resume();
    this.#finish(null);
  }

  /** The connection was lost before the body was whole, or what came is none. */
  fail(failure?: HttpFailure): void {
    this.#finish(failure ?? this.#cut());
  }

  #empty(): void {
    this.#queue = [];
    this.#count(-this.#queued);
  }

  #count(bytes: number): void {
    this.#queued += bytes;
    queuedOfAll += bytes;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#end) this.#source.resume();
  }

  #finish(failure: HttpFailure | null): void {
    this.#end ??= { failure };
    this.#wake?.();
  }

  #cut(): HttpFailure {
    const of = this.announcedBytes === undefined ? "" : ` of ${this.announcedBytes}`;
    return new HttpFailure("protocol", `the connection ended after ${this.#received}${of} bytes`);
  }
}
