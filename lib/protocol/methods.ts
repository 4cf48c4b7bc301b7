/** THE table: every method and notification of the wire with its shapes. Handlers and calls are computed from it. */

import {
  type EnvironmentInfo,
  type EnvironmentStatus,
  environmentInfo,
  environmentStatus,
} from "./environment.ts";
import {
  type ChmodParams,
  type CopyParams,
  type CreateDirectoryParams,
  chmodParams,
  copyParams,
  createDirectoryParams,
  type GetMetadataParams,
  type GetMetadataResult,
  getMetadataParams,
  getMetadataResult,
  type JoinParams,
  joinParams,
  type ParentParams,
  type ParentResult,
  type PathParams,
  type PathResult,
  parentParams,
  parentResult,
  pathParams,
  pathResult,
  type ReadFileParams,
  type ReadFileResult,
  type ReadLinkResult,
  type RemoveParams,
  type RenameParams,
  readFileParams,
  readFileResult,
  readLinkResult,
  removeParams,
  renameParams,
  type SetTimesParams,
  type SymlinkParams,
  setTimesParams,
  symlinkParams,
  type WriteFileParams,
  writeFileParams,
} from "./fs.ts";
import {
  type CloseParams,
  closeParams,
  type HashParams,
  type HashResult,
  hashParams,
  hashResult,
  type OpenParams,
  type OpenResult,
  openParams,
  openResult,
  type ReadBlockParams,
  type ReadBlockResult,
  readBlockParams,
  readBlockResult,
  type WriteBlockParams,
  writeBlockParams,
} from "./fs_blocks.ts";
import {
  type CancelSearchParams,
  cancelSearchParams,
  type ReadDirectoryParams,
  type ReadDirectoryResult,
  readDirectoryParams,
  readDirectoryResult,
  type SearchMatchesParams,
  type SearchParams,
  type SearchResult,
  searchMatchesParams,
  searchParams,
  searchResult,
  type WalkParams,
  type WalkResult,
  walkParams,
  walkResult,
} from "./fs_tree.ts";
import {
  type ChangedParams,
  changedParams,
  type MissingChangedParams,
  missingChangedParams,
  type UnwatchParams,
  unwatchParams,
  type WatchMissingParams,
  type WatchMissingResult,
  type WatchParams,
  watchMissingParams,
  watchMissingResult,
  watchParams,
} from "./fs_watch.ts";
import {
  type BodyConsumedParams,
  type BodyDeltaParams,
  bodyConsumedParams,
  bodyDeltaParams,
  type CancelParams,
  type CancelResult,
  cancelParams,
  cancelResult,
  type HttpRequestParams,
  type HttpRequestResult,
  httpRequestParams,
  httpRequestResult,
} from "./http.ts";
import {
  type ClosedParams,
  type CloseStdinParams,
  type ConsumedParams,
  closedParams,
  closeStdinParams,
  consumedParams,
  type Empty,
  type ExitedParams,
  empty,
  exitedParams,
  type OutputParams,
  outputParams,
  type ReadParams,
  type ReadResult,
  type ResizeParams,
  readParams,
  readResult,
  resizeParams,
  type SignalParams,
  type StartParams,
  type StartResult,
  signalParams,
  startParams,
  startResult,
  type TerminateParams,
  type TerminateResult,
  terminateParams,
  terminateResult,
  type WriteParams,
  type WriteResult,
  writeParams,
  writeResult,
} from "./process.ts";
import {
  type AttachParams,
  type AttachResult,
  attachParams,
  attachResult,
  type DetachParams,
  detachParams,
  type ListResult,
  listResult,
} from "./process_list.ts";
import { nothing, type Schema } from "./schema.ts";
import { type InitializeParams, initializeParams } from "./session.ts";
import { type InitializeResult, initializeResult } from "./session_result.ts";

/** Parameters and answer of one request. */
export interface Call<P, R> {
  params: P;
  result: R;
}

