/** The mask that a client puts on its frames (RFC 6455, section 5.3). Zero is no mask. */

/** Shorter payloads are not worth the view that four bytes at a time need. */
const WORDS_FROM_BYTES = 128;

/** XORs with the key, first byte with its highest, in place; most of it four bytes at a time. */
export function applyMask(payload: Uint8Array, key: number): void {
  const length = payload.length;
  let i = 0;
  if (length >= WORDS_FROM_BYTES) {
    for (; (payload.byteOffset + i) % 4 !== 0; i++) payload[i]! ^= key >>> (24 - 8 * i);
    const words = (length - i) >>> 2;
    const wordKey = asWord(keyAt(key, i));
    const block = new Int32Array(payload.buffer, payload.byteOffset + i, words);
    for (let w = 0; w < words; w++) block[w]! ^= wordKey;
    i += words * 4;
  }
  for (; i < length; i++) payload[i]! ^= key >>> (24 - 8 * (i & 3));
}

/** A part of a text without its mask: a copy where there is one. */
export function unmasked(text: Uint8Array, start: number, end: number, key: number): Uint8Array {
  const part = text.subarray(start, end);
  if (key === 0) return part;
  const copy = new Uint8Array(part);
  applyMask(copy, keyAt(key, start));
  return copy;
}

/** The key of what begins so many bytes later. */
export function keyAt(key: number, offset: number): number {
  const bits = 8 * (offset & 3);
  return bits === 0 ? key : (key << bits) | (key >>> (32 - bits));
}

/** A key, a number in network order, as the processor has it in memory, on every system that there is. */
export function asWord(key: number): number {
  return (key << 24) | ((key & 0xff00) << 8) | ((key >>> 8) & 0xff00) | (key >>> 24);
}
