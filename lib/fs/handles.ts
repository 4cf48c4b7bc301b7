/** Open files of one connection: reading and writing them block by block. */

import { giveBack } from "../jsonrpc/reusable_memory.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type {
  CloseParams,
  OpenMode,
  OpenParams,
  OpenResult,
  ReadBlockParams,
  ReadBlockResult,
  WriteBlockParams,
} from "../protocol/fs_blocks.ts";
import type { Empty } from "../protocol/process.ts";
import type { U64 } from "../protocol/schema.ts";
import type { FileCalls } from "../runtime/file_calls.ts";
import { O_CREAT, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDWR, O_WRONLY } from "../runtime/file_libc.ts";
import { notAFile, openToRead } from "./contents.ts";
import { refused, systemError, wireError } from "./errors.ts";
import { at } from "./place.ts";
import type { WirePath } from "./wire_path.ts";

const MAX_HANDLES = 128;
const MAX_ID_BYTES = 32;
const MAX_BLOCK_BYTES = 1024 * 1024;
const MAX_OFFSET = 2n ** 63n;

interface Handle {
  readonly fd: number;
  readonly mode: OpenMode;
  readonly path: WirePath;
  /** The last thing that was asked of it and is not finished. */
  last: Promise<unknown> | undefined;
  /** What is under way waits until the client has taken other answers. */
  waits: boolean;
}

export type BlockTurn = (read: () => Promise<ReadBlockResult>) => Promise<ReadBlockResult>;

export class HandleTable {
  readonly #files: FileCalls;
  readonly #handles = new Map<string, Handle>();
  /** Handles that are closed when the client has taken its answers, and not before: it could pile them up. */
  #leaving = 0;

  constructor(files: FileCalls) {
    this.#files = files;
  }

