/** The `fs/*` methods of one connection. Each reads its paths, takes its turn and calls what does the work. */

import { Buffer } from "node:buffer";
import { OneByOne } from "../jsonrpc/one_by_one.ts";
import { giveBack } from "../jsonrpc/reusable_memory.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type {
  ChmodParams,
  CopyParams,
  CreateDirectoryParams,
  GetMetadataParams,
  GetMetadataResult,
  JoinParams,
  ParentParams,
  ParentResult,
  PathParams,
  PathResult,
  ReadFileParams,
  ReadFileResult,
  ReadLinkResult,
  RemoveParams,
  RenameParams,
  SetTimesParams,
  SymlinkParams,
  WriteFileParams,
} from "../protocol/fs.ts";
import type {
  CloseParams,
  HashParams,
  HashResult,
  OpenParams,
  OpenResult,
  ReadBlockParams,
  ReadBlockResult,
  WriteBlockParams,
} from "../protocol/fs_blocks.ts";
import type {
  CancelSearchParams,
  ReadDirectoryParams,
  ReadDirectoryResult,
  SearchParams,
  SearchResult,
  WalkParams,
  WalkResult,
} from "../protocol/fs_tree.ts";
import type {
  UnwatchParams,
  WatchMissingParams,
  WatchMissingResult,
  WatchParams,
} from "../protocol/fs_watch.ts";
import type { Family, Handlers, ServerNotifications } from "../protocol/methods.ts";
import type { Empty } from "../protocol/process.ts";
import type { FileCalls } from "../runtime/file_calls.ts";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import { nodeOs } from "../runtime/node_modules.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { refuseConfinement } from "./confinement.ts";
import { type ReadTurn, readWhole, writeWhole } from "./contents.ts";
import { copy } from "./copy.ts";
import { createDirectory, readDirectory } from "./directory.ts";
import { isSystemError, refused, wireError } from "./errors.ts";
import { HandleTable } from "./handles.ts";
import { hashFile } from "./hash.ts";
import { changeMode, linkInPath, metadata, realPath, rename, setTimes } from "./metadata.ts";
import { type Claim, PathOrder } from "./order.ts";
import { at } from "./place.ts";
import { removeTree } from "./remove.ts";
import { SearchTable } from "./search.ts";
import { walk } from "./walk.ts";
import { WatchTable } from "./watches.ts";
import {
  joined,
  lossyText,
  normalized,
  nulByte,
  pathText,
  splitPath,
  utf8Text,
  type WirePath,
  wirePath,
} from "./wire_path.ts";

/** What file operations need of the connection that they belong to. */
export interface FileConnection {
  /** Sends a notification. Ignored after the end. */
  notify<N extends keyof ServerNotifications>(name: N, params: ServerNotifications[N]): void;
  /** Nothing when more may be sent, else a promise for when it may, or for the end of the connection. */
  ready(): Promise<void> | undefined;
  /** Stops reading what the client sends until the answer is called. */
  hold(): () => void;
}

/** Blocks on their way to files; above this the client is held back. */
const MAX_WRITING_BYTES = 16 * 1024 * 1024;
const MAX_MODE = 0o7777;
/** Files up to the first size are answered at once; those up to the second do not wait for longer ones. */
const SMALL_ANSWER_BYTES = 16 * 1024;
const MEDIUM_ANSWER_BYTES = 4 * 1024 * 1024;

/** What a request looks at or changes. */
const looks = (path: string, tree = false): Claim => ({ path, tree, change: false });
const changes = (path: string, tree = false): Claim => ({ path, tree, change: true });

