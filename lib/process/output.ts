/** What a process has put out: numbered, retained up to a bound, and what was given up counted. */

import type { OutputStream } from "../protocol/process.ts";
import { ByteRing } from "./byte_ring.ts";

/** One retained piece, as a reader gets it. */
export interface RetainedChunk {
  readonly seq: number;
  readonly stream: OutputStream;
  readonly bytes: Uint8Array;
  /** Output before this piece, in bytes, over all streams. */
  readonly offset: number;
}

/** What a reader gets. */
export interface OutputSlice {
  chunks: RetainedChunk[];
  /** Bytes behind the reader's place that were given up before the first piece. */
  lostBytes: number;
  /** More may be lost than `lostBytes` says. */
  lostBytesIsMinimum: boolean;
}

/** Bounds of the retention. */
export interface RetentionLimits {
  maxBytes: number;
  /** @default {50_000} */
  maxChunks?: number;
}

const MAX_CHUNKS = 50_000;
/** How many given-up pieces are remembered by their offset, 16 bytes each. */
const MAX_REMEMBERED = 65_536;

/** What is known of a piece; its bytes are in the ring. */
interface Piece {
  readonly seq: number;
  readonly stream: OutputStream;
  readonly offset: number;
  readonly length: number;
}

/** The output of one process. Sequence numbers begin at 1 and are shared with exit and closing. */
export class OutputLog {
  readonly #maxBytes: number;
  /** So many pieces are retained at the most. */
  readonly maxChunks: number;
  readonly #ring = new ByteRing();
  #pieces: Piece[] = [];
  /** Index of the first retained piece; those before it are gone and are cut off now and then. */
  #first = 0;
  #retainedBytes = 0;
  #totalBytes = 0;
  #nextSeq = 1;
  /** Seq and end offset of pieces given up, the newest `MAX_REMEMBERED` to twice as many. */
  readonly #goneSeqs: number[] = [];
  readonly #goneEnds: number[] = [];
  #goneForgotten = false;

  constructor(limits: RetentionLimits) {
    this.#maxBytes = limits.maxBytes;
    this.maxChunks = limits.maxChunks ?? MAX_CHUNKS;
  }

  /** The number that the next event will get. */
  get nextSeq(): number {
    return this.#nextSeq;
  }

  get retainedBytes(): number {
    return this.#retainedBytes;
  }

  /** Output so far, retained or not. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Takes the next number for an event that is not output. */
  takeSeq(): number {
    return this.#nextSeq++;
  }

  /** Keeps a copy of a piece and answers its number. */
  append(stream: OutputStream, bytes: Uint8Array): number {
    const seq = this.#nextSeq++;
    const { length } = bytes;
    while (
      this.#first < this.#pieces.length &&
      (this.#retainedBytes + length > this.#maxBytes ||
        this.#pieces.length - this.#first + 1 > this.maxChunks)
    ) {
      this.#dropFirst();
    }
    this.#pieces.push({ seq, stream, offset: this.#totalBytes, length });
    this.#retainedBytes += length;
    this.#totalBytes += length;
    if (length > this.#maxBytes || this.maxChunks < 1) this.#dropFirst();
    else this.#ring.put(bytes, this.#totalBytes - length, this.#retainedBytes, this.#maxBytes);
    return seq;
  }

  /** Gives all retained output up. */
  dropAll(): void {
    while (this.#first < this.#pieces.length) this.#dropFirst();
    this.#ring.fit(0, 0);
  }

  /** No more output comes: gives back the memory that was kept ready for it. */
  seal(): void {
    this.#ring.fit(this.#totalBytes, this.#retainedBytes);
  }

  /** Retained pieces after a number: as many as fit `maxBytes`, but at least one if there is one. */
  slice(afterSeq: number, maxBytes: number): OutputSlice {
    const chunks: RetainedChunk[] = [];
    let bytes = 0;
    for (let i = this.#indexAfter(afterSeq); i < this.#pieces.length; i++) {
      const { seq, stream, offset, length } = this.#pieces[i]!;
      bytes += length;
      if (chunks.length > 0 && bytes > maxBytes) break;
      chunks.push({ seq, stream, offset, bytes: this.#ring.get(offset, length) });
    }
    return { chunks, ...this.#lostAfter(afterSeq) };
  }

  /** Bytes of output up to a number. Of one that is given up, all that is given up. */
  offsetAfter(seq: number): number {
    return this.#pieces[this.#indexAfter(seq)]?.offset ?? this.#totalBytes;
  }

  /** Whether there is output after a number, retained or not. */
  hasAfter(afterSeq: number): boolean {
    const last = this.#pieces.at(-1)?.seq ?? this.#goneSeqs.at(-1) ?? 0;
    return last > afterSeq;
  }

  #lostAfter(afterSeq: number): { lostBytes: number; lostBytesIsMinimum: boolean } {
    const lastSeq = this.#goneSeqs.at(-1);
    const lastEnd = this.#goneEnds.at(-1)!;
    if (lastSeq === undefined || lastSeq <= afterSeq) return { lostBytes: 0, lostBytesIsMinimum: false };
    if (afterSeq === 0) return { lostBytes: lastEnd, lostBytesIsMinimum: false };
    // The newest piece given up that the reader had had already tells where its place was.
    const index = countUpTo(this.#goneSeqs, afterSeq) - 1;
    if (index >= 0) return { lostBytes: lastEnd - this.#goneEnds[index]!, lostBytesIsMinimum: false };
    if (!this.#goneForgotten) return { lostBytes: lastEnd, lostBytesIsMinimum: false };
    return { lostBytes: lastEnd - this.#goneEnds[0]!, lostBytesIsMinimum: true };
  }

  #dropFirst(): void {
    const { seq, offset, length } = this.#pieces[this.#first++]!;
    this.#retainedBytes -= length;
    this.#goneSeqs.push(seq);
    this.#goneEnds.push(offset + length);
    if (this.#goneSeqs.length >= 2 * MAX_REMEMBERED) {
      this.#goneSeqs.splice(0, this.#goneSeqs.length - MAX_REMEMBERED);
      this.#goneEnds.splice(0, this.#goneEnds.length - MAX_REMEMBERED);
      this.#goneForgotten = true;
    }
    if (this.#first >= 1024 && this.#first * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Index of the first retained piece with a higher number. */
  #indexAfter(seq: number): number {
    let low = this.#first;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pieces[middle]!.seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** How many of ordered numbers are not above this one. */
function countUpTo(numbers: readonly number[], limit: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
