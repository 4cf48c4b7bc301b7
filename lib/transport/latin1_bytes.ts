/** Texts that have a character for each byte, as bytes. */

import { Buffer } from "node:buffer";

/** Longer ones are made in memory of their own. */
const SHARED_BYTES = 128 * 1024;
let shared = Buffer.alloc(0);

/**
 * The bytes, which are good until the next text is made into some: an array for each would cost as much as all else of a
 * small answer.
 */
export function latin1Bytes(text: string): Uint8Array {
  if (text.length > SHARED_BYTES) return Buffer.from(text, "latin1");
  if (shared.length === 0) shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
  return shared.subarray(0, shared.write(text, 0, "latin1"));
}
