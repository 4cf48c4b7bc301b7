/** What a process has put out: numbered, retained up to a bound, and what was given up counted. */

import type { OutputStream } from "../protocol/process.ts";

/** One retained piece. */
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

/** The output of one process. Sequence numbers begin at 1 and are shared with exit and closing. */
export class OutputLog {
  readonly #maxBytes: number;
  readonly #maxChunks: number;
  #chunks: RetainedChunk[] = [];
  /** Index of the first retained piece; those before it are gone and are cut off now and then. */
  #first = 0;
  #retainedBytes = 0;
  #totalBytes = 0;
  #nextSeq = 1;
  /** Seq and end offset of pieces given up, the newest `MAX_REMEMBERED` to twice as many. */
  #gone: { seq: number; end: number }[] = [];
  #goneForgotten = false;

  constructor(limits: RetentionLimits) {
    this.#maxBytes = limits.maxBytes;
    this.#maxChunks = limits.maxChunks ?? MAX_CHUNKS;
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

  /** Keeps a piece and answers its number. The array must not change any more. */
  append(stream: OutputStream, bytes: Uint8Array): number {
    const seq = this.#nextSeq++;
    this.#chunks.push({ seq, stream, bytes, offset: this.#totalBytes });
    this.#totalBytes += bytes.length;
    this.#retainedBytes += bytes.length;
    while (this.#retainedBytes > this.#maxBytes || this.#chunks.length - this.#first > this.#maxChunks) {
      this.#dropFirst();
    }
    return seq;
  }

  /** Gives all retained output up. */
  dropAll(): void {
    while (this.#first < this.#chunks.length) this.#dropFirst();
  }

  /** Retained pieces after a number: as many as fit `maxBytes`, but at least one if there is one. */
  slice(afterSeq: number, maxBytes: number): OutputSlice {
    const start = this.#indexAfter(afterSeq);
    const chunks: RetainedChunk[] = [];
    let bytes = 0;
    for (let i = start; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      bytes += chunk.bytes.length;
      if (chunks.length > 0 && bytes > maxBytes) break;
      chunks.push(chunk);
    }
    return { chunks, ...this.#lostAfter(afterSeq) };
  }

  /** Bytes of output up to a number. Of one that is given up, all that is given up. */
  offsetAfter(seq: number): number {
    return this.#chunks[this.#indexAfter(seq)]?.offset ?? this.#totalBytes;
  }

  /** Whether there is output after a number, retained or not. */
  hasAfter(afterSeq: number): boolean {
    const last = this.#chunks.at(-1)?.seq ?? this.#gone.at(-1)?.seq ?? 0;
    return last > afterSeq;
  }

  #lostAfter(afterSeq: number): { lostBytes: number; lostBytesIsMinimum: boolean } {
    const lastGone = this.#gone.at(-1);
    if (!lastGone || lastGone.seq <= afterSeq) return { lostBytes: 0, lostBytesIsMinimum: false };
    if (afterSeq === 0) return { lostBytes: lastGone.end, lostBytesIsMinimum: false };
    // The newest piece given up that the reader had had already tells where its place was.
    const index = lastIndexWhere(this.#gone, (gone) => gone.seq <= afterSeq);
    if (index >= 0) return { lostBytes: lastGone.end - this.#gone[index]!.end, lostBytesIsMinimum: false };
    if (!this.#goneForgotten) return { lostBytes: lastGone.end, lostBytesIsMinimum: false };
    return { lostBytes: lastGone.end - this.#gone[0]!.end, lostBytesIsMinimum: true };
  }

  #dropFirst(): void {
    const chunk = this.#chunks[this.#first]!;
    this.#chunks[this.#first] = { ...chunk, bytes: nothing };
    this.#first++;
    this.#retainedBytes -= chunk.bytes.length;
    this.#gone.push({ seq: chunk.seq, end: chunk.offset + chunk.bytes.length });
    if (this.#gone.length >= 2 * MAX_REMEMBERED) {
      this.#gone.splice(0, this.#gone.length - MAX_REMEMBERED);
      this.#goneForgotten = true;
    }
    if (this.#first >= 1024 && this.#first * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Index of the first retained piece with a higher number. */
  #indexAfter(seq: number): number {
    let low = this.#first;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

const nothing = new Uint8Array(0);

/** Index of the last element for which an ordered test holds, or -1. */
function lastIndexWhere<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
