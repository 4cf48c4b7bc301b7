/** Messages that go out in pieces, each made when there is room for it, so that none is whole in memory. */

import { Buffer } from "node:buffer";
import { type Frame, opcode } from "./websocket_frames.ts";

interface LongMessage {
  /** Of the next piece: that of the message, then that of a continuation. */
  opcode: number;
  readonly pieces: Iterator<Uint8Array>;
  next: IteratorResult<Uint8Array>;
  /** About how many bytes are still to come. */
  left: number;
}

/** What is sent while a long message is on its way waits behind it. */
export class LongMessages {
  readonly #write: (frame: Frame) => void;
  readonly #hasRoom: () => boolean;
  #current: LongMessage | undefined;
  #behind: { bytes: number; send: () => void }[] = [];
  #behindBytes = 0;
  #pumping = false;

  /** @param hasRoom Whether the connection can do with another piece. */
  constructor(write: (frame: Frame) => void, hasRoom: () => boolean) {
    this.#write = write;
    this.#hasRoom = hasRoom;
  }

  /** What waits here, in bytes. */
  get pendingBytes(): number {
    return (this.#current?.left ?? 0) + this.#behindBytes;
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

  /** Begins to send. Not while {@link defers} says that something must wait. */
  start(code: number, bytes: number, pieces: Iterator<Uint8Array>): void {
    this.#current = { opcode: code, pieces, next: pieces.next(), left: bytes };
    this.pump();
  }

  /** To be called when there may be room again; from within a write too. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#current && this.#hasRoom()) {
      const message = this.#current;
      const payload: Uint8Array = message.next.value;
      message.next = message.pieces.next();
      message.left = Math.max(0, message.left - payload.length);
      const fin = message.next.done === true;
      if (fin) this.#current = undefined;
      this.#write({ fin, opcode: message.opcode, payload });
      message.opcode = opcode.continuation;
      if (fin) this.#sendBehind();
    }
    this.#pumping = false;
  }

  /** The connection is over. */
  drop(): void {
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
export function* pieces(parts: readonly Uint8Array[], length: number): Generator<Uint8Array, undefined> {
  for (const part of parts) {
    for (let at = 0; at < part.length; at += length) yield part.subarray(at, at + length);
  }
  return undefined;
}

/** A text of bytes as base64 between head and tail. */
export function* base64Pieces(
  head: string,
  bytes: Uint8Array,
  tail: string,
  length: number,
): Generator<Uint8Array, undefined> {
  if (head !== "") yield Buffer.from(head);
  // Whole groups of three bytes, so that nothing is padded but the end.
  const step = Math.floor(length / 4) * 3;
  for (let at = 0; at < bytes.length; at += step) {
    yield Buffer.from(bytes.subarray(at, at + step).toBase64(), "latin1");
  }
  if (tail !== "") yield Buffer.from(tail);
  return undefined;
}
