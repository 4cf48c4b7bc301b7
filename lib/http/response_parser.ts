/**
 * Reads one answer of HTTP/1.1 out of bytes, however they are cut. It is strict where two readers could come to see
 * different answers in the same bytes, since the next answer would then be taken for another request's.
 */

import { Buffer } from "node:buffer";
import { isHttpToken } from "../protocol/http_token.ts";
import { HttpFailure } from "./failure.ts";

/** The head of an answer. */
export interface ResponseHead {
  status: number;
  /** Names in lower case and values in turn, one character a byte, as they came. */
  rawHeaders: string[];
  location: string | undefined;
  /** Length that was announced for the body. */
  contentLength: number | undefined;
}

/** Who is told what was read. Nothing of it is told after the end. */
export interface ResponseTaker {
  head(head: ResponseHead): void;
  /** Bytes of the body, never empty. */
  body(bytes: Uint8Array): void;
}

/** All heads of an answer together, preliminary ones and trailers too. */
const MAX_HEAD_BYTES = 1024 * 1024;
/** A chunk's size with its extensions. */
const MAX_CHUNK_LINE_BYTES = 16 * 1024;
const LF = 0x0a;

type State = "head" | "length" | "until close" | "chunk size" | "chunk" | "chunk end" | "trailers" | "done";

export class ResponseParser {
  readonly #method: string;
  readonly #taker: ResponseTaker;
  #state: State = "head";
  /** Of a head or line that is not whole yet. */
  #held = Buffer.alloc(0);
  #heldLength = 0;
  #headBytes = 0;
  /** What is missing of the body, or of the chunk. */
  #left = 0;
  #keepsConnection = false;

  constructor(method: string, taker: ResponseTaker) {
    this.#method = method;
    this.#taker = taker;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** Once done: whether another request may go over the connection. */
  get keepsConnection(): boolean {
    return this.#keepsConnection;
  }

  /**
   * Takes bytes, which it may change. What comes behind the answer is nobody's, and the connection is not kept.
   * @returns How many of the bytes are the answer's.
   * @throws {HttpFailure} It is no such answer. What came before is told first.
   */
  feed(bytes: Uint8Array): number {
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (this.#state === "head" && at < buffer.length) at = this.#feedHead(buffer, at);
    if (at < buffer.length) {
      switch (this.#state) {
        case "length":
          at = this.#feedLength(buffer, at);
          break;
        case "until close":
          this.#taker.body(at === 0 ? buffer : buffer.subarray(at));
          return buffer.length;
        case "done":
          break;
        default:
          at = this.#feedChunks(buffer, at);
      }
    }
    if (at < buffer.length) this.#keepsConnection = false;
    return at;
  }

  /** The other side has ended. @returns Whether the answer is whole by that. */
  close(): boolean {
    if (this.#state === "until close") this.#state = "done";
    return this.#state === "done";
  }

  /** @returns Where it goes on: behind the head, or at the end of the bytes. */
  #feedHead(bytes: Buffer, at: number): number {
    let head = at === 0 ? bytes : bytes.subarray(at);
    const before = this.#heldLength;
    if (before > 0) head = this.#hold(head);
    // Of the blank line all but its last byte may have been there.
    const end = headEnd(head, Math.max(0, before - 2));
    if ((end?.next ?? head.length) > MAX_HEAD_BYTES - this.#headBytes) {
      throw malformed(`its head has more than ${MAX_HEAD_BYTES} bytes`);
    }
    if (!end) {
      if (before === 0) this.#hold(head);
      return bytes.length;
    }
    this.#release();
    this.#headBytes += end.next;
    this.#takeHead(head.toString("latin1", 0, end.lines));
    return at + end.next - before;
  }

  #takeHead(text: string): void {
    const lines = headLines(text);
    const start = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/.exec(lines[0]!);
    if (!start) throw malformed("it is no answer of HTTP/1");
    const status = Number(start[2]);
    if (status < 100) throw malformed(`it has the status ${start[2]}`);
    const rawHeaders: string[] = [];
    let location: string | undefined;
    const lengths: string[] = [];
    const codings: string[] = [];
    const connection: string[] = [];
    for (let i = 1; i < lines.length; i++) {
      const { name, value } = headerOf(lines[i]!);
      rawHeaders.push(name, value);
      if (name === "content-length") lengths.push(value);
      else if (name === "transfer-encoding") codings.push(value);
      else if (name === "connection") connection.push(value);
      else if (name === "location") location ??= value;
    }
    if (status === 101) throw new HttpFailure("protocol", "the origin changed to another protocol");
    if (status < 200) return;
    const isNew = start[1] === "1";
    this.#keepsConnection = isNew ? !hasToken(connection, "close") : hasToken(connection, "keep-alive");
    const contentLength = lengths.length > 0 ? lengthOf(lengths) : undefined;
    const isTunnel = this.#method === "CONNECT" && status < 300;
    const isEmpty = this.#method === "HEAD" || isTunnel || status === 204 || status === 304;
    if (!isEmpty && codings.length > 0) this.#beginCoded(codings, isNew, contentLength !== undefined);
    else if (isEmpty || contentLength === 0) this.#state = "done";
    else if (contentLength !== undefined) {
      this.#state = "length";
      this.#left = contentLength;
    } else this.#beginUntilClose();
    this.#taker.head({ status, rawHeaders, location, contentLength });
  }

  #beginCoded(codings: readonly string[], isNew: boolean, hasLength: boolean): void {
    if (!isNew) throw malformed("HTTP/1.0 has no transfer-encoding");
    // Two lengths: whoever else reads along may have gone by the other.
    if (hasLength) this.#keepsConnection = false;
    const names = codings.join(",").toLowerCase().split(",");
    if (names.at(-1)!.trim() === "chunked") this.#state = "chunk size";
    else this.#beginUntilClose();
  }

