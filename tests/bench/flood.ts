/**
 * Many small requests that differ in their id only. Neither are they made as JSON, nor are their answers read as JSON, so
 * that the client costs little beside any server: half a microsecond each with its calls of the system, where the other way
 * took two and more.
 */

import { Buffer } from "node:buffer";
import { applyMask } from "./frames.ts";

/** All ids have so many digits, so that all requests have one length. */
const FIRST_ID = 1_000_000;
const DIGITS = 7;
const ZERO = 0x30;
const before = Buffer.from('{"id":');
const behind = Buffer.from(',"result":');

export class Flood {
  /** Settles when all answers have come; rejects at the first that is none, or is an error. */
  readonly done: Promise<void>;
  readonly #outcome = Promise.withResolvers<void>();
  readonly #write: (bytes: Buffer) => void;
  /** As many requests as are on the way at a time, in the form of the wire. */
  readonly #template: Buffer;
  /** Length of one, and where its id is. */
  readonly #length: number;
  readonly #idAt: number;
  readonly #mask: number;
  /** By number: 1 for those that have been answered. */
  readonly #answered: Uint8Array;
  #sent = 0;
  /** Answers since requests were sent. */
  #free: number;
  #left: number;
  #scheduled = false;

  constructor(
    options: { method: string; params: unknown; count: number; width: number },
    encode: (parts: readonly Buffer[]) => Buffer,
    mask: number,
    write: (bytes: Buffer) => void,
  ) {
    const { method, params, count, width } = options;
    const text = `{"id":${FIRST_ID},"method":"${method}","params":${JSON.stringify(params)}}`;
    const one = encode([Buffer.from(text)]);
    this.#length = one.length;
    this.#mask = mask;
    const beforeId = Buffer.from(before);
    applyMask(beforeId, mask);
    this.#idAt = one.indexOf(beforeId) + before.length;
    this.#template = Buffer.concat(Array.from({ length: width }, () => one));
    this.#answered = new Uint8Array(count);
    this.#left = count;
    this.#free = width;
    this.#write = write;
    this.done = this.#outcome.promise;
    this.#send();
  }

  /** Whether the message that begins there is an answer to one of these. */
  take(bytes: Buffer, at: number): boolean {
    const number = numberOf(bytes, at);
    if (number < 0 || number >= this.#sent) return false;
    if (this.#answered[number] === 1) this.fail(new Error(`There is a second answer to request ${number}`));
    this.#answered[number] = 1;
    this.#free++;
    if (--this.#left === 0) this.#outcome.resolve();
    if (this.#scheduled) return true;
    this.#scheduled = true;
    // After all that has come in one piece.
    queueMicrotask(() => this.#send());
    return true;
  }

  fail(error: Error): void {
    this.#outcome.reject(error);
  }

  #send(): void {
    this.#scheduled = false;
    const count = Math.min(this.#free, this.#answered.length - this.#sent);
    this.#free = 0;
    if (count === 0) return;
    const bytes = Buffer.allocUnsafe(count * this.#length);
    this.#template.copy(bytes, 0, 0, bytes.length);
    for (let i = 0; i < count; i++) {
      let id = FIRST_ID + this.#sent++;
      const from = i * this.#length + this.#idAt;
      for (let at = from + DIGITS - 1; at >= from; at--) {
        bytes[at] = (ZERO + (id % 10)) ^ this.#mask;
        id = (id / 10) | 0;
      }
    }
    this.#write(bytes);
  }
}

/** Which answer it is; -1 for all else. */
function numberOf(bytes: Buffer, start: number): number {
  let at = start;
  for (let i = 0; i < before.length; i++) if (bytes[at++] !== before[i]) return -1;
  let id = 0;
  for (let i = 0; i < DIGITS; i++) id = id * 10 + bytes[at++]! - ZERO;
  for (let i = 0; i < behind.length; i++) if (bytes[at++] !== behind[i]) return -1;
  return id - FIRST_ID;
}
