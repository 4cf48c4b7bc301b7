/**
 * Base64 from memory to memory. The engine's own functions go by way of texts, which stay until the collector comes: at
 * the pace of a flood they are most of the memory that a server has.
 */

import { Buffer } from "node:buffer";
import { asWord, keyAt, unmasked } from "./mask.ts";

/** base64_codec.wat, compiled; `npm run wasm` puts it here. */
const module =
  "AGFzbQEAAAABDwJgA39/fwBgBH9/f38BfwMDAgABBQMBABsHHAMGbWVtb3J5AgAGZW5jb2RlAAAGZGVjb2RlAAEKzgMC0wEBC3v9DAEAAgEEAwUEBwYIBwoJCwohBUGQgIAI/REhBkGA/oD4A/0RIQdBP/0RIQhBgID8Af0RIQlBM/0PIQpBGv0PIQtBDf0PIQz9DEf8/Pz8/Pz8/Pz87fBBAAAhDQNAIAD9AAQAIAX9gAIhAyADQQr9jQEgCP1OIANBBv2NASAJ/U79UCADIAb9lQEgB/1O/VAhAyADIAr9cyALIAP9JyAM/U79UCEEIAEgAyANIAT9gAL9bv0LBAAgAEEMaiEAIAFBEGohASACQQFrIgINAAsL9gEBDHsgA/0RIQdBD/0PIQhBL/0PIQn9DBURERERERERERETGhsbGxohCv0MEBABAgQIBAgQEBAQEBAQECEL/QwAEBMEv7+5uQAAAAAAAAAAIQxBwAL9ECENQYCgBP0RIQ79DAIBAAYFBAoJCA4NDP////8hDwNAIAD9AAQAIAf9USEEIARBBP2tASAI/U4hBSAGIAogBCAI/U79gAIgCyAF/YAC/U79UCEGIAQgDCAFIAQgCf0j/W79gAL9biEEIA0gBP2SAiAO/boBIQQgASAEIA/9gAL9CwQAIABBEGohACABQQxqIQEgAkEBayICDQALIAb9Uws=";

interface Exports {
  readonly memory: WebAssembly.Memory;
  /** Groups of 12 bytes; 4 bytes more are read. */
  encode(from: number, to: number, groups: number): void;
  /** Groups of 16 letters, masked with the key; 4 bytes more are written. Whether any letter was wrong. */
  decode(from: number, to: number, groups: number, key: number): number;
}

/** Where things are in its memory. */
const INPUT = 0;
const OUTPUT = 64 * 1024;
const ROOM = 128 * 1024;
const ROOM_BYTES = 1536 * 1024;
/** How much is done at a time: 64 KiB of letters, which stay in the processor's cache. */
const STEP_BYTES = 48 * 1024;
const STEP_LETTERS = 64 * 1024;
/** For less it is not worth while. */
const LEAST_BYTES = 4096;
/** Of texts, where there is no codec: longer ones are memory that the system hands out and takes back piece by piece. */
const TEXT_BYTES = 24 * 1024;

class Codec {
  readonly #exports: Exports;
  /** All its memory. */
  readonly memory: Uint8Array<ArrayBuffer>;

  constructor() {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.fromBase64(module)));
    this.#exports = instance.exports as unknown as Exports;
    this.memory = new Uint8Array(this.#exports.memory.buffer as ArrayBuffer);
  }

  /** Encodes whole groups, up to a step of them. */
  encode(bytes: Uint8Array, target: Buffer, at: number): void {
    this.memory.set(bytes, INPUT);
    const groups = bytes.length / 12;
    if (target.buffer === this.memory.buffer) {
      this.#exports.encode(INPUT, target.byteOffset + at, groups);
    } else {
      this.#exports.encode(INPUT, OUTPUT, groups);
      target.set(this.memory.subarray(OUTPUT, OUTPUT + groups * 16), at);
    }
  }

  /** Decodes whole groups, up to a step of them. Whether it was base64, under the mask. */
  decode(letters: Uint8Array, target: Uint8Array, at: number, mask: number): boolean {
    this.memory.set(letters, INPUT);
    const groups = letters.length / 16;
    if (this.#exports.decode(INPUT, OUTPUT, groups, asWord(mask)) !== 0) return false;
    target.set(this.memory.subarray(OUTPUT, OUTPUT + groups * 12), at);
    return true;
  }
}

