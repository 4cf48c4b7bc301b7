/** WebSocket frames (RFC 6455, section 5): bytes to frames, messages to bytes. */

import { Buffer } from "node:buffer";
import { base64Room, writeBase64 } from "../jsonrpc/base64_codec.ts";
import { LONG_MESSAGE_BYTES } from "../jsonrpc/long_message.ts";
import { applyMask } from "../jsonrpc/mask.ts";
import { freeAtOnce, giveBack, messageBytes } from "../jsonrpc/reusable_memory.ts";

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One frame, unmasked but for long texts. */
export interface Frame {
  fin: boolean;
  opcode: number;
  payload: Uint8Array;
  /** What a long text that is whole is masked with still. None of other frames. */
  mask?: number;
}

/** The other side broke a rule of framing. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  /** Status of the close frame that says so. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Reads more of the stream, straight into the memory: how many bytes; 0 when there is nothing more for now. */
export type ReadMore = (memory: Uint8Array) => number;

/** Takes a frame. True when it has no view of the payload any more, so that what it came in can be freed. */
export type TakeFrame = (frame: Frame) => unknown;

/** For bytes that are all there is for now. */
export const nothingMore: ReadMore = () => 0;
const MAX_HEAD_BYTES = 14;
/** More than this is not set aside for a payload before it has come. */
const AHEAD_BYTES = 4 * 1024 * 1024;
/** After a frame of this length another one is likely, whose head and beginning are read first. */
const LONG_BYTES = 64 * 1024;
const NEXT_BYTES = 4096;
/** How much more is asked for in one turn. */
const MORE_BYTES = 1024 * 1024;

/**
 * Cuts a byte stream into frames. Works on what it is given: the arrays must be its own with all their buffers. A payload
 * that comes whole is a view of what it came in; one that is cut is put together in memory for messages, to be given back.
 */
export class FrameParser {
  readonly #maxPayloadBytes: number;
  readonly #masked: boolean;
  /** The beginning of a head that is cut. */
  readonly #start = new Uint8Array(MAX_HEAD_BYTES);
  #startBytes = 0;
  /** What the last head says. */
  #fin = false;
  #opcode = 0;
  #length = 0;
  #key = 0;
  /** Memory for a payload that is cut, and how much of it has come. */
  #payload: Uint8Array | undefined;
  #payloadBytes = 0;

  /** @param masked Whether frames must be masked (those of a client) or must not be (those of a server). */
  constructor(options: { maxPayloadBytes: number; masked: boolean }) {
    this.#maxPayloadBytes = options.maxPayloadBytes;
    this.#masked = options.masked;
  }

