/** Shapes of `fs/*` about open files, their blocks and digests. */

import {
  anything,
  boolean,
  bytes,
  nullish,
  object,
  oneOf,
  optional,
  type Schema,
  string,
  type U64,
  u64,
  unsigned,
} from "./schema.ts";

/** What an open file is for. `resume` is ours (`fsResume`). */
export type OpenMode = "read" | "replace" | "resume";

/** Parameters of `fs/open`. */
export interface OpenParams {
  /** Chosen by the client, free on its connection; up to 32 bytes. */
  handleId: string;
  path: string;
  /**
   * `read`: a regular file. `replace`: for writing, created or emptied at once. `resume`: for reading and writing,
   * created where missing, and what is there stays. @default {"read"}
   */
  mode?: OpenMode;
  /** Ours (`fsResume`): with `resume`, cuts the file to this length, which it must have at least. */
  keepBytes?: number;
  sandbox?: unknown;
  followSymlinks?: boolean;
}

/** Answer of `fs/open`. */
export interface OpenResult {
  handleId: string;
  /** Ours: bytes in the file now. */
  size?: number;
}

/** Parameters of `fs/readBlock`. */
export interface ReadBlockParams {
  handleId: string;
  offset: U64;
  /** 1 to 1048576. */
  len: number;
  /** Ours (`fsRawBytes`): the bytes come raw in a binary message. @default {false} */
  raw?: boolean;
}

/** Answer of `fs/readBlock`. */
export interface ReadBlockResult {
  chunk: Uint8Array;
  /** Fewer bytes than asked for: the file ends here for now. */
  eof: boolean;
}

/** Parameters of `fs/writeBlock`. */
export interface WriteBlockParams {
  handleId: string;
  /** May be beyond the end, which leaves a hole. */
  offset: U64;
  /** 1 to 1048576 bytes. */
  chunk: Uint8Array;
}

/** Parameters of `fs/close`. An unknown handle is no error. */
export interface CloseParams {
  handleId: string;
  /** Ours (`fsAtomicWrite`): the answer comes when the file is on disk. @default {false} */
  fsync?: boolean;
}

/** Parameters of `fs/hash`. */
export interface HashParams {
  path: string;
  /** Where to begin. @default {0} */
  offset?: number;
  /** How many bytes; to the end of the file by default. */
  length?: number;
  sandbox?: unknown;
  followSymlinks?: boolean;
}

/** Answer of `fs/hash`. */
export interface HashResult {
  /** SHA-256 in lower case hexadecimal digits. */
  sha256: string;
  /** Bytes that went into it: fewer than asked for when the file ends before. */
  length: number;
  /** Bytes in the whole file. */
  size: number;
}

const sandbox = nullish(anything);
const flag = nullish(boolean);

export const openParams: Schema<OpenParams> = object<OpenParams>({
  handleId: string,
  path: string,
  mode: optional(oneOf("read", "replace", "resume")),
  keepBytes: nullish(unsigned),
  sandbox,
  followSymlinks: flag,
});

export const openResult: Schema<OpenResult> = object<OpenResult>({
  handleId: string,
  size: nullish(unsigned),
});

export const readBlockParams: Schema<ReadBlockParams> = object<ReadBlockParams>({
  handleId: string,
  offset: u64,
  len: unsigned,
  raw: flag,
});

export const readBlockResult: Schema<ReadBlockResult> = object<ReadBlockResult>({
  chunk: bytes,
  eof: boolean,
});

export const writeBlockParams: Schema<WriteBlockParams> = object<WriteBlockParams>({
  handleId: string,
  offset: u64,
  chunk: bytes,
});

export const closeParams: Schema<CloseParams> = object<CloseParams>({ handleId: string, fsync: flag });

export const hashParams: Schema<HashParams> = object<HashParams>({
  path: string,
  offset: nullish(unsigned),
  length: nullish(unsigned),
  sandbox,
  followSymlinks: flag,
});

export const hashResult: Schema<HashResult> = object<HashResult>({
  sha256: string,
  length: unsigned,
  size: unsigned,
});
