/** Writes a file block by block, several on their way at once; after a break goes on behind the last good block. */

import { createHash } from "node:crypto";
import { ExecServerError } from "../../protocol/errors.ts";
import { BLOCK_BYTES } from "./block_reader.ts";
import { attempt, FsError } from "./error.ts";
import { type FsConnect, type FsOptions, type FsPath, FsSession, freshId, isCut, shownPath } from "./link.ts";

/** Blocks without an answer; with fewer a distant server would idle. */
const MAX_UNANSWERED = 8;
/** Breaks without an answered block between them. */
const MAX_BREAKS = 5;

/** How a file is written. */
export interface WriteOptions extends FsOptions {
  /**
   * Keeps the first so many bytes of the file and begins behind them (`fsResume`). @default 0: the file is emptied.
   */
  keepBytes?: number;
  /** Settles only when the bytes are on disk (`fsAtomicWrite`). @default {false} */
  fsync?: boolean;
}

interface Block {
  offset: number;
  bytes: Uint8Array;
  answer: Promise<unknown>;
}

export class BlockWriter {
  readonly #connect: FsConnect;
  readonly #path: FsPath;
  readonly #options: FsOptions;
  readonly #fsync: boolean;
  readonly #start: number;
  #file: { session: FsSession; handleId: string } | undefined;
  /** The block that is being filled. */
  #block: Uint8Array = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  /** Where it will be written. */
  #offset: number;
  readonly #unanswered: Block[] = [];
  /** Blocks that can be filled again. */
  readonly #spare: Uint8Array[] = [];
  /** The last block that was answered, to know the file again. */
  #lastGood: { offset: number; bytes: Uint8Array } | undefined;
  #breaks = 0;
  /** How often the connection broke. */
  cuts = 0;

  constructor(connect: FsConnect, path: FsPath, options: WriteOptions = {}) {
    const { keepBytes = 0, fsync = false, ...rest } = options;
    this.#connect = connect;
    this.#path = path;
    this.#options = rest;
    this.#fsync = fsync;
    this.#start = keepBytes;
    this.#offset = keepBytes;
  }

  /** Bytes of the file that are known to be written. */
  get written(): number {
    return this.#unanswered[0]?.offset ?? this.#offset;
  }

  /**
   * Opens the file, which empties it unless bytes are kept.
   * @throws {FsError}
   * @throws {ExecServerError} `ERR_UNSUPPORTED`: the server cannot keep bytes, or has no open files.
   */
  async open(): Promise<void> {
    // Nothing has been written yet, so that a second try changes nothing.
    for (;;) {
      try {
        await this.#open();
        return;
      } catch (error) {
        this.#break(error);
      }
    }
  }

  /**
   * Takes bytes, which are the caller's again when it returns.
   * @throws {FsError} Also `ERR_FS_CHANGED`: after a break the file was not what had been written.
   * @throws {ExecServerError} `ERR_DISCONNECTED`: and this server has no way to go on.
   */
  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      const piece = rest.subarray(0, BLOCK_BYTES - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      rest = rest.subarray(piece.length);
      if (this.#filled === BLOCK_BYTES) await this.#push();
    }
  }

  /** Writes what is left and closes the file. Throws as {@link write} does. */
  async close(): Promise<void> {
    if (this.#filled > 0) await this.#push();
    while (this.#unanswered.length > 0) await this.#settle();
    const file = this.#file;
    this.#file = undefined;
    if (!file) return;
    try {
      const { handleId } = file;
      const fsync = this.#fsync ? { fsync: true } : {};
      await file.session.call("fs/close", { handleId, ...fsync }, { path: this.#path }, this.#closing);
    } catch (error) {
      // All has been answered, and the file ends with its connection.
      if (!isCut(error) || this.#fsync) throw error;
    }
  }

  /** Gives up; what was written stays. */
  abort(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#unanswered.length = 0;
    if (!file?.session.caller.connected) return;
    file.session.call("fs/close", { handleId: file.handleId }, { path: this.#path }).catch(() => {});
  }

  get #closing(): FsOptions {
    return { ...this.#options, sandbox: undefined };
  }

  async #open(): Promise<void> {
    const session = await FsSession.open(this.#connect);
    const path = session.wire(this.#path, "fs/open");
    const keepBytes = this.written;
    const handleId = freshId("write");
    if (keepBytes > 0) session.need("fsResume", "go on in the middle of a file");
    if (this.#fsync) session.need("fsAtomicWrite", "wait for the disk");
    await session.openFile(
      keepBytes > 0 ? { handleId, path, mode: "resume", keepBytes } : { handleId, path, mode: "replace" },
      this.#path,
      this.#options,
    );
    this.#file = { session, handleId };
  }

  async #push(): Promise<void> {
    const bytes = this.#block.subarray(0, this.#filled);
    const block: Block = { offset: this.#offset, bytes, answer: this.#send(this.#offset, bytes) };
    this.#unanswered.push(block);
    this.#offset += bytes.length;
    this.#filled = 0;
    while (this.#unanswered.length >= MAX_UNANSWERED) await this.#settle();
    this.#block = this.#spare.pop() ?? new Uint8Array(BLOCK_BYTES);
  }

  #send(offset: number, chunk: Uint8Array): Promise<unknown> {
    const { session, handleId } = this.#file!;
    const answer = session.call(
      "fs/writeBlock",
      { handleId, offset, chunk },
      { path: this.#path },
      this.#closing,
    );
    // Looked at in order; until then a rejection is nobody's.
    answer.catch(() => {});
    return answer;
  }

  /** Waits for the answer to the oldest block. */
  async #settle(): Promise<void> {
    const block = this.#unanswered[0]!;
    try {
      this.#options.signal?.throwIfAborted();
      await block.answer;
    } catch (error) {
      this.#break(error);
      await this.#recover(error);
      return;
    }
    this.#unanswered.shift();
    this.#breaks = 0;
    if (this.#lastGood && this.#lastGood.bytes.byteLength === BLOCK_BYTES)
      this.#spare.push(this.#lastGood.bytes);
    this.#lastGood = block;
  }

  /** Counts a break. @throws What it was, when it is none or was one too many. */
  #break(error: unknown): void {
    if (!isCut(error) || ++this.#breaks > MAX_BREAKS) throw error;
    this.cuts++;
  }

  /**
   * Opens the file again, cuts it to what was answered, and sends the rest again. A block at its place is the same
   * however often it is written.
   */
  async #recover(cause: unknown): Promise<void> {
    try {
      if (this.written > this.#start && this.#lastGood) await this.#compare(this.#lastGood);
      await this.#open();
    } catch (error) {
      if (error instanceof ExecServerError && error.code === "ERR_UNSUPPORTED") throw cause;
      this.#break(error);
      return await this.#recover(error);
    }
    for (const block of this.#unanswered) block.answer = this.#send(block.offset, block.bytes);
  }

  async #compare({ offset, bytes }: { offset: number; bytes: Uint8Array }): Promise<void> {
    const session = await FsSession.open(this.#connect);
    session.need("fsHash", "hash a file");
    const path = session.wire(this.#path, "fs/hash");
    const about = { path: this.#path };
    const params = { path, offset, length: bytes.length };
    const { sha256 } = await session.call("fs/hash", params, about, this.#options);
    if (sha256 === createHash("sha256").update(bytes).digest("hex")) return;
    const shown = shownPath(this.#path);
    throw new FsError(
      `${attempt("fs/writeBlock", shown)}: the bytes before ${offset + bytes.length} are not those that were written`,
      { code: "ERR_FS_CHANGED", path: shown, operation: "fs/writeBlock" },
    );
  }
}
