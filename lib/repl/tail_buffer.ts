/** Keeps the newest output of a job that nobody looks at. */

import type { OutputStream } from "../protocol/process.ts";

/** A piece of output. */
export interface Piece {
  stream: OutputStream;
  bytes: Uint8Array;
}

export class TailBuffer {
  readonly #maxBytes: number;
  #pieces: Piece[] = [];
  #bytes = 0;
  /** Bytes that had to go, oldest first. */
  droppedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(stream: OutputStream, bytes: Uint8Array): void {
    this.#pieces.push({ stream, bytes });
    this.#bytes += bytes.length;
    while (this.#bytes > this.#maxBytes) {
      const [oldest] = this.#pieces;
      const excess = this.#bytes - this.#maxBytes;
      const dropped = Math.min(excess, oldest!.bytes.length);
      if (dropped === oldest!.bytes.length) this.#pieces.shift();
      else this.#pieces[0] = { stream: oldest!.stream, bytes: oldest!.bytes.slice(dropped) };
      this.#bytes -= dropped;
      this.droppedBytes += dropped;
    }
  }

  /** Takes everything out. */
  drain(): Piece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }
}
