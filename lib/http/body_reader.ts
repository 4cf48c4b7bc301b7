/**
 * The body of an answer, pulled. It listens from the first moment: a stream that fails drops what it holds, and what
 * has come before the failure is still to be delivered.
 */

import type { IncomingMessage } from "node:http";
import { HttpFailure, toFailure } from "./failure.ts";

/** The origin is held back while so much waits here. */
const HIGH_WATER_BYTES = 512 * 1024;

export class BodyReader {
  readonly #message: IncomingMessage;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #received = 0;
  #paused = false;
  #dropped = false;
  /** Set at the end; `null` for a good one. */
  #end: { failure: HttpFailure | null } | undefined;
  #wake: (() => void) | undefined;

  constructor(message: IncomingMessage) {
    this.#message = message;
    message.on("data", (bytes: Uint8Array) => this.#onData(bytes));
    message.on("end", () => this.#finish(message.complete ? null : this.#cut()));
    message.on("error", (error: NodeJS.ErrnoException) => {
      const isCut = error.code === "ECONNRESET" || error.code === "ERR_STREAM_PREMATURE_CLOSE";
      this.#finish(isCut ? this.#cut() : toFailure(error, "protocol"));
    });
    message.on("close", () => this.#finish(this.#cut()));
  }

  /** Length that was announced; undefined when it was not. */
  get announcedBytes(): number | undefined {
    const length = this.#message.headers["content-length"];
    return length === undefined ? undefined : Number(length);
  }

  /** The next bytes, never empty; null at the end of a whole body. @throws {HttpFailure} It is not whole. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const bytes = this.#queue.shift();
      if (bytes) {
        this.#queued -= bytes.length;
        if (this.#paused && this.#queued < HIGH_WATER_BYTES / 2) {
          this.#paused = false;
          this.#message.resume();
        }
        return bytes;
      }
      if (this.#end?.failure) throw this.#end.failure;
      if (this.#end) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Reads on for nobody, so that the connection can be used again. */
  drop(): void {
    this.#dropped = true;
    this.#queue = [];
    this.#message.resume();
  }

  /** Closes the connection. What has not been read is gone, and reading fails with the reason. */
  destroy(reason: HttpFailure): void {
    this.#queue = [];
    this.#finish(reason);
    this.#message.destroy();
  }

  #onData(bytes: Uint8Array): void {
    if (this.#end || bytes.length === 0) return;
    this.#received += bytes.length;
    if (this.#dropped) return;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (!this.#paused && this.#queued >= HIGH_WATER_BYTES) {
      this.#paused = true;
      this.#message.pause();
    }
    this.#wake?.();
  }

  #finish(failure: HttpFailure | null): void {
    this.#end ??= { failure };
    this.#wake?.();
  }

  #cut(): HttpFailure {
    const length = this.announcedBytes;
    const of = length === undefined ? "" : ` of ${length}`;
    return new HttpFailure("protocol", `the connection ended after ${this.#received}${of} bytes`);
  }
}