  #beginUntilClose(): void {
    this.#state = "until close";
    this.#keepsConnection = false;
  }

  #feedLength(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#state = "done";
    this.#taker.body(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    return end;
  }

  /** Moves the bytes of all chunks together, so that many small ones are told at once. */
  #feedChunks(bytes: Buffer, from: number): number {
    let at = from;
    let kept = from;
    try {
      while (at < bytes.length && this.#state !== "done") {
        if (this.#state === "chunk") {
          const end = Math.min(bytes.length, at + this.#left);
          if (kept !== at) bytes.copyWithin(kept, at, end);
          kept += end - at;
          this.#left -= end - at;
          at = end;
          if (this.#left === 0) this.#state = "chunk end";
        } else at = this.#feedLine(bytes, at);
      }
    } finally {
      if (kept > from) this.#taker.body(bytes.subarray(from, kept));
    }
    return at;
  }

  #feedLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LF, at) + 1;
    const piece = bytes.subarray(at, end === 0 ? bytes.length : end);
    const most = this.#state === "trailers" ? MAX_HEAD_BYTES - this.#headBytes : MAX_CHUNK_LINE_BYTES;
    if (this.#heldLength + piece.length > most) throw malformed("a line between its chunks is too long");
    if (end === 0) {
      this.#hold(piece);
      return bytes.length;
    }
    const whole = this.#heldLength > 0 ? this.#hold(piece) : piece;
    const line = whole.toString("latin1");
    this.#release();
    this.#takeLine(line);
    return end;
  }

  #takeLine(line: string): void {
    if (this.#state === "chunk end") {
      if (line !== "\r\n") throw malformed("a chunk is longer than its size");
      this.#state = "chunk size";
    } else if (this.#state === "chunk size") {
      const size = /^([\da-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n$/i.exec(line);
      this.#left = size ? Number.parseInt(size[1]!, 16) : Number.NaN;
      if (!Number.isSafeInteger(this.#left)) throw malformed("a chunk has no size");
      this.#state = this.#left > 0 ? "chunk" : "trailers";
    } else if (line === "\r\n") this.#state = "done";
    else {
      this.#headBytes += line.length;
      // For nobody: the protocol has no place for trailers.
      headerOf(headLines(line.replace(/\r?\n$/, ""))[0]!);
    }
  }

  /** Puts bytes behind those that are held, in a buffer that grows by doubling; answers all. */
  #hold(bytes: Buffer): Buffer {
    const length = this.#heldLength + bytes.length;
    if (length > this.#held.length) {
      const larger = Buffer.alloc(Math.max(length, this.#held.length * 2, 512));
      larger.set(this.#held.subarray(0, this.#heldLength));
      this.#held = larger;
    }
    this.#held.set(bytes, this.#heldLength);
    this.#heldLength = length;
    return this.#held.subarray(0, length);
  }

  #release(): void {
    if (this.#heldLength === 0) return;
    this.#held = Buffer.alloc(0);
    this.#heldLength = 0;
  }
}

function malformed(what: string): HttpFailure {
  return new HttpFailure("protocol", `the answer cannot be read: ${what}`);
}

/** Where the lines end and where the body begins. A line may end without CR, as it may for others. */
function headEnd(bytes: Buffer, from: number): { lines: number; next: number } | undefined {
  const strict = bytes.indexOf("\n\r\n", from, "latin1");
  const loose = (strict < 0 ? bytes : bytes.subarray(0, strict + 1)).indexOf("\n\n", from, "latin1");
  if (loose >= 0) return { lines: loose, next: loose + 2 };
  return strict < 0 ? undefined : { lines: strict, next: strict + 3 };
}

function headLines(text: string): string[] {
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|$)/.test(text))
    throw malformed("its head has odd characters");
  const lines = text.split("\n");
  return text.includes("\r") ? lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line)) : lines;
}

/** A line that goes on with the one before begins with a space, which no name has. */
function headerOf(line: string): { name: string; value: string } {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  if (!isHttpToken(name)) throw malformed("a line of its head has no name");
  return { name: name.toLowerCase(), value: trimmed(line, colon + 1) };
}

/** Without spaces and tabs around, and no other white space: `trim()` takes a no-break space too. */
function trimmed(line: string, from: number): string {
  let end = line.length;
  while (from < end && isBlank(line.charCodeAt(from))) from++;
  while (from < end && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(from, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function hasToken(values: readonly string[], token: string): boolean {
  return values.some((value) => value.split(",").some((part) => part.trim().toLowerCase() === token));
}

/** Said more than once it must be the same: which one others go by cannot be known. */
function lengthOf(values: readonly string[]): number {
  const all = values.flatMap((value) => value.split(",")).map((text) => trimmed(text, 0));
  const length = /^\d+$/.test(all[0]!) ? Number(all[0]) : Number.NaN;
  if (!Number.isSafeInteger(length) || all.some((text) => text !== all[0])) {
    throw malformed(`its content-length is ${JSON.stringify(values.join(", ").slice(0, 100))}`);
  }
  return length;
}
