/** Joining what was written in pieces. */

import { messageBytes } from "../jsonrpc/reusable_memory.ts";

/** Takes arrays from the front of the queue, at least one and no more than about `limit` bytes. */
export function takeBatch<T extends { readonly bytes: Uint8Array }>(queue: T[], limit: number): T[] {
  let length = 0;
  let count = 0;
  for (; count < queue.length; count++) {
    length += queue[count]!.bytes.length;
    if (count > 0 && length > limit) break;
  }
  return queue.splice(0, count);
}

/** One array for all, in memory for messages; the array itself when there is one only. */
export function joined(parts: readonly { readonly bytes: Uint8Array }[]): Uint8Array {
  if (parts.length === 1) return parts[0]!.bytes;
  const all = messageBytes(parts.reduce((length, { bytes }) => length + bytes.length, 0));
  let at = 0;
  for (const { bytes } of parts) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}