/** The requests that a client sends. */
export interface Requests {
  /** Opens a session or attaches to one. Once per connection, before all else. */
  initialize: Call<InitializeParams, InitializeResult>;
  /** What kind of machine this is. */
  "environment/info": Call<null, EnvironmentInfo>;
  /** Whether the server takes work. */
  "environment/status": Call<null, EnvironmentStatus>;
  /** Starts a program. Its output may be notified before the answer. */
  "process/start": Call<StartParams, StartResult>;
  /** Gives retained output; waits for some if asked to. Consumes nothing. */
  "process/read": Call<ReadParams, ReadResult>;
  /** Queues bytes for stdin or the terminal. */
  "process/write": Call<WriteParams, WriteResult>;
  /** Signals the process group. Nothing happens when it is gone. */
  "process/signal": Call<SignalParams, Empty>;
  /** Kills the process and all that it has started. Answers at once; `process/exited` follows. */
  "process/terminate": Call<TerminateParams, TerminateResult>;
  /** Ours (`processResize`): sets the size of the terminal. */
  "process/resize": Call<ResizeParams, Empty>;
  /** Ours (`processList`): the processes of the session, also those that have ended and can still be read. */
  "process/list": Call<null, ListResult>;
  /** Ours (`sessionAttach`): an observer of the session asks for the events of a process. */
  "process/attach": Call<AttachParams, AttachResult>;
  /** Ours (`sessionAttach`): an observer wants no more of them. */
  "process/detach": Call<DetachParams, Empty>;
  /** Ours (`processCloseStdin`): the child sees the end of its input after what was written before. */
  "process/closeStdin": Call<CloseStdinParams, WriteResult>;
  /** Makes an HTTP request from the server's machine. It belongs to the connection and ends with it. */
  "http/request": Call<HttpRequestParams, HttpRequestResult>;
  /** Ours (`httpRequestCancel`): gives a request up, whether it is streamed or not. */
  "http/request/cancel": Call<CancelParams, CancelResult>;
  /** The bytes of a file, up to 512 MiB. Follows links. */
  "fs/readFile": Call<ReadFileParams, ReadFileResult>;
  /** Writes a file; a new one appears whole. Its directory must exist. */
  "fs/writeFile": Call<WriteFileParams, Empty>;
  /** Makes a directory, with its parents unless told otherwise. */
  "fs/createDirectory": Call<CreateDirectoryParams, Empty>;
  /** What is known of a file. */
  "fs/getMetadata": Call<GetMetadataParams, GetMetadataResult>;
  /** The path without links. It must exist. */
  "fs/canonicalize": Call<PathParams, PathResult>;
  /** The entries of a directory, up to 50000. Links are what they lead to, and those that lead nowhere are left out. */
  "fs/readDirectory": Call<ReadDirectoryParams, ReadDirectoryResult>;
  /** Removes a file, a link, or a directory with all that is in it. */
  "fs/remove": Call<RemoveParams, Empty>;
  /** Copies a file, a link, or a tree. Modes of files are copied, those of directories are not. */
  "fs/copy": Call<CopyParams, Empty>;
  /** A path and another below it, by the letters. Only up to 0.138.0. */
  "fs/join": Call<JoinParams, PathResult>;
  /** The directory of a path, by the letters. Only up to 0.138.0. */
  "fs/parent": Call<ParentParams, ParentResult>;
  /** Opens a file under a handle of the connection, at most 128 at a time. */
  "fs/open": Call<OpenParams, OpenResult>;
  /** Bytes of an open file. */
  "fs/readBlock": Call<ReadBlockParams, ReadBlockResult>;
  /** Writes into an open file. */
  "fs/writeBlock": Call<WriteBlockParams, Empty>;
  /** Closes a handle, after what was asked of it before. */
  "fs/close": Call<CloseParams, Empty>;
  /** The files and directories below a directory. Others, and links unless followed, are left out. */
  "fs/walk": Call<WalkParams, WalkResult>;
  /** Tells once when a missing path may have come to exist. */
  "fs/watchMissing": Call<WatchMissingParams, WatchMissingResult>;
  /** Ours (`fsWatch`): tells what changes at a path, until the connection ends or it is told to stop. */
  "fs/watch": Call<WatchParams, Empty>;
  /** Ours (`fsWatch`): ends a watch. */
  "fs/unwatch": Call<UnwatchParams, Empty>;
  /** Ours (`fsSearch`): lines of files that match. They are notified as they are found; the answer comes last. */
  "fs/search": Call<SearchParams, SearchResult>;
  /** Ours (`fsSearch`): gives a search up. */
  "fs/cancelSearch": Call<CancelSearchParams, Empty>;
  /** Ours (`fsRename`): gives a file or directory another name on its file system. */
  "fs/rename": Call<RenameParams, Empty>;
  /** Ours (`fsChmod`): sets permission bits. */
  "fs/chmod": Call<ChmodParams, Empty>;
  /** Ours (`fsChmod`): sets the times of a file. */
  "fs/setTimes": Call<SetTimesParams, Empty>;
  /** Ours (`fsSymlink`): makes a symbolic link. */
  "fs/symlink": Call<SymlinkParams, Empty>;
  /** Ours (`fsSymlink`): where a symbolic link leads. */
  "fs/readLink": Call<PathParams, ReadLinkResult>;
  /** Ours (`fsHash`): the digest of a file or of a part of it. */
  "fs/hash": Call<HashParams, HashResult>;
}

