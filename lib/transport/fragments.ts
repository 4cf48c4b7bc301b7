/** Messages out of their frames (RFC 6455, section 5.4). */

import { Buffer } from "node:buffer";
import { giveBack } from "../jsonrpc/reusable_memory.ts";
import { type Frame, FrameError, opcode } from "./websocket_frames.ts";

/** Keeps the frames of a message until its last one. */
export class Fragments {
  readonly #maxMessageBytes: number;
  #payloads: Uint8Array[] = [];
  #bytes = 0;
  /** That of the first frame. */
  #opcode: number = opcode.continuation;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * The message that ends with this frame, which is no control frame; undefined when it goes on.
   * @throws {FrameError} The frame does not fit those before it, or the message is too long.
   */
  add(frame: Frame): Frame | undefined {
    const isFirst = this.#payloads.length === 0;
    if (frame.opcode === opcode.continuation) {
      if (isFirst) throw new FrameError(1002, "A continuation without a beginning");
    } else {
      if (!isFirst) throw new FrameError(1002, "A message begins within another");
      if (frame.fin) return frame;
      this.#opcode = frame.opcode;
    }
    this.#bytes += frame.payload.length;
    if (this.#bytes > this.#maxMessageBytes) {
      throw new FrameError(1009, `A message is above the limit of ${this.#maxMessageBytes} bytes`);
    }
    this.#payloads.push(frame.payload);
    if (!frame.fin) return undefined;
    const payload = Buffer.concat(this.#payloads);
    for (const one of this.#payloads) giveBack(one);
    this.drop();
    return { fin: true, opcode: this.#opcode, payload };
  }

  drop(): void {
    this.#payloads = [];
    this.#bytes = 0;
  }
}