let codec: Codec | undefined;
let isMissing = false;

/** Made for the first long bytes; undefined where the engine has nothing of that kind, or no memory for it. */
function codecFor(bytes: number): Codec | undefined {
  if (bytes < LEAST_BYTES || isMissing) return undefined;
  try {
    codec ??= new Codec();
  } catch {
    isMissing = true;
  }
  return codec;
}

/** Memory into which {@link writeBase64} writes without a copy, the same each time; undefined for more than there is. */
export function base64Room(length: number): Buffer | undefined {
  if (length > ROOM_BYTES) return undefined;
  const memory = codecFor(length)?.memory;
  return memory && Buffer.from(memory.buffer, ROOM, length);
}

/** Writes bytes as base64, with padding; answers where it ends. */
export function writeBase64(target: Buffer, start: number, bytes: Uint8Array): number {
  const codec = codecFor(bytes.length);
  const inGroups = codec ? bytes.length - (bytes.length % 12) : 0;
  let at = start;
  for (let done = 0; done < inGroups; done += STEP_BYTES) {
    const part = bytes.subarray(done, Math.min(done + STEP_BYTES, inGroups));
    codec!.encode(part, target, at);
    at += (part.length / 3) * 4;
  }
  for (let done = inGroups; done < bytes.length; done += TEXT_BYTES) {
    at += target.write(bytes.subarray(done, done + TEXT_BYTES).toBase64(), at, "latin1");
  }
  return at;
}

const EQUALS = 0x3d;
const strict = { lastChunkHandling: "strict" } as const;
const latin1 = new TextDecoder("latin1");

/** How many bytes the letters stand for, if they are base64. */
export function bytesOfBase64(letters: Uint8Array, mask = 0): number {
  const { length } = letters;
  const isPadded = letterAt(letters, length - 1, mask) === EQUALS;
  const padding = !isPadded ? 0 : letterAt(letters, length - 2, mask) !== EQUALS ? 1 : 2;
  return Math.floor(length / 4) * 3 - padding;
}

function letterAt(letters: Uint8Array, at: number, mask: number): number {
  return letters[at]! ^ (keyAt(mask, at) >>> 24);
}

/**
 * Decodes letters, one a byte, into as many bytes as {@link bytesOfBase64} says. False, with anything in the bytes,
 * unless they are standard base64 with padding and nothing else.
 * @param mask What the letters are masked with, from the first of them.
 */
export function readBase64(letters: Uint8Array, bytes: Uint8Array, mask = 0): boolean {
  const { length } = letters;
  if (length % 4 !== 0) return false;
  const codec = codecFor(length);
  // The last group is left out, as it can end with padding.
  const inGroups = codec ? length - (length % 16 || 16) : 0;
  for (let at = 0; at < inGroups; at += STEP_LETTERS) {
    const part = letters.subarray(at, Math.min(at + STEP_LETTERS, inGroups));
    // Each begins with a whole group, and so with the first byte of the key.
    if (!codec!.decode(part, bytes, (at / 4) * 3, mask)) return false;
  }
  let done = (inGroups / 4) * 3;
  try {
    for (let at = inGroups; at < length; at += STEP_LETTERS) {
      const text = latin1.decode(unmasked(letters, at, at + STEP_LETTERS, mask));
      done += bytes.subarray(done).setFromBase64(text, strict).written;
      // Padding before the end, or white space, which the decoder skips and the protocol does not allow.
      if (done !== Math.min(bytes.length, ((at + STEP_LETTERS) / 4) * 3)) return false;
    }
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
  return done === bytes.length;
}