/** The notifications that a client sends. */
export interface ClientNotifications {
  /** Ends the handshake. */
  initialized: null;
  /** Ours (`processOutputWindow`): output has been dealt with, more may come. */
  "process/consumed": ConsumedParams;
  /** Ours (`httpResponseWindow`): deltas of a body have been dealt with, more may come. */
  "http/request/consumed": BodyConsumedParams;
}

/** The notifications that a server sends. */
export interface ServerNotifications {
  "process/output": OutputParams;
  "process/exited": ExitedParams;
  "process/closed": ClosedParams;
  /** A piece of the body of a streamed answer. */
  "http/request/bodyDelta": BodyDeltaParams;
  "fs/missingChanged": MissingChangedParams;
  "fs/changed": ChangedParams;
  "fs/searchMatches": SearchMatchesParams;
}

/** The words by which a refused request before the handshake names what it is. */
export type Gate = "exec" | "environment info" | "environment status" | "filesystem" | "http";

/** One row: the shapes, and what must have happened before (`null`: nothing). */
export interface RequestRow<P, R> {
  readonly params: Schema<P>;
  readonly result: Schema<R>;
  readonly gate: Gate | null;
  /** The member of the parameters, or of the result, that may come as raw bytes (docs/protocol.md, "Raw bytes"). */
  readonly rawParam?: string;
  readonly rawResult?: string;
}

export type RequestTable = {
  readonly [M in keyof Requests]: RequestRow<Requests[M]["params"], Requests[M]["result"]>;
};

