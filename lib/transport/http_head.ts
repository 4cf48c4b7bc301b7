/** The head of an HTTP/1.1 message, as much as a websocket handshake and a health check need. */

import { Buffer } from "node:buffer";
import { digest } from "../runtime/digest.ts";

/** A parsed head. Header names are lower case; of a repeated one the values are in order. */
export interface HttpHead {
  /** The first line in its three parts: `GET / HTTP/1.1`, `HTTP/1.1 101 Switching Protocols`. */
  start: [string, string, string];
  headers: Map<string, string[]>;
  /** What came behind the head. */
  rest: Uint8Array;
}

/** A head that cannot be read. */
export class HttpHeadError extends Error {
  override readonly name = "HttpHeadError";
}

const MAX_HEAD_BYTES = 16 * 1024;

/** Gathers bytes until a head is whole. */
export class HttpHeadReader {
  #before: Buffer | undefined;

  /** The head when it is whole, else undefined. @throws {HttpHeadError} */
  feed(bytes: Uint8Array): HttpHead | undefined {
    const whole = this.#before
      ? Buffer.concat([this.#before, bytes])
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = whole.indexOf("\r\n\r\n", Math.max(0, whole.length - bytes.length - 3));
    if (end < 0) {
      // Of the blank line all but its last byte may be there.
      if (whole.length > MAX_HEAD_BYTES + 3) throw new HttpHeadError("The head is too long");
      this.#before = whole;
      return undefined;
    }
    if (end > MAX_HEAD_BYTES) throw new HttpHeadError("The head is too long");
    const lines = whole.toString("latin1", 0, end).split("\r\n");
    const start = /^(\S+) (\S+) ?(.*)$/.exec(lines[0]!);
    if (!start) throw new HttpHeadError("The first line is not HTTP");
    const headers = new Map<string, string[]>();
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i]!;
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      if (colon <= 0 || /\s/.test(name)) throw new HttpHeadError("A header line has no name");
      const value = line.slice(colon + 1).trim();
      const values = headers.get(name);
      if (values) values.push(value);
      else headers.set(name, [value]);
    }
    return { start: [start[1]!, start[2]!, start[3]!], headers, rest: whole.subarray(end + 4) };
  }
}

/** Whether a comma-separated header has the token, in any letter case. */
export function hasToken(head: HttpHead, name: string, token: string): boolean {
  for (const value of head.headers.get(name) ?? []) {
    for (const part of value.split(",")) if (part.trim().toLowerCase() === token) return true;
  }
  return false;
}

const acceptGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** `Sec-WebSocket-Accept` for a key. */
export function acceptKey(key: string): string {
  return digest("sha1", key + acceptGuid).toBase64();
}