  open(params: OpenParams, path: WirePath): OpenResult {
    const { handleId, mode = "read", followSymlinks = true, keepBytes } = params;
    checkId(handleId, "file handle");
    if (this.#handles.has(handleId)) throw refused(`file handle \`${handleId}\` already exists`);
    if (this.#handles.size + this.#leaving >= MAX_HANDLES) {
      throw refused(`at most ${MAX_HANDLES} file handles may be open per connection`);
    }
    const files = this.#files;
    const fd =
      mode === "read"
        ? openToRead(files, path.bytes, followSymlinks)
        : openToWrite(files, path.bytes, mode, followSymlinks);
    let { size } = files.fstat(fd);
    try {
      if (mode === "resume" && keepBytes !== undefined) {
        if (keepBytes > size) {
          throw refused(`keepBytes is ${keepBytes}, and the file has ${size} bytes only`);
        }
        files.truncate(fd, keepBytes);
        size = keepBytes;
      }
    } catch (error) {
      files.close(fd);
      throw error;
    }
    this.#handles.set(handleId, { fd, mode, path, last: undefined, waits: false });
    return { handleId, size };
  }

  /**
   * An answer that comes at once has bytes that are good until the next is asked for.
   * @param turn Calls when there may be another block in memory. What is asked of the handle later waits as well.
   */
  readBlock(params: ReadBlockParams, turn?: BlockTurn): ReadBlockResult | Promise<ReadBlockResult> {
    const { handleId, offset, len } = params;
    checkBlock(len, "read");
    const handle = this.#find(handleId);
    return this.#inOrder(handle, () => {
      if (handle.mode === "replace") throw systemError("EBADF");
      if (isBeyond(offset, len)) throw systemError("EINVAL");
      const aside = () => this.#readAside(handle.fd, new Uint8Array(len), offset);
      if (turn) {
        handle.waits = true;
        return turn(aside).finally(() => {
          handle.waits = false;
        });
      }
      // Mostly all is in memory. Who has waited is answered later than at once.
      if (handle.last) return aside();
      this.#lent ??= new Uint8Array(MAX_BLOCK_BYTES);
      const chunk = this.#lent.subarray(0, len);
      const count = this.#files.preadCached(handle.fd, chunk, offset);
      if (count === len) return { chunk, eof: false };
      return aside();
    });
  }

  #lent: Uint8Array | undefined;

  async #readAside(fd: number, chunk: Uint8Array, offset: U64): Promise<ReadBlockResult> {
    let length = 0;
    while (length < chunk.length) {
      const count = await this.#files.preadSoon(fd, chunk.subarray(length), plus(offset, length));
      if (count === 0) return { chunk: chunk.slice(0, length), eof: true };
      length += count;
    }
    return { chunk, eof: false };
  }

  /** At once where the system takes the bytes at once; they are given back. */
  writeBlock(params: WriteBlockParams): Empty | Promise<Empty> {
    const { handleId, offset, chunk } = params;
    checkBlock(chunk.length, "write");
    const handle = this.#find(handleId);
    if (isBeyond(offset, chunk.length)) {
      throw refused("file write range exceeds the signed 64-bit file offset limit");
    }
    const done = (): Empty => {
      giveBack(chunk);
      return {};
    };
    return this.#inOrder(handle, () => {
      if (handle.mode === "read") throw systemError("EBADF");
      const written = this.#files.writeAll(handle.fd, chunk, offset);
      return written ? written.then(done) : done();
    });
  }

  /** Closes it after what was asked before; its name is free at once. */
  async close({ handleId, fsync }: CloseParams): Promise<Empty> {
    const handle = this.#handles.get(handleId);
    if (!handle) return {};
    this.#handles.delete(handleId);
    const { last, waits } = handle;
    if (waits) this.#leaving++;
    await last?.catch(() => {});
    if (waits) this.#leaving--;
    try {
      if (fsync) await this.#files.sync(handle.fd);
    } catch (error) {
      throw wireError(error, handle.path.bytes, handle.path.form);
    } finally {
      this.#files.close(handle.fd);
    }
    return {};
  }

  /** The connection has gone. */
  dispose(): void {
    for (const handleId of [...this.#handles.keys()]) this.close({ handleId }).catch(() => {});
  }

  #find(handleId: string): Handle {
    const handle = this.#handles.get(handleId);
    if (!handle) throw new RpcError(rpcCode.notFound, `unknown file handle \`${handleId}\``);
    return handle;
  }

  /** Runs at once when nothing else is under way for the handle, else after it. */
  #inOrder<T>(handle: Handle, action: () => T | Promise<T>): T | Promise<T> {
    const told = (error: unknown): never => {
      throw wireError(error, handle.path.bytes, handle.path.form);
    };
    let result: T | Promise<T>;
    if (handle.last) {
      result = handle.last.then(action, action);
    } else {
      try {
        result = action();
      } catch (error) {
        return told(error);
      }
      if (!(result instanceof Promise)) return result;
    }
    const running = result.catch(told);
    handle.last = running;
    const done = (): void => {
      if (handle.last === running) handle.last = undefined;
    };
    running.then(done, done);
    return running;
  }
}

/** Ids that clients choose. */
export function checkId(id: string, what: string): void {
  if (new TextEncoder().encode(id).length > MAX_ID_BYTES) {
    throw refused(`${what} ID must not exceed ${MAX_ID_BYTES} bytes`);
  }
}

function checkBlock(length: number, what: "read" | "write"): void {
  if (length < 1 || length > MAX_BLOCK_BYTES) {
    throw refused(`file ${what} block length must be between 1 and ${MAX_BLOCK_BYTES}`);
  }
}

function isBeyond(offset: U64, length: number): boolean {
  return BigInt(offset) + BigInt(length) >= MAX_OFFSET;
}

function plus(offset: U64, length: number): U64 {
  return typeof offset === "bigint" ? offset + BigInt(length) : offset + length;
}

function openToWrite(files: FileCalls, path: string, mode: OpenMode, follow: boolean): number {
  return at(files, path, follow, ({ dir, name }) => {
    const access = mode === "replace" ? O_WRONLY : O_RDWR;
    const flags = access | O_CREAT | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW);
    const fd = files.open(dir, name, flags, 0o666);
    try {
      const { kind, size } = files.fstat(fd);
      if (kind !== "file") throw notAFile(path, follow);
      // Cutting off nothing would make ext4 write all to disk when the file is closed, as it does with old files.
      if (mode === "replace" && size > 0) files.truncate(fd, 0);
      return fd;
    } catch (error) {
      files.close(fd);
      throw error;
    }
  });
}