  /**
   * @param more Has what else is there: asked for the rest of a payload that is cut, and for what follows a long one.
   * @throws {FrameError} Nothing more can be made of the stream.
   */
  feed(bytes: Uint8Array, take: TakeFrame, more: ReadMore = nothingMore): void {
    // It may be too large to wait for the collector.
    if (this.#cut(bytes, take)) freeAtOnce(bytes);
    for (let left = MORE_BYTES; left > 0 && (this.#payload || this.#length >= LONG_BYTES); ) {
      const room = this.#payload ? this.#room() : new Uint8Array(NEXT_BYTES);
      const count = more(room);
      if (count === 0) return;
      left -= count;
      if (this.#payload) this.#came(count, take);
      else this.#cut(room.subarray(0, count), take);
    }
  }

  /** Whether nobody has a view of the bytes. */
  #cut(bytes: Uint8Array, take: TakeFrame): boolean {
    let isOurs = true;
    for (let at = 0; at < bytes.length; ) {
      if (this.#payload) {
        const room = this.#room();
        const part = bytes.subarray(at, at + room.length);
        room.set(part);
        at += part.length;
        this.#came(part.length, take);
        continue;
      }
      const head = this.#takeHead(bytes, at);
      if (head === 0) break;
      at += head;
      if (bytes.length - at < this.#length) {
        this.#payload = messageBytes(Math.min(this.#length, AHEAD_BYTES));
        this.#payloadBytes = 0;
        continue;
      }
      const payload = bytes.subarray(at, at + this.#length);
      at += this.#length;
      if (this.#tell(payload, take) !== true) isOurs = false;
    }
    return isOurs;
  }

  /** Where the next bytes of the payload belong. */
  #room(): Uint8Array {
    let payload = this.#payload!;
    if (this.#payloadBytes === payload.length) {
      payload = messageBytes(Math.min(this.#length, 2 * payload.length));
      payload.set(this.#payload!);
      giveBack(this.#payload!);
      this.#payload = payload;
    }
    return payload.subarray(this.#payloadBytes);
  }

  #came(count: number, take: TakeFrame): void {
    this.#payloadBytes += count;
    if (this.#payloadBytes < this.#length) return;
    const payload = this.#payload!;
    this.#payload = undefined;
    this.#tell(payload, take);
  }

  #tell(payload: Uint8Array, take: TakeFrame): unknown {
    const [fin, code, key] = [this.#fin, this.#opcode, this.#key];
    if (fin && code === opcode.text && payload.length >= LONG_MESSAGE_BYTES) {
      return take({ fin, opcode: code, payload, mask: key });
    }
    if (key !== 0) applyMask(payload, key);
    return take({ fin, opcode: code, payload });
  }

  /** How many of the bytes are of a head, which may have begun before; 0 when it goes on behind them. */
  #takeHead(bytes: Uint8Array, at: number): number {
    const before = this.#startBytes;
    if (before === 0) {
      const length = this.#readHead(bytes, at, bytes.length - at);
      if (length > 0) return length;
    }
    const part = bytes.subarray(at, at + MAX_HEAD_BYTES - before);
    this.#start.set(part, before);
    const length = before === 0 ? 0 : this.#readHead(this.#start, 0, before + part.length);
    this.#startBytes = length === 0 ? before + part.length : 0;
    return length === 0 ? 0 : length - before;
  }

  /** The length of the head at the offset, or 0 when it is not whole. */
  #readHead(input: Uint8Array, offset: number, available: number): number {
    if (available < 2) return 0;
    const first = input[offset]!;
    const second = input[offset + 1]!;
    const code = first & 0x0f;
    const fin = (first & 0x80) !== 0;
    if ((first & 0x70) !== 0) throw new FrameError(1002, "A reserved bit is set");
    if (code > 10 || (code > 2 && code < 8)) throw new FrameError(1002, `Opcode ${code} is reserved`);
    if (((second & 0x80) !== 0) !== this.#masked) {
      throw new FrameError(1002, this.#masked ? "A frame is not masked" : "A frame is masked");
    }
    const short = second & 0x7f;
    if (code >= 8 && (short > 125 || !fin)) throw new FrameError(1002, "A control frame is too long or cut");
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const headBytes = 2 + lengthBytes + (this.#masked ? 4 : 0);
    if (available < headBytes) return 0;
    const length = lengthBytes === 0 ? short : unsignedAt(input, offset + 2, lengthBytes);
    if (length > this.#maxPayloadBytes) {
      throw new FrameError(1009, `A frame of ${length} bytes is above the limit of ${this.#maxPayloadBytes}`);
    }
    this.#fin = fin;
    this.#opcode = code;
    this.#length = length;
    this.#key = this.#masked ? unsignedAt(input, offset + headBytes - 4, 4) : 0;
    return headBytes;
  }
}

/** A number in network order; without a view, which costs more than a small frame. */
function unsignedAt(input: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value = value * 256 + input[at + i]!;
  return value;
}

const keys = new Uint32Array(256);
let nextKey = keys.length;

/** A frame as bytes; masked when a client sends it. */
export function encodeFrame(frame: Frame, mask: boolean): Uint8Array {
  const { payload } = frame;
  const bytes = Buffer.allocUnsafe(MAX_HEAD_BYTES + payload.length);
  bytes.set(payload, MAX_HEAD_BYTES);
  return finishFrame(bytes, frame.fin, frame.opcode, mask);
}

/** A text message as one frame. */
export function encodeText(text: string, mask: boolean): Uint8Array {
  const bytes = Buffer.allocUnsafe(MAX_HEAD_BYTES + Buffer.byteLength(text));
  bytes.write(text, MAX_HEAD_BYTES, "utf8");
  return finishFrame(bytes, true, opcode.text, mask);
}

/** What frames are made in, one at a time. */
let scratch = Buffer.allocUnsafe(0);
const SCRATCH_BYTES = 1536 * 1024;

/**
 * A text message as one frame: the head, the bytes as base64, the tail. The frame is good until the next one is made.
 * Base64 needs neither be joined with the rest as text, nor measured, nor looked at for what is not ASCII.
 */
export function encodeBase64Text(head: string, bytes: Uint8Array, tail: string, mask: boolean): Uint8Array {
  // No text is longer than three bytes for each of its units.
  const most = MAX_HEAD_BYTES + 3 * (head.length + tail.length) + 4 * Math.ceil(bytes.length / 3);
  const frame = base64Scratch(most);
  let at = MAX_HEAD_BYTES;
  at += frame.write(head, at, "utf8");
  at = writeBase64(frame, at, bytes);
  at += frame.write(tail, at, "utf8");
  return finishFrame(frame.subarray(0, at), true, opcode.text, mask);
}

/** Bytes as base64, the same for a part of a message. */
export function encodeBase64(bytes: Uint8Array, fin: boolean, code: number, mask: boolean): Uint8Array {
  const most = MAX_HEAD_BYTES + 4 * Math.ceil(bytes.length / 3);
  const frame = base64Scratch(most);
  const end = writeBase64(frame, MAX_HEAD_BYTES, bytes);
  return finishFrame(frame.subarray(0, end), fin, code, mask);
}

/** The head of a frame that is not masked. */
export function frameHead(length: number, fin: boolean, code: number): Uint8Array {
  return startFrame(Buffer.allocUnsafe(MAX_HEAD_BYTES), length, fin, code, false);
}

/** A binary message in parts as one frame, which is good until the next one is made. */
export function encodeParts(parts: readonly Uint8Array[], mask: boolean): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, MAX_HEAD_BYTES);
  const frame = scratchOf(length);
  let at = MAX_HEAD_BYTES;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return finishFrame(frame.subarray(0, at), true, opcode.binary, mask);
}

/** The codec's own memory, where it can be. */
function base64Scratch(length: number): Buffer {
  return base64Room(length) ?? scratchOf(length);
}

function scratchOf(length: number): Buffer {
  if (length > SCRATCH_BYTES) return Buffer.allocUnsafeSlow(length);
  if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return scratch;
}

const beyondAscii = /[^\0-\x7f]/;

/**
 * The frame of a text of up to 65535 bytes as a text in latin1, a character for each byte; undefined where it must be
 * made of bytes. Many of them joined are one array, which costs half of an array for each.
 */
export function latin1Frame(text: string): string | undefined {
  const { length } = text;
  if (length >= 65_536 || beyondAscii.test(text)) return undefined;
  return length < 126
    ? String.fromCharCode(0x80 | opcode.text, length) + text
    : String.fromCharCode(0x80 | opcode.text, 126, length >> 8, length & 0xff) + text;
}

/** Puts the head right before the payload, which begins at the longest head's end. */
function finishFrame(bytes: Buffer, fin: boolean, code: number, mask: boolean): Uint8Array {
  return startFrame(bytes, bytes.length - MAX_HEAD_BYTES, fin, code, mask);
}

/** The same where the payload, when it is not masked, need not be there. */
function startFrame(bytes: Buffer, length: number, fin: boolean, code: number, mask: boolean): Uint8Array {
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = MAX_HEAD_BYTES - 2 - lengthBytes - (mask ? 4 : 0);
  bytes[start] = (fin ? 0x80 : 0) | code;
  bytes[start + 1] = (mask ? 0x80 : 0) | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) bytes.writeUInt16BE(length, start + 2);
  else if (lengthBytes === 8) bytes.writeBigUInt64BE(BigInt(length), start + 2);
  if (mask) {
    if (nextKey === keys.length) {
      crypto.getRandomValues(keys);
      nextKey = 0;
    }
    const key = keys[nextKey++]!;
    bytes.writeUInt32BE(key, MAX_HEAD_BYTES - 4);
    applyMask(bytes.subarray(MAX_HEAD_BYTES), key);
  }
  return bytes.subarray(start);
}