export const requests: RequestTable = {
  initialize: { params: initializeParams, result: initializeResult, gate: null },
  "environment/info": { params: nothing, result: environmentInfo, gate: "environment info" },
  "environment/status": { params: nothing, result: environmentStatus, gate: "environment status" },
  "process/start": { params: startParams, result: startResult, gate: "exec" },
  "process/read": { params: readParams, result: readResult, gate: "exec" },
  "process/write": { params: writeParams, result: writeResult, gate: "exec" },
  "process/signal": { params: signalParams, result: empty, gate: "exec" },
  "process/terminate": { params: terminateParams, result: terminateResult, gate: "exec" },
  "process/resize": { params: resizeParams, result: empty, gate: "exec" },
  "process/list": { params: nothing, result: listResult, gate: "exec" },
  "process/attach": { params: attachParams, result: attachResult, gate: "exec" },
  "process/detach": { params: detachParams, result: empty, gate: "exec" },
  "process/closeStdin": { params: closeStdinParams, result: writeResult, gate: "exec" },
  "http/request": { params: httpRequestParams, result: httpRequestResult, gate: "http" },
  "http/request/cancel": { params: cancelParams, result: cancelResult, gate: "http" },
  "fs/readFile": {
    params: readFileParams,
    result: readFileResult,
    gate: "filesystem",
    rawResult: "dataBase64",
  },
  "fs/writeFile": { params: writeFileParams, result: empty, gate: "filesystem", rawParam: "dataBase64" },
  "fs/createDirectory": { params: createDirectoryParams, result: empty, gate: "filesystem" },
  "fs/getMetadata": { params: getMetadataParams, result: getMetadataResult, gate: "filesystem" },
  "fs/canonicalize": { params: pathParams, result: pathResult, gate: "filesystem" },
  "fs/readDirectory": { params: readDirectoryParams, result: readDirectoryResult, gate: "filesystem" },
  "fs/remove": { params: removeParams, result: empty, gate: "filesystem" },
  "fs/copy": { params: copyParams, result: empty, gate: "filesystem" },
  "fs/join": { params: joinParams, result: pathResult, gate: "filesystem" },
  "fs/parent": { params: parentParams, result: parentResult, gate: "filesystem" },
  "fs/open": { params: openParams, result: openResult, gate: "filesystem" },
  "fs/readBlock": {
    params: readBlockParams,
    result: readBlockResult,
    gate: "filesystem",
    rawResult: "chunk",
  },
  "fs/writeBlock": { params: writeBlockParams, result: empty, gate: "filesystem", rawParam: "chunk" },
  "fs/close": { params: closeParams, result: empty, gate: "filesystem" },
  "fs/walk": { params: walkParams, result: walkResult, gate: "filesystem" },
  "fs/watchMissing": { params: watchMissingParams, result: watchMissingResult, gate: "filesystem" },
  "fs/watch": { params: watchParams, result: empty, gate: "filesystem" },
  "fs/unwatch": { params: unwatchParams, result: empty, gate: "filesystem" },
  "fs/search": { params: searchParams, result: searchResult, gate: "filesystem" },
  "fs/cancelSearch": { params: cancelSearchParams, result: empty, gate: "filesystem" },
  "fs/rename": { params: renameParams, result: empty, gate: "filesystem" },
  "fs/chmod": { params: chmodParams, result: empty, gate: "filesystem" },
  "fs/setTimes": { params: setTimesParams, result: empty, gate: "filesystem" },
  "fs/symlink": { params: symlinkParams, result: empty, gate: "filesystem" },
  "fs/readLink": { params: pathParams, result: readLinkResult, gate: "filesystem" },
  "fs/hash": { params: hashParams, result: hashResult, gate: "filesystem" },
};

export const clientNotifications: {
  readonly [N in keyof ClientNotifications]: Schema<ClientNotifications[N]>;
} = {
  // Any parameters are accepted, as the peer does.
  initialized: { ...nothing, decode: () => null },
  "process/consumed": consumedParams,
  "http/request/consumed": bodyConsumedParams,
};

export const serverNotifications: {
  readonly [N in keyof ServerNotifications]: Schema<ServerNotifications[N]>;
} = {
  "process/output": outputParams,
  "process/exited": exitedParams,
  "process/closed": closedParams,
  "http/request/bodyDelta": bodyDeltaParams,
  "fs/missingChanged": missingChangedParams,
  "fs/changed": changedParams,
  "fs/searchMatches": searchMatchesParams,
};

/** The methods of one family: `Family<"process">` is every `process/…`. */
export type Family<F extends string> = Extract<keyof Requests, `${F}/${string}`>;

/** One function for each request; the answer may come later. */
export type Handlers = {
  readonly [M in keyof Requests]: (
    params: Requests[M]["params"],
  ) => Requests[M]["result"] | Promise<Requests[M]["result"]>;
};
