/** Messages out of their frames (RFC 6455, section 5.4). */

import { Buffer } from "node:buffer";
import { giveBack, messageBytes } from "../jsonrpc/reusable_memory.ts";
import { type Frame, FrameError, opcode } from "./websocket_frames.ts";

/** Shorter frames are put together at once: there may be one for each byte of a message, and any number of empty ones. */
const SHORT_BYTES = 4096;
const TOGETHER_BYTES = 64 * 1024;

/** Keeps the frames of a message until its last one. */
export class Fragments {
  readonly #maxMessageBytes: number;
  /** That of the first frame; undefined between messages. */
  #opcode: number | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Memory for short frames, which are behind the pieces. */
  #short: Uint8Array | undefined;
  #shortBytes = 0;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * The message that ends with this frame, which is no control frame; undefined when it goes on.
   * @throws {FrameError} The frame does not fit those before it, or the message is too long.
   */
  add(frame: Frame): Frame | undefined {
    if (frame.opcode === opcode.continuation) {
      if (this.#opcode === undefined) throw new FrameError(1002, "A continuation without a beginning");
    } else {
      if (this.#opcode !== undefined) throw new FrameError(1002, "A message begins within another");
      if (frame.fin) return frame;
      this.#opcode = frame.opcode;
    }
    this.#bytes += frame.payload.length;
    if (this.#bytes > this.#maxMessageBytes) {
      throw new FrameError(1009, `A message is above the limit of ${this.#maxMessageBytes} bytes`);
    }
    this.#keep(frame.payload);
    if (!frame.fin) return undefined;
    this.#endShort();
    const message = { fin: true, opcode: this.#opcode, payload: Buffer.concat(this.#pieces) };
    for (const one of this.#pieces) giveBack(one);
    this.drop();
    return message;
  }

  drop(): void {
    this.#opcode = undefined;
    this.#pieces = [];
    this.#bytes = 0;
    if (this.#short) giveBack(this.#short);
    this.#short = undefined;
    this.#shortBytes = 0;
  }

  #keep(payload: Uint8Array): void {
    const isShort = payload.length < SHORT_BYTES;
    if (!isShort || this.#shortBytes + payload.length > TOGETHER_BYTES) this.#endShort();
    if (!isShort) {
      this.#pieces.push(payload);
      return;
    }
    this.#short ??= messageBytes(TOGETHER_BYTES);
    this.#short.set(payload, this.#shortBytes);
    this.#shortBytes += payload.length;
  }

  #endShort(): void {
    if (this.#shortBytes > 0) this.#pieces.push(this.#short!.slice(0, this.#shortBytes));
    this.#shortBytes = 0;
  }
}
