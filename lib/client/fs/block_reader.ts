/** Reads a file block by block, several on their way at once, and goes on where it was when the connection breaks. */

import { ExecServerError } from "../../protocol/errors.ts";
import { attempt, FsError } from "./error.ts";
import { type FsConnect, type FsOptions, type FsPath, FsSession, freshId, isCut, shownPath } from "./link.ts";

/** The most that a server gives at once. */
export const BLOCK_BYTES: number = 1024 * 1024;
/** Blocks on their way; with fewer a distant server would idle. */
const MAX_AHEAD = 8;
/** Bytes before the break that are read again and compared. */
const TAIL_BYTES = 16 * 1024;
/** Breaks without a block between them. */
const MAX_BREAKS = 5;

/** Which part of a file. */
export interface ReadRange extends FsOptions {
  /** Where to begin. @default {0} */
  offset?: number;
  /** How many bytes at the most; to the end of the file by default. */
  length?: number;
}

interface Block {
  chunk: Uint8Array;
  eof: boolean;
}

/** What tells whether a file is still the same. */
interface Stamp {
  size: number | undefined;
  modifiedAtMs: number;
}

interface OpenFile {
  session: FsSession;
  handleId: string;
}

export class BlockReader {
  readonly #connect: FsConnect;
  readonly #path: FsPath;
  readonly #options: FsOptions;
  readonly #end: number;
  /** Blocks that were asked for, in order. */
  readonly #ahead: { offset: number; length: number; answer: Promise<Block> }[] = [];
  #file: OpenFile | undefined;
  #stamp: Stamp | undefined;
  /** Everything before it was handed out. */
  #position: number;
  #window = 1;
  #tail: Uint8Array = new Uint8Array();
  #isOver = false;
  /** Given up, also while the file is being opened. */
  #isClosed = false;
  #breaks = 0;
  /** How often the connection broke. */
  cuts = 0;

  constructor(connect: FsConnect, path: FsPath, { offset = 0, length, ...options }: ReadRange = {}) {
    this.#connect = connect;
    this.#path = path;
    this.#options = options;
    this.#position = offset;
    this.#end = length === undefined ? Number.POSITIVE_INFINITY : offset + length;
  }

  /** Where the next block begins. */
  get position(): number {
    return this.#position;
  }

  /**
   * The next bytes, or null at the end.
   * @throws {FsError} Also `ERR_FS_CHANGED`: after a break the file was another one.
   * @throws {ExecServerError} `ERR_DISCONNECTED`: and no way back.
   */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      this.#options.signal?.throwIfAborted();
      if (this.#isOver || this.#position >= this.#end) {
        this.close();
        return null;
      }
      try {
        if (!this.#file) await this.#open();
        if (this.#isClosed) continue;
        this.#ask();
        const { length, answer } = this.#ahead[0]!;
        const { chunk, eof } = await answer;
        this.#ahead.shift();
        this.#breaks = 0;
        if (eof || chunk.length < length) {
          this.#isOver = true;
          this.#forget();
        }
        this.#position += chunk.length;
        this.#keepTail(chunk);
        if (this.#window < MAX_AHEAD) this.#window *= 2;
        if (chunk.length > 0) return chunk;
      } catch (error) {
        if (!isCut(error) || ++this.#breaks > MAX_BREAKS) {
          this.close();
          throw error;
        }
        this.cuts++;
        this.#forget();
        this.#file = undefined;
      }
    }
  }

  /** Gives the file up. Idempotent. */
  close(): void {
    this.#isClosed = this.#isOver = true;
    this.#forget();
    const file = this.#file;
    this.#file = undefined;
    // With a lost connection its files are closed already.
    if (!file?.session.caller.connected) return;
    file.session.call("fs/close", { handleId: file.handleId }, { path: this.#path }).catch(() => {});
  }

  async #open(): Promise<void> {
    const session = await FsSession.open(this.#connect);
    const wire = session.wire(this.#path, "fs/open");
    const handleId = freshId("read");
    const about = { path: this.#path };
    const opening = session.openFile({ handleId, path: wire, mode: "read" }, this.#path, this.#options);
    const looking = session.call("fs/getMetadata", { path: wire }, about, this.#options);
    looking.catch(() => {});
    await opening;
    this.#file = { session, handleId };
    const { size, modifiedAtMs } = await looking;
    if (this.#isClosed) return;
    const stamp = { size: size ?? undefined, modifiedAtMs };
    if (!this.#stamp) this.#stamp = stamp;
    else await this.#compare(this.#stamp, stamp);
    // Speculation beyond the end costs a server the same as reading.
    if (size) this.#window = clamp(Math.ceil((size - this.#position) / BLOCK_BYTES), 1, MAX_AHEAD);
  }

  /** After a break: is it the file that was begun with? */
  async #compare(before: Stamp, now: Stamp): Promise<void> {
    if (before.size !== now.size || before.modifiedAtMs !== now.modifiedAtMs) throw this.#changed();
    if (this.#tail.length === 0) return;
    const { chunk } = await this.#block(this.#position - this.#tail.length, this.#tail.length);
    if (chunk.length !== this.#tail.length || chunk.some((byte, i) => byte !== this.#tail[i])) {
      throw this.#changed();
    }
  }

  #changed(): FsError {
    const path = shownPath(this.#path);
    return new FsError(
      `${attempt("fs/readBlock", path)}: it has changed since the connection broke at byte ${this.#position}`,
      { code: "ERR_FS_CHANGED", path, operation: "fs/readBlock" },
    );
  }

  #ask(): void {
    let next = this.#ahead.at(-1);
    while (this.#ahead.length < this.#window) {
      const offset = next ? next.offset + next.length : this.#position;
      const length = Math.min(BLOCK_BYTES, this.#end - offset);
      if (length <= 0) return;
      const answer = this.#block(offset, length);
      // Looked at in order; until then a rejection is nobody's.
      answer.catch(() => {});
      next = { offset, length, answer };
      this.#ahead.push(next);
    }
  }

  get #reading(): FsOptions {
    return { ...this.#options, sandbox: undefined };
  }

  async #block(offset: number, length: number): Promise<Block> {
    const { session, handleId } = this.#file!;
    const params = { handleId, offset, len: length };
    return await session.call("fs/readBlock", params, { path: this.#path }, this.#reading);
  }

  #keepTail(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#tail = chunk.slice(-TAIL_BYTES);
  }

  #forget(): void {
    this.#ahead.length = 0;
  }
}

/** The file as a whole from servers that give it no other way, in pieces. */
export async function readWhole(
  session: FsSession,
  path: FsPath,
  { offset = 0, length, ...options }: ReadRange,
): Promise<Uint8Array> {
  const wire = session.wire(path, "fs/readFile");
  const { dataBase64 } = await session.call("fs/readFile", { path: wire }, { path }, options);
  return offset === 0 && length === undefined
    ? dataBase64
    : dataBase64.subarray(offset, length === undefined ? undefined : offset + length);
}

/** @throws {ExecServerError} `ERR_USAGE` */
export function checkRange({ offset, length }: ReadRange): void {
  for (const [name, value] of Object.entries({ offset, length })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
    throw new ExecServerError("ERR_USAGE", `"${name}" is ${value}: expected a whole number of bytes from 0`);
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
