/** The files of one environment, local or remote, through one interface. */

import type { SearchMatch, SearchResult } from "../../protocol/fs_tree.ts";
import { BLOCK_BYTES, BlockReader, checkRange, type ReadRange, readWhole } from "./block_reader.ts";
import { BlockWriter, type WriteOptions } from "./block_writer.ts";
import { type DirEntry, dirEntry, type FileInfo, fileInfo, linkInfo, linkText } from "./entries.ts";
import { attempt, FsError } from "./error.ts";
import { type FsConnect, type FsOptions, type FsPath, FsSession, shownPath } from "./link.ts";
import { bytesOfText, fromWire } from "./path.ts";
import { type SearchOptions, searchPath } from "./search.ts";
import { fitsWhole, joined, readablePath, tooLargeForWhole, writablePath } from "./streams.ts";
import { type WalkedEntry, type WalkOptions, walkTree } from "./walk.ts";
import { type WatchEvent, type WatchOptions, watchPath } from "./watch.ts";

/** Files up to this size are written by one request. */
const SMALL_BYTES = 4 * BLOCK_BYTES;

/** How a whole file is read. */
export interface ReadFileOptions extends ReadRange {
  /** By one request instead of in blocks: for files that are known to be small. @default {false} */
  atOnce?: boolean;
}

/** How a whole file is written. */
export interface WriteFileOptions extends FsOptions {
  /**
   * An existing file is replaced as a whole, so that nobody sees half of it, not even after a crash (`fsAtomicWrite`).
   * @default {false}: it is emptied and filled; a new file appears whole on our server
   */
  atomic?: boolean;
  /** Settles only when the bytes are on disk (`fsAtomicWrite`). @default {false} */
  fsync?: boolean;
}

/**
 * File operations on the machine of a server. Paths are absolute native paths or `file:` URLs; a byte of a name that is
 * not UTF-8 is a lone surrogate (U+DC80 to U+DCFF) in its string. Every operation rejects with an {@link FsError} that
 * has the server's answer, or with an {@link ExecServerError}: `ERR_UNSUPPORTED` where the server cannot do it,
 * `ERR_DISCONNECTED` where the connection broke (docs/protocol.md, "Files").
 */
export class FileSystem {
  readonly #connect: FsConnect;

  constructor(connect: FsConnect) {
    this.#connect = connect;
  }

  /** The whole file, of any size that fits the memory. */
  async readFile(path: FsPath, { atOnce = false, ...options }: ReadFileOptions = {}): Promise<Uint8Array> {
    checkRange(options);
    const session = await this.#session();
    if (atOnce || !session.readsBlocks) return await readWhole(session, path, options);
    const reader = new BlockReader(this.#connect, path, options);
    const blocks: Uint8Array[] = [];
    for (let block = await reader.next(); block; block = await reader.next()) blocks.push(block);
    return joined(blocks);
  }

  /** The whole file as UTF-8. @throws {FsError} `ERR_FS_NOT_TEXT`: nothing is replaced silently. */
  async readTextFile(path: FsPath, options: FsOptions = {}): Promise<string> {
    const bytes = await this.readFile(path, options);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      const shown = shownPath(path);
      const details = { code: "ERR_FS_NOT_TEXT", path: shown, operation: "fs/readFile", cause } as const;
      throw new FsError(`${attempt("fs/readFile", shown)}: it is not UTF-8`, details);
    }
  }

