/** The body of a streamed answer: deltas in, a stream of bytes out. */

import { ExecServerError } from "../protocol/errors.ts";
import type { BodyDeltaParams } from "../protocol/http.ts";

/** Where a body tells what it needs and what became of it. */
export interface HttpBodyOwner {
  /** Bytes wait for their reader. */
  received(bytes: number): void;
  /** Its reader has taken bytes, those of the delta with this number last. */
  consumed(bytes: number, seq: number): void;
  /** It has ended for this client, and `isWhole` says how; nothing that comes later matters. */
  ended(isWhole: boolean): void;
  /** What its reader is given in place of an error of ours. */
  toError?(error: ExecServerError): Error;
}

/** What may wait here for its reader; a server that knows windows never sends so much. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

export class HttpBody {
  readonly requestId: string;
  readonly #owner: HttpBodyOwner;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #queue: { bytes: Uint8Array<ArrayBuffer>; seq: number }[] = [];
  #queuedBytes = 0;
  #lastSeq = 0;
  #done = false;
  /** What the last delta said. */
  #failure: Error | undefined;
  #over = false;
  #wanted: (() => void) | undefined;

  constructor(requestId: string, owner: HttpBodyOwner) {
    this.requestId = requestId;
    this.#owner = owner;
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.#end(false),
      },
      { highWaterMark: 0 },
    );
  }

  /** Whether the last delta has come. */
  get isComplete(): boolean {
    return this.#done;
  }

  /** A delta came. */
  accept({ seq, deltaBase64, done, error }: BodyDeltaParams): void {
    if (this.#over || this.#done) return;
    if (seq !== this.#lastSeq + 1) {
      const what = `The body of request "${this.requestId}" is not whole: delta ${seq} came after ${this.#lastSeq}`;
      this.fail(new ExecServerError("ERR_HTTP_BODY", what));
      return;
    }
    this.#lastSeq = seq;
    if (deltaBase64.length > 0) {
      const bytes = deltaBase64 as Uint8Array<ArrayBuffer>;
      this.#queue.push({ bytes, seq });
      this.#queuedBytes += bytes.length;
      this.#owner.received(bytes.length);
    }
    if (error !== undefined) {
      // What has come is given first.
      this.#failure = new ExecServerError("ERR_HTTP_BODY", `The body is not whole: ${error}`);
    }
    // Whoever says that it failed has said the last.
    this.#done = done || error !== undefined;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) {
      const what = `The body of request "${this.requestId}" is read too slowly: more than ${MAX_QUEUED_BYTES} bytes wait, and the server cannot be held back`;
      this.fail(new ExecServerError("ERR_HTTP_BODY", what));
      return;
    }
    this.#wanted?.();
  }

  /** The body ends here. */
  fail(error: unknown): void {
    if (this.#over) return;
    this.#end(false);
    const shown = error instanceof ExecServerError ? (this.#owner.toError?.(error) ?? error) : error;
    this.#controller.error(shown);
    this.#wanted?.();
  }

  async #pull(): Promise<void> {
    while (!this.#over && this.#queue.length === 0 && !this.#done) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
    if (this.#over) return;
    const next = this.#queue.shift();
    if (next) {
      this.#queuedBytes -= next.bytes.length;
      this.#controller.enqueue(next.bytes);
      this.#owner.consumed(next.bytes.length, next.seq);
    }
    if (this.#queue.length > 0 || !this.#done) return;
    if (this.#failure) {
      if (!next) this.fail(this.#failure);
      return;
    }
    this.#end(true);
    this.#controller.close();
  }

  #end(isWhole: boolean): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#queuedBytes > 0) this.#owner.consumed(this.#queuedBytes, this.#lastSeq);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#owner.ended(isWhole);
  }
}

/** A body that is not whole, in the kind of error that the platform has for it. */
export function toBodyError(error: ExecServerError): TypeError {
  return Object.assign(new TypeError(error.message, { cause: error }), { code: error.code });
}
