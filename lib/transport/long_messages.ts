/** Messages that go out in pieces, each made when there is room for it, so that none is whole in memory. */

import { Buffer } from "node:buffer";
import { opcode } from "./websocket_frames.ts";

/** A part of a message. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** They go as base64. */
  readonly base64: boolean;
}

/** What is to become a frame. */
export interface PieceFrame extends Piece {
  readonly fin: boolean;
  readonly opcode: number;
}

interface LongMessage {
  /** Of the next piece: that of the message, then that of a continuation. */
  opcode: number;
  readonly pieces: Iterator<Piece>;
  next: IteratorResult<Piece>;
  /** About how many bytes are still to come. */
  left: number;
  /** To be called when the last piece has been written, or will never be. */
  readonly done: () => void;
}

/** What is sent while a long message is on its way waits behind it. */
export class LongMessages {
  readonly #write: (frame: PieceFrame) => void;
  readonly #hasRoom: () => boolean;
  #current: LongMessage | undefined;
  #behind: { bytes: number; send: () => void }[] = [];
  #behindBytes = 0;
  #pumping = false;

  /** @param hasRoom Whether the connection can do with another piece. */
  constructor(write: (frame: PieceFrame) => void, hasRoom: () => boolean) {
    this.#write = write;
    this.#hasRoom = hasRoom;
  }

  /** What waits here, in bytes. */
  get pendingBytes(): number {
    return (this.#current?.left ?? 0) + this.#behindBytes;
  }

  /** What waits behind the message that is on its way. */
  get behindBytes(): number {
    return this.#behindBytes;
  }

  /** Whether what is sent now has to wait. */
  get active(): boolean {
    return this.#current !== undefined;
  }

  /** Whether a message has to wait; `send` is called in its turn then. */
  defers(bytes: number, send: () => void): boolean {
    if (!this.#current) return false;
    this.#behind.push({ bytes, send });
    this.#behindBytes += bytes;
    return true;
  }

  /**
   * Begins to send. Not while {@link defers} says that something must wait. `done` is called when nothing of the pieces
   * is needed any more.
   */
  start(code: number, bytes: number, pieces: Iterator<Piece>, done: () => void = () => {}): void {
    this.#current = { opcode: code, pieces, next: pieces.next(), left: bytes, done };
    this.pump();
  }

  /** To be called when there may be room again; from within a write too. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#current && this.#hasRoom()) {
      const message = this.#current;
      const { bytes, base64 }: Piece = message.next.value;
      message.next = message.pieces.next();
      message.left = Math.max(0, message.left - bytes.length);
      const fin = message.next.done === true;
      if (fin) this.#current = undefined;
      this.#write({ fin, opcode: message.opcode, bytes, base64 });
      message.opcode = opcode.continuation;
      if (!fin) continue;
      message.done();
      this.#sendBehind();
    }
    this.#pumping = false;
  }

  /** The connection is over. */
  drop(): void {
    this.#current?.done();
    this.#current = undefined;
    this.#behind = [];
    this.#behindBytes = 0;
  }

  /** What waited, until there is another long message among it. */
  #sendBehind(): void {
    while (!this.#current) {
      const next = this.#behind.shift();
      if (!next) return;
      this.#behindBytes -= next.bytes;
      next.send();
    }
  }
}

/** Cuts bytes, which may come in parts. */
export function* pieces(parts: readonly Uint8Array[], length: number): Generator<Piece, undefined> {
  for (const part of parts) {
    for (let at = 0; at < part.length; at += length) {
      yield { bytes: part.subarray(at, at + length), base64: false };
    }
  }
  return undefined;
}

/** A text of bytes as base64 between head and tail; pieces are of so many bytes at the most before they are base64. */
export function* base64Pieces(
  head: string,
  bytes: Uint8Array,
  tail: string,
  length: number,
): Generator<Piece, undefined> {
  if (head !== "") yield { bytes: Buffer.from(head), base64: false };
  // Whole groups of three bytes, so that nothing is padded but the end.
  const step = length - (length % 3);
  for (let at = 0; at < bytes.length; at += step)
    yield { bytes: bytes.subarray(at, at + step), base64: true };
  if (tail !== "") yield { bytes: Buffer.from(tail), base64: false };
  return undefined;
}
