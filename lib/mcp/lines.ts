/** The framing of MCP over stdio: one JSON message a line. */

import { Buffer } from "node:buffer";

/** A line without an end would fill the memory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Bytes in, whole lines out. */
export class LineSplitter {
  #pieces: Uint8Array[] = [];
  #size = 0;

  /** The lines that have become whole, without their ends. @throws {RangeError} A line is too long. */
  feed(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      lines.push(this.#take(bytes.subarray(from, end)));
      from = end + 1;
    }
    if (from < bytes.length) {
      this.#pieces.push(bytes.subarray(from));
      this.#size += bytes.length - from;
    }
    if (this.#size > MAX_LINE_BYTES) throw new RangeError(`A line is longer than ${MAX_LINE_BYTES} bytes`);
    return lines;
  }

  /** What is left behind the last line end; undefined when there is nothing. */
  rest(): string | undefined {
    return this.#size === 0 ? undefined : this.#take(new Uint8Array(0));
  }

  #take(last: Uint8Array): string {
    const line = Buffer.concat([...this.#pieces, last]).toString();
    this.#pieces = [];
    this.#size = 0;
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}

/** A message of a line; undefined when it is none. */
export function parseLine(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