export class FileMethods implements Pick<Handlers, Family<"fs">> {
  readonly #files: FileCalls;
  readonly #connection: FileConnection;
  readonly #handles: HandleTable;
  readonly #watches: WatchTable;
  readonly #searches: SearchTable;
  readonly #order = new PathOrder();
  readonly #answers = {
    block: new OneByOne(),
    listing: new OneByOne(),
    medium: new OneByOne(),
    large: new OneByOne(),
  };
  #writingBytes = 0;
  /** Lets the client go on; set while it is held back. */
  #release: (() => void) | undefined;
  #closed = false;

  constructor(runtime: Runtime, files: FileCalls, connection: FileConnection) {
    this.#files = files;
    this.#connection = connection;
    this.#handles = new HandleTable(files);
    this.#watches = new WatchTable(files, connection);
    this.#searches = new SearchTable(runtime, files, connection);
  }

  readonly "fs/readFile" = (params: ReadFileParams): Promise<ReadFileResult> => {
    const path = decodePath(params);
    const { followSymlinks = true } = params;
    return this.#run(path, [looks(path.bytes)], async () => {
      const turn: ReadTurn = (size, read) => this.#inTurn(size, read);
      return { dataBase64: await readWhole(this.#files, path.bytes, followSymlinks, turn) };
    }) as Promise<ReadFileResult>;
  };

  readonly "fs/writeFile" = (params: WriteFileParams): Promise<Empty> => {
    const { dataBase64, followSymlinks = true, atomic = false, fsync = false } = params;
    const path = decodePath(params);
    const options = { follow: followSymlinks, atomic, sync: fsync };
    return this.#holding(dataBase64.length, async () => {
      await this.#run(path, [changes(path.bytes)], () =>
        writeWhole(this.#files, path.bytes, dataBase64, options),
      );
      giveBack(dataBase64);
    });
  };

  readonly "fs/createDirectory" = (params: CreateDirectoryParams): Empty | Promise<Empty> => {
    const { recursive = true, followSymlinks = true } = params;
    const path = decodePath(params);
    return this.#do(path, [changes(path.bytes)], () =>
      createDirectory(this.#files, path.bytes, recursive, followSymlinks),
    );
  };

  readonly "fs/getMetadata" = (params: GetMetadataParams): GetMetadataResult | Promise<GetMetadataResult> => {
    const path = decodePath(params);
    return this.#run(path, [looks(path.bytes)], () =>
      metadata(this.#files, path.bytes, params.followSymlinks ?? true),
    );
  };

  readonly "fs/canonicalize" = (params: PathParams): PathResult | Promise<PathResult> => {
    const path = decodePath(params);
    return this.#run(path, [looks(path.bytes)], () => ({
      path: pathText(realPath(this.#files, path.bytes), path.form),
    }));
  };

  readonly "fs/readDirectory" = (
    params: ReadDirectoryParams,
  ): ReadDirectoryResult | Promise<ReadDirectoryResult> => {
    const path = decodePath(params);
    return this.#run(path, [looks(path.bytes)], () =>
      this.#queued("listing", async () => {
        return { entries: await readDirectory(this.#files, path.bytes, params.listLinks ?? false) };
      }),
    );
  };

  readonly "fs/remove" = (params: RemoveParams): Empty | Promise<Empty> => {
    const { recursive = true, force = true, followSymlinks = true } = params;
    const path = decodePath(params);
    if (!followSymlinks && recursive) {
      throw new RpcError(rpcCode.internal, "recursive no-follow removal is unsupported");
    }
    return this.#do(path, [changes(path.bytes, true)], async () => {
      try {
        await this.#remove(path.bytes, recursive, followSymlinks);
      } catch (error) {
        if (!force || !isSystemError(error, "ENOENT")) throw error;
      }
    });
  };

  #remove(path: string, recursive: boolean, follow: boolean): Promise<void> | void {
    const files = this.#files;
    return at(files, path, follow, ({ dir, name }) => {
      const { kind } = files.stat(dir, name, { follow: false });
      if (!follow && kind === "symlink") throw linkInPath();
      if (kind !== "directory") files.unlink(dir, name);
      else if (recursive) return removeTree(files, dir, name);
      else files.removeDirectory(dir, name);
    });
  }

  readonly "fs/copy" = (params: CopyParams): Empty | Promise<Empty> => {
    refuseConfinement(params.sandbox);
    const source = wirePath(params.sourcePath);
    const destination = wirePath(params.destinationPath);
    return this.#do(source, [looks(source.bytes, true), changes(destination.bytes, true)], () =>
      copy(this.#files, source.bytes, destination.bytes, params.recursive),
    );
  };

  readonly "fs/join" = (params: JoinParams): PathResult => {
    const base = wirePath(params.basePath);
    if (params.path.includes("\0")) throw nulByte();
    const path = Buffer.from(params.path).toString("latin1");
    const home = /^~(?=\/|$)/.test(path) ? Buffer.from(nodeOs().homedir()).toString("latin1") : undefined;
    const whole = home === undefined ? path : `${home}/${path.slice(2)}`;
    const bytes = whole.startsWith("/") ? whole : joined(base.bytes, whole);
    return { path: pathText(normalized(bytes), base.form) };
  };

  readonly "fs/parent" = (params: ParentParams): ParentResult => {
    const path = wirePath(params.path);
    if (path.bytes === "/") return { path: null };
    return { path: pathText(splitPath(path.bytes).directory, path.form) };
  };

  readonly "fs/open" = (params: OpenParams): OpenResult | Promise<OpenResult> => {
    const path = decodePath(params);
    const claim = params.mode === undefined || params.mode === "read" ? looks : changes;
    return this.#run(path, [claim(path.bytes)], () => this.#handles.open(params, path));
  };

  readonly "fs/readBlock" = (params: ReadBlockParams): ReadBlockResult | Promise<ReadBlockResult> => {
    const isFree = !this.#connection.ready() && this.#answers.block.isIdle;
    // Who asks faster than it takes the answers does not fill the memory.
    return this.#handles.readBlock(params, isFree ? undefined : (read) => this.#queued("block", read));
  };

  /** Large answers are made one by one, each when the one before is on its way; small ones do not wait for them. */
  #inTurn<T>(size: number, read: () => Promise<T>): Promise<T> {
    if (size <= SMALL_ANSWER_BYTES) return read();
    return this.#queued(size <= MEDIUM_ANSWER_BYTES ? "medium" : "large", read);
  }

  #queued<T>(kind: "block" | "listing" | "medium" | "large", answer: () => T | Promise<T>): Promise<T> {
    return this.#answers[kind].run(async () => {
      await this.#connection.ready();
      return await answer();
    });
  }

  readonly "fs/writeBlock" = (params: WriteBlockParams): Empty | Promise<Empty> => {
    const done = this.#handles.writeBlock(params);
    return done instanceof Promise ? this.#holding(params.chunk.length, () => done) : done;
  };

  readonly "fs/close" = (params: CloseParams): Promise<Empty> => this.#handles.close(params);

  readonly "fs/walk" = (params: WalkParams): WalkResult | Promise<WalkResult> => {
    const path = decodePath(params);
    return this.#run(path, [looks(path.bytes, true)], () =>
      this.#queued("listing", () => walk(this.#files, path.bytes, params.options, path.form)),
    );
  };

  readonly "fs/watchMissing" = (params: WatchMissingParams): WatchMissingResult =>
    this.#watches.watchMissing(params);

  readonly "fs/watch" = (params: WatchParams): Empty | Promise<Empty> => {
    const path = decodePath(params);
    return this.#run(path, [looks(path.bytes)], () => this.#watches.watch(params, path));
  };

  readonly "fs/unwatch" = (params: UnwatchParams): Empty => this.#watches.unwatch(params);

  readonly "fs/search" = (params: SearchParams): Promise<SearchResult> => {
    const path = decodePath(params);
    // It may take long, so what changes files does not wait for it.
    return this.#run(path, [], () => this.#searches.search(params, path)) as Promise<SearchResult>;
  };

  readonly "fs/cancelSearch" = ({ searchId }: CancelSearchParams): Empty => this.#searches.cancel(searchId);

  readonly "fs/rename" = (params: RenameParams): Empty | Promise<Empty> => {
    refuseConfinement(params.sandbox);
    const source = wirePath(params.sourcePath);
    const destination = wirePath(params.destinationPath);
    return this.#do(source, [changes(source.bytes, true), changes(destination.bytes, true)], () =>
      rename(this.#files, source.bytes, destination.bytes, params.replace ?? true),
    );
  };

  readonly "fs/chmod" = (params: ChmodParams): Empty | Promise<Empty> => {
    const { mode, followSymlinks = true } = params;
    const path = decodePath(params);
    if (mode > MAX_MODE) throw refused(`mode is ${mode}: expected permission bits, 0 to ${MAX_MODE}`);
    return this.#do(path, [changes(path.bytes)], () =>
      changeMode(this.#files, path.bytes, mode, followSymlinks),
    );
  };

  readonly "fs/setTimes" = (params: SetTimesParams): Empty | Promise<Empty> => {
    const { modifiedAtMs, accessedAtMs, followSymlinks = true } = params;
    const path = decodePath(params);
    return this.#do(path, [changes(path.bytes)], () =>
      setTimes(
        this.#files,
        path.bytes,
        { modifiedMs: modifiedAtMs, accessedMs: accessedAtMs },
        followSymlinks,
      ),
    );
  };

  readonly "fs/symlink" = (params: SymlinkParams): Empty | Promise<Empty> => {
    const path = decodePath(params);
    if (params.target.includes("\0")) throw nulByte();
    const target = Buffer.from(params.target).toString("latin1");
    return this.#do(path, [changes(path.bytes)], () => this.#files.makeLink(target, AT_FDCWD, path.bytes));
  };

  readonly "fs/readLink" = (params: PathParams): ReadLinkResult | Promise<ReadLinkResult> => {
    const path = decodePath(params);
    return this.#run(path, [looks(path.bytes)], () => {
      const target = this.#files.readLink(AT_FDCWD, path.bytes);
      const text = utf8Text(target);
      if (text !== undefined) return { target: text };
      return { target: lossyText(target), targetBase64: Buffer.from(target, "latin1") };
    });
  };

  readonly "fs/hash" = (params: HashParams): HashResult | Promise<HashResult> => {
    const { offset = 0, length = Number.POSITIVE_INFINITY, followSymlinks = true } = params;
    const path = decodePath(params);
    return this.#run(path, [looks(path.bytes)], () =>
      hashFile(this.#files, path.bytes, { offset, length, follow: followSymlinks }, () => this.#closed),
    );
  };

  /** The connection has gone. */
  close(): void {
    this.#closed = true;
    this.#handles.dispose();
    this.#watches.dispose();
    this.#searches.dispose();
  }

  /** Does what has no answer but that it is done. */
  #do(path: WirePath, claims: Claim[], action: () => unknown): Empty | Promise<Empty> {
    return this.#run(path, claims, () => {
      const done = action();
      return done instanceof Promise ? done.then(() => ({})) : {};
    });
  }

  /** In its turn, with the failures of the system as the wire has them. */
  #run<T>(path: WirePath, claims: Claim[], action: () => T | Promise<T>): T | Promise<T> {
    const told = (error: unknown): never => {
      throw wireError(error, path.bytes, path.form);
    };
    try {
      const result = this.#order.run(claims, action);
      return result instanceof Promise ? result.catch(told) : result;
    } catch (error) {
      return told(error);
    }
  }

  /** Holds the client back while more of what it sent waits to be written than we want to keep. */
  async #holding(bytes: number, action: () => unknown): Promise<Empty> {
    this.#writingBytes += bytes;
    if (this.#writingBytes > MAX_WRITING_BYTES) this.#release ??= this.#connection.hold();
    try {
      await action();
      return {};
    } finally {
      this.#writingBytes -= bytes;
      if (this.#writingBytes <= MAX_WRITING_BYTES / 2) {
        this.#release?.();
        this.#release = undefined;
      }
    }
  }
}

function decodePath({ path, sandbox }: PathParams): WirePath {
  refuseConfinement(sandbox);
  return wirePath(path);
}