  /** The file as a stream: eight blocks ahead of its reader at the most, and over breaks of the connection. */
  readable(path: FsPath, options: ReadRange = {}): ReadableStream<Uint8Array> {
    checkRange(options);
    return readablePath(this.#connect, path, options);
  }

  /** Writes a file, which is made where there is none; its folder must exist. */
  async writeFile(
    path: FsPath,
    data: Uint8Array | string | ReadableStream<Uint8Array>,
    { atomic = false, fsync = false, ...options }: WriteFileOptions = {},
  ): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (!(bytes instanceof Uint8Array)) {
      const { signal } = options;
      const target = this.writable(path, { fsync, ...options });
      await bytes.pipeTo(target, signal ? { signal } : {});
      return;
    }
    const session = await this.#session();
    if (atomic || fsync) session.need("fsAtomicWrite", "replace a file as a whole");
    if (bytes.length > SMALL_BYTES && session.can("fileWriteStreaming") && !atomic) {
      const writer = new BlockWriter(this.#connect, path, { fsync, ...options });
      await writer.open();
      try {
        await writer.write(bytes);
        await writer.close();
      } catch (error) {
        writer.abort();
        throw error;
      }
      return;
    }
    if (!fitsWhole(bytes.length)) throw tooLargeForWhole(path);
    const params = {
      path: session.wire(path, "fs/writeFile"),
      dataBase64: bytes,
      ...(atomic ? { atomic } : {}),
      ...(fsync ? { fsync } : {}),
    };
    await session.call("fs/writeFile", params, { path }, options);
  }

  /** {@link writeFile} with a text. */
  async writeTextFile(path: FsPath, text: string, options: WriteFileOptions = {}): Promise<void> {
    await this.writeFile(path, text, options);
  }

  /**
   * A stream into a file, as fast as the server takes it. On our server it goes on after a break of the connection;
   * elsewhere a break is `ERR_DISCONNECTED`.
   */
  writable(path: FsPath, options: WriteOptions = {}): WritableStream<Uint8Array> {
    checkRange({ length: options.keepBytes ?? 0 });
    return writablePath(this.#connect, path, options, (bytes, more) => this.writeFile(path, bytes, more));
  }

  /** Metadata of what the path leads to. */
  async stat(path: FsPath, options: FsOptions = {}): Promise<FileInfo> {
    const session = await this.#session();
    const params = { path: session.wire(path, "fs/getMetadata") };
    return fileInfo(await session.call("fs/getMetadata", params, { path }, options));
  }

  /**
   * Metadata of the path itself: of a link only that it is one, and the length of its text where the server tells it
   * (`fsSymlink`). A link that leads nowhere is not there for a Codex server.
   */
  async lstat(path: FsPath, options: FsOptions = {}): Promise<FileInfo> {
    let found: FileInfo | undefined;
    let missing: unknown;
    try {
      found = await this.stat(path, options);
      if (!found.isSymlink) return found;
    } catch (error) {
      missing = error;
    }
    if (!(await this.can("fsSymlink"))) {
      if (found) return linkInfo(null);
      throw missing;
    }
    try {
      return linkInfo(bytesOfText(await this.readLink(path, options)).length);
    } catch (error) {
      throw missing ?? error;
    }
  }

  /** Whether the path leads to something. */
  async exists(path: FsPath, options: FsOptions = {}): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      if (error instanceof FsError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return false;
      throw error;
    }
  }

  /** The entries of a directory, in the order of the server: by the bytes of their names on ours. */
  async list(path: FsPath, options: FsOptions = {}): Promise<DirEntry[]> {
    const session = await this.#session();
    const tellsLinks = session.can("fsListLinks");
    const params = {
      path: session.wire(path, "fs/readDirectory"),
      ...(tellsLinks ? { listLinks: true } : {}),
    };
    const { entries } = await session.call("fs/readDirectory", params, { path }, options);
    return entries.map((entry) => dirEntry(entry, tellsLinks));
  }

  /** Files and directories below a directory, level by level. Links are passed over unless they are followed. */
  async *walk(path: FsPath, options: WalkOptions = {}): AsyncGenerator<WalkedEntry, void> {
    yield* walkTree(
      await this.#session(),
      {
        list: (directory, more) => this.list(directory, more),
        isLink: async (entry, more) => (await this.stat(entry, more)).isSymlink,
        realPath: (entry, more) => this.realPath(entry, more),
      },
      path,
      options,
    );
  }

  /** Makes a directory. With `recursive` also missing parents, and an existing directory is no error. */
  async mkdir(path: FsPath, options: FsOptions & { recursive?: boolean } = {}): Promise<void> {
    const { recursive = false, ...rest } = options;
    const session = await this.#session();
    const params = { path: session.wire(path, "fs/createDirectory"), recursive };
    await session.call("fs/createDirectory", params, { path }, rest);
  }

  /**
   * Removes a file, a link (never what it leads to) or an empty directory; with `recursive` a whole tree. With `force`
   * a missing path is no error.
   */
  async remove(
    path: FsPath,
    options: FsOptions & { recursive?: boolean; force?: boolean } = {},
  ): Promise<void> {
    const { recursive = false, force = false, ...rest } = options;
    const session = await this.#session();
    const params = { path: session.wire(path, "fs/remove"), recursive, force };
    await session.call("fs/remove", params, { path }, rest);
  }

  /** Copies within the machine: files with their modes, links as links, with `recursive` whole trees. */
  async copy(from: FsPath, to: FsPath, options: FsOptions & { recursive?: boolean } = {}): Promise<void> {
    const { recursive = false, ...rest } = options;
    const session = await this.#session();
    const params = {
      sourcePath: session.wire(from, "fs/copy"),
      destinationPath: session.wire(to, "fs/copy"),
      recursive,
    };
    await session.call("fs/copy", params, { path: from, destination: to }, rest);
  }

  /** Moves within a file system (`fsRename`). Without `replace` an existing destination is `EEXIST`. */
  async rename(from: FsPath, to: FsPath, options: FsOptions & { replace?: boolean } = {}): Promise<void> {
    const { replace = true, ...rest } = options;
    const session = await this.#session();
    session.need("fsRename", "rename files");
    const params = {
      sourcePath: session.wire(from, "fs/rename"),
      destinationPath: session.wire(to, "fs/rename"),
      replace,
    };
    await session.call("fs/rename", params, { path: from, destination: to }, rest);
  }

  /** Makes a symbolic link at `path` with the text `target` (`fsSymlink`). */
  async symlink(target: string, path: FsPath, options: FsOptions = {}): Promise<void> {
    const session = await this.#session();
    session.need("fsSymlink", "make links");
    if (!target.isWellFormed()) {
      const details = { code: "ERR_FS_PATH", path: shownPath(path), operation: "fs/symlink" } as const;
      throw new FsError(`${attempt("fs/symlink", details.path)}: its text is not UTF-8`, details);
    }
    const params = { path: session.wire(path, "fs/symlink"), target };
    await session.call("fs/symlink", params, { path }, options);
  }

  /** The text of a symbolic link (`fsSymlink`). */
  async readLink(path: FsPath, options: FsOptions = {}): Promise<string> {
    const session = await this.#session();
    session.need("fsSymlink", "read links");
    return linkText(
      await session.call("fs/readLink", { path: session.wire(path, "fs/readLink") }, { path }, options),
    );
  }

  /** Sets the permission bits (`fsChmod`). */
  async chmod(path: FsPath, mode: number, options: FsOptions = {}): Promise<void> {
    const session = await this.#session();
    session.need("fsChmod", "set modes");
    await session.call("fs/chmod", { path: session.wire(path, "fs/chmod"), mode }, { path }, options);
  }

  /** Sets the times (`fsChmod`); null leaves the time of the last access. */
  async utime(path: FsPath, atime: Date | null, mtime: Date, options: FsOptions = {}): Promise<void> {
    const session = await this.#session();
    session.need("fsChmod", "set times");
    const params = {
      path: session.wire(path, "fs/setTimes"),
      modifiedAtMs: mtime.getTime(),
      ...(atime ? { accessedAtMs: atime.getTime() } : {}),
    };
    await session.call("fs/setTimes", params, { path }, options);
  }

  /** The path without links, `.` and `..`. */
  async realPath(path: FsPath, options: FsOptions = {}): Promise<string> {
    const session = await this.#session();
    const params = { path: session.wire(path, "fs/canonicalize") };
    return fromWire((await session.call("fs/canonicalize", params, { path }, options)).path);
  }

  /** SHA-256 of a file or of a part of it, computed over there (`fsHash`). */
  async hash(
    path: FsPath,
    { offset, length, ...options }: ReadRange = {},
  ): Promise<{ sha256: string; length: number; size: number }> {
    checkRange({ ...(offset === undefined ? {} : { offset }), ...(length === undefined ? {} : { length }) });
    const session = await this.#session();
    session.need("fsHash", "hash files");
    const params = {
      path: session.wire(path, "fs/hash"),
      ...(offset === undefined ? {} : { offset }),
      ...(length === undefined ? {} : { length }),
    };
    return await session.call("fs/hash", params, { path }, options);
  }

  /** Changes of a file or a directory as they happen (`fsWatch`), until the reader stops or the signal fires. */
  watch(path: FsPath, options: WatchOptions = {}): AsyncGenerator<WatchEvent, void> {
    return watchPath(this.#connect, path, options);
  }

  /** Lines that match, in a file or a tree (`fsSearch`). */
  search(
    path: FsPath,
    query: string,
    options: SearchOptions = {},
  ): AsyncGenerator<SearchMatch, SearchResult> {
    return searchPath(this.#connect, path, query, options);
  }

  /** Whether the server can do what its capability of that name says. Throws as every operation does. */
  async can(capability: Parameters<FsSession["can"]>[0]): Promise<boolean> {
    return (await this.#session()).can(capability);
  }

  /** Reads block by block; tells how often the connection broke meanwhile. Null where there are no open files. */
  async openReader(path: FsPath, options: ReadRange = {}): Promise<BlockReader | null> {
    return (await this.#session()).readsBlocks ? new BlockReader(this.#connect, path, options) : null;
  }

  /** Writes block by block. Null where there are no open files. */
  async openWriter(path: FsPath, options: WriteOptions = {}): Promise<BlockWriter | null> {
    if (!(await this.#session()).can("fileWriteStreaming")) return null;
    const writer = new BlockWriter(this.#connect, path, options);
    await writer.open();
    return writer;
  }

  #session(): Promise<FsSession> {
    return FsSession.open(this.#connect);
  }
}
