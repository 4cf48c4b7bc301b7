/** Websocket frames as client and control need them: masks are zero, so that they cost nothing. */

import { Buffer } from "node:buffer";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** One frame of the parts. */
export function frame(opcode: number, parts: readonly Buffer[], masked: boolean): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const start = head + (masked ? 4 : 0);
  const bytes = Buffer.allocUnsafe(start + length);
  bytes[0] = 0x80 | opcode;
  bytes[1] = (masked ? 0x80 : 0) | (head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) bytes.writeUInt16BE(length, 2);
  if (head === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  if (masked) bytes.fill(0, head, start);
  let at = start;
  for (const part of parts) at += part.copy(bytes, at);
  return bytes;
}

/** Cuts bytes into frames and puts fragments together. */
export class FrameReader {
  readonly #take: (opcode: number, payload: Buffer) => void;
  /** Bytes of a frame of which more is to come, and how many are needed before it is worth another look. */
  #pieces: Buffer[] = [];
  #have = 0;
  #need = 0;
  #fragments: Buffer[] = [];
  /** What the message is that is in fragments. */
  #opcode = TEXT;

  constructor(take: (opcode: number, payload: Buffer) => void) {
    this.#take = take;
  }

  push(bytes: Buffer): void {
    if (this.#have > 0) {
      this.#pieces.push(bytes);
      this.#have += bytes.length;
      if (this.#have < this.#need) return;
      bytes = Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.#have = 0;
    }
    let at = 0;
    for (let next = this.#frame(bytes, at); next > at; next = this.#frame(bytes, at)) at = next;
    if (at === bytes.length) return;
    this.#pieces = [bytes.subarray(at)];
    this.#have = bytes.length - at;
  }

  /** Takes the frame that begins at `at`, if it is whole. Returns where the next begins. */
  #frame(bytes: Buffer, at: number): number {
    const left = bytes.length - at;
    this.#need = left + 1;
    if (left < 2) return at;
    const short = bytes[at + 1]! & 0x7f;
    const head = (short < 126 ? 2 : short === 126 ? 4 : 10) + (bytes[at + 1]! & 0x80 ? 4 : 0);
    if (left < head) return at;
    let length = short;
    if (short === 126) length = bytes.readUInt16BE(at + 2);
    if (short === 127) length = Number(bytes.readBigUInt64BE(at + 2));
    this.#need = head + length;
    if (left < head + length) return at;
    this.#whole(bytes[at]!, bytes.subarray(at + head, at + head + length));
    return at + head + length;
  }

  #whole(first: number, payload: Buffer): void {
    const opcode = first & 0x0f;
    if (opcode >= CLOSE) {
      this.#take(opcode, payload);
      return;
    }
    const last = (first & 0x80) !== 0;
    if (opcode !== 0) this.#opcode = opcode;
    if (!last || this.#fragments.length > 0) {
      this.#fragments.push(payload);
      if (!last) return;
      payload = Buffer.concat(this.#fragments);
      this.#fragments = [];
    }
    this.#take(this.#opcode, payload);
  }
}
