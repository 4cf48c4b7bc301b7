/** Large memory that is used again: to get fresh pages from the system takes longer than to fill them. */

import { backgroundTimer } from "../protocol/timer.ts";

/** How long it is kept for the next who wants some. */
const KEPT_MS = 1000;
/** What is taken is a multiple of this, so that lengths that differ little share memory, and who keeps it wastes none. */
const STEP_BYTES = 4096;

/** By the buffer, as it is given back by whoever is the last to have a view of it. */
const owners = new WeakMap<ArrayBufferLike, ReusableMemory>();

/** Keeps what has been given back, for a moment. */
export class ReusableMemory {
  readonly #maxBytes: number;
  /** The one that was used last comes first: it is most likely in the processor's cache. */
  #kept: ArrayBuffer[] = [];
  #keptBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #used = false;

  /** @param maxBytes So much is kept at the most. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Memory that nobody else has until it is given back, which nobody has to do. It can hold what was there before. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const size = Math.ceil(length / STEP_BYTES) * STEP_BYTES;
    // What is much larger is left for who needs so much.
    const found = this.#kept.findIndex(({ byteLength }) => byteLength >= size && byteLength <= 2 * size);
    const buffer = found < 0 ? new ArrayBuffer(size) : this.#kept.splice(found, 1)[0]!;
    if (found >= 0) this.#keptBytes -= buffer.byteLength;
    if (size <= this.#maxBytes) owners.set(buffer, this);
    return new Uint8Array(buffer, 0, length);
  }

  /** @internal */
  keep(buffer: ArrayBuffer): void {
    this.#kept.unshift(buffer);
    this.#keptBytes += buffer.byteLength;
    while (this.#keptBytes > this.#maxBytes) this.#drop();
    this.#used = true;
    if (!this.#timer) this.#wait();
  }

  /** Until it has not been used for a while. */
  #wait(): void {
    this.#used = false;
    this.#timer = backgroundTimer(() => {
      this.#timer = undefined;
      if (this.#used) return this.#wait();
      while (this.#kept.length > 0) this.#drop();
    }, KEPT_MS);
  }

  /** Frees the one that was used least lately, without waiting for the collector. */
  #drop(): void {
    const buffer = this.#kept.pop()!;
    this.#keptBytes -= buffer.byteLength;
    free(buffer);
  }
}

function free(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}

/** Less is left to the collector. */
const FREED_FROM_BYTES = 32 * 1024;

/** Gives memory back to the system that was not taken from here, and of which nobody else has a view. */
export function freeAtOnce({ buffer }: Uint8Array): void {
  if (buffer.byteLength >= FREED_FROM_BYTES) free(buffer as ArrayBuffer);
}

/** Says that nobody uses a buffer any more. For one that was not taken from such memory nothing happens. */
export function giveBack({ buffer }: Uint8Array): void {
  const memory = owners.get(buffer);
  if (!memory) return;
  owners.delete(buffer);
  memory.keep(buffer as ArrayBuffer);
}

/** For messages on their way in: their frames, and the bytes that base64 stands for. */
const messageMemory: ReusableMemory = new ReusableMemory(16 * 1024 * 1024);

/** Shorter pieces are as quickly had anew. */
const REUSED_FROM_BYTES = 32 * 1024;

/** Room for so many bytes of a message. */
export function messageBytes(length: number): Uint8Array<ArrayBuffer> {
  return length < REUSED_FROM_BYTES ? new Uint8Array(length) : messageMemory.take(length);
}
