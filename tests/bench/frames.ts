/**
 * Websocket frames as client and control need them. Masks are one byte four times: what is long and sent often is masked
 * once, wherever in a frame it goes.
 */

import { Buffer } from "node:buffer";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;
/** How a text begins that is not in fragments. */
const WHOLE_TEXT = 0x80 | TEXT;

/** Of the client. Not zero, as no client has that, and servers may pass by the work then. */
export const MASK = 0x5a;
/** What is so long is kept when it has been masked. */
const KEPT_BYTES = 4096;
const kept = new WeakMap<Buffer, Buffer>();

/** XORs in place. */
export function applyMask(bytes: Buffer, mask: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i]! ^= mask;
}

/** The parts of a payload as a client sends them. */
export function masked(parts: readonly Buffer[]): Buffer[] {
  return parts.map((part) => {
    const known = kept.get(part);
    if (known) return known;
    const copy = Buffer.from(part);
    applyMask(copy, MASK);
    if (part.length >= KEPT_BYTES) kept.set(part, copy);
    return copy;
  });
}

/** Of the middle of a long message only the length is of interest; nothing in it may look like the end of a text. */
const FILLER_BYTES = 1024 * 1024;
const filler = Buffer.alloc(FILLER_BYTES, "A");
const KEPT_ENDS_BYTES = 1024;
/** Of less the rest is taken as all else is. */
const LONG_BYTES = 64 * 1024;

/** A piece whose memory is used again: its ends, and as much of anything as is between them. */
function shortened(piece: Buffer): Buffer[] {
  const between = piece.length - 2 * KEPT_ENDS_BYTES;
  if (between <= 0 || between > FILLER_BYTES) return [Buffer.from(piece)];
  return [
    Buffer.from(piece.subarray(0, KEPT_ENDS_BYTES)),
    filler.subarray(0, between),
    Buffer.from(piece.subarray(-KEPT_ENDS_BYTES)),
  ];
}

/** What comes before a payload. */
export function frameHead(opcode: number, length: number, isMasked: boolean): Buffer {
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.alloc(head + (isMasked ? 4 : 0), MASK);
  bytes[0] = 0x80 | opcode;
  bytes[1] = (isMasked ? 0x80 : 0) | (head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) bytes.writeUInt16BE(length, 2);
  if (head === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}

/** One frame of the parts. */
export function frame(opcode: number, parts: readonly Buffer[], isMasked: boolean): Buffer {
  return Buffer.concat([frameHead(opcode, lengthOf(parts), isMasked), ...(isMasked ? masked(parts) : parts)]);
}

export function lengthOf(pieces: readonly Buffer[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

/**
 * Cuts bytes into frames and puts fragments together, but copies nothing: a message comes in the pieces it came in,
 * without its mask, which is one byte four times.
 */
export class FrameReader {
  readonly #take: (opcode: number, pieces: readonly Buffer[]) => void;
  readonly #skim: (bytes: Buffer, at: number) => boolean;
  readonly #isPassed: (opcode: number, first: Buffer) => boolean;
  /** The beginning of a frame of which the head is not whole yet. */
  #head: Buffer | undefined;
  /** Of the frame that is being read. */
  #first = 0;
  #mask = 0;
  #pieces: Buffer[] = [];
  #missing = 0;
  #fragments: Buffer[] = [];
  /** What the message is that is in fragments. */
  #opcode = TEXT;

  /**
   * @param skim Is shown each text that is whole, from where it begins; answers whether it has taken it.
   * @param isPassed Whether what begins so is looked at for its ends and its length only.
   */
  constructor(
    take: (opcode: number, pieces: readonly Buffer[]) => void,
    skim: (bytes: Buffer, at: number) => boolean = () => false,
    isPassed: (opcode: number, first: Buffer) => boolean = () => false,
  ) {
    this.#take = take;
    this.#skim = skim;
    this.#isPassed = isPassed;
  }

  /** How many bytes are still to come of a frame of which only ends and length are of interest. */
  get passable(): number {
    if (this.#missing < LONG_BYTES) return 0;
    const [first] = this.#pieces;
    return first !== undefined && this.#isPassed(this.#first & 0x0f, first) ? this.#missing : 0;
  }

  /** Takes some of these bytes, but for the ends only their number. */
  pass(bytes: Buffer): void {
    this.#pieces.push(...shortened(bytes));
    this.#missing -= bytes.length;
    if (this.#missing === 0) this.#whole();
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#missing > 0) {
        const piece = bytes.subarray(at, at + this.#missing);
        if (this.#mask !== 0) applyMask(piece, this.#mask);
        this.#pieces.push(piece);
        this.#missing -= piece.length;
        at += piece.length;
      } else {
        if (this.#head) bytes = Buffer.concat([this.#head, bytes.subarray(at)]);
        if (this.#head) at = 0;
        const head = this.#begin(bytes, at);
        this.#head = head === 0 ? bytes.subarray(at) : undefined;
        if (head === 0) return;
        at += head;
        const isWhole = this.#first === WHOLE_TEXT && this.#mask === 0 && at + this.#missing <= bytes.length;
        if (isWhole && this.#skim(bytes, at)) {
          at += this.#missing;
          this.#missing = 0;
          continue;
        }
      }
      if (this.#missing === 0) this.#whole();
    }
  }

  /** Takes the head of a frame; answers its length, or 0 when it is not whole. */
  #begin(bytes: Buffer, at: number): number {
    const left = bytes.length - at;
    if (left < 2) return 0;
    const short = bytes[at + 1]! & 0x7f;
    const head = (short < 126 ? 2 : short === 126 ? 4 : 10) + (bytes[at + 1]! & 0x80 ? 4 : 0);
    if (left < head) return 0;
    this.#first = bytes[at]!;
    this.#mask = bytes[at + 1]! & 0x80 ? bytes[at + head - 1]! : 0;
    this.#missing = short;
    if (short === 126) this.#missing = bytes.readUInt16BE(at + 2);
    if (short === 127) this.#missing = Number(bytes.readBigUInt64BE(at + 2));
    return head;
  }

  #whole(): void {
    const opcode = this.#first & 0x0f;
    let pieces = this.#pieces;
    this.#pieces = [];
    if (opcode >= CLOSE) {
      this.#take(opcode, pieces);
      return;
    }
    const last = (this.#first & 0x80) !== 0;
    if (opcode !== 0) this.#opcode = opcode;
    if (!last || this.#fragments.length > 0) {
      this.#fragments.push(...pieces);
      if (!last) return;
      pieces = this.#fragments;
      this.#fragments = [];
    }
    this.#take(this.#opcode, pieces);
  }
}

/** The pieces as one. */
export function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}
