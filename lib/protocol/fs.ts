/** Shapes of `fs/*` about whole files, directories and links. */

import {
  anything,
  boolean,
  bytes,
  fileBytes,
  nullable,
  nullish,
  number,
  object,
  type Schema,
  string,
  unsigned,
} from "./schema.ts";

/** Parameters of requests about one path. */
export interface PathParams {
  /** Absolute native path or `file:` URI; paths in the answer have the same form. */
  path: string;
  /** A confinement; one that cannot be enforced is refused. */
  sandbox?: unknown;
}

/** Answers that are a path. */
export interface PathResult {
  path: string;
}

/** Parameters of `fs/readFile`. */
export interface ReadFileParams {
  path: string;
  sandbox?: unknown;
  /** False: a symbolic link anywhere in the path is an error. @default {true} */
  followSymlinks?: boolean;
  /** Ours (`fsRawBytes`): the bytes come raw in a binary message. @default {false} */
  raw?: boolean;
}

/** Answer of `fs/readFile`. */
export interface ReadFileResult {
  dataBase64: Uint8Array;
}

/** Parameters of `fs/writeFile`. An existing file keeps its inode, owner and mode. */
export interface WriteFileParams {
  path: string;
  dataBase64: Uint8Array;
  sandbox?: unknown;
  followSymlinks?: boolean;
  /**
   * Ours (`fsAtomicWrite`): an existing file is replaced by a new one of the same mode, so that nobody sees half of
   * it. New files are always made so. @default {false}
   */
  atomic?: boolean;
  /** Ours (`fsAtomicWrite`): the answer comes when file and folder are on disk. @default {false} */
  fsync?: boolean;
}

/** Parameters of `fs/createDirectory`. */
export interface CreateDirectoryParams {
  path: string;
  /** Makes missing parents, and takes an existing directory for success. @default {true} */
  recursive?: boolean;
  sandbox?: unknown;
  followSymlinks?: boolean;
}

/** Parameters of `fs/getMetadata`. */
export interface GetMetadataParams {
  path: string;
  sandbox?: unknown;
  /** False: describes the entry itself, and a symbolic link before it is an error. @default {true} */
  followSymlinks?: boolean;
}

/** Answer of `fs/getMetadata`: of the target, but for `isSymlink`. Times are whole milliseconds, 0 when not known. */
export interface GetMetadataResult {
  isDirectory: boolean;
  isFile: boolean;
  /** The path itself is a symbolic link. */
  isSymlink: boolean;
  /** Bytes; absent from servers up to 0.138.0. */
  size?: number;
  createdAtMs: number;
  modifiedAtMs: number;
  /** Ours: permission bits, with set-uid, set-gid and sticky. */
  mode?: number;
  /** Ours: numbers of owner and group. */
  uid?: number;
  gid?: number;
}

/** Parameters of `fs/remove`. A link is removed, never followed. */
export interface RemoveParams {
  path: string;
  /** Removes a directory with all that is in it; false: an empty one only. @default {true} */
  recursive?: boolean;
  /** Takes a missing path for success. @default {true} */
  force?: boolean;
  sandbox?: unknown;
  followSymlinks?: boolean;
}

/** Parameters of `fs/copy`. A directory is merged into an existing one, a link is copied as a link. */
export interface CopyParams {
  sourcePath: string;
  destinationPath: string;
  /** Must be true for a directory. */
  recursive: boolean;
  sandbox?: unknown;
}

/** Parameters of `fs/join`. */
export interface JoinParams {
  basePath: string;
  /** Relative to the base; an absolute one replaces it, and `~/…` is below the home directory. */
  path: string;
}

/** Parameters of `fs/parent`. */
export interface ParentParams {
  path: string;
}

/** Answer of `fs/parent`; null for the root. */
export interface ParentResult {
  path: string | null;
}

/** Parameters of `fs/rename`. */
export interface RenameParams {
  sourcePath: string;
  destinationPath: string;
  /** False: an existing destination is an error. @default {true} */
  replace?: boolean;
  sandbox?: unknown;
}

/** Parameters of `fs/chmod`. */
export interface ChmodParams {
  path: string;
  /** Permission bits, up to 0o7777. */
  mode: number;
  sandbox?: unknown;
  followSymlinks?: boolean;
}

/** Parameters of `fs/setTimes`. Times are milliseconds since 1970, fractions included. */
export interface SetTimesParams {
  path: string;
  modifiedAtMs: number;
  /** Unchanged when absent. */
  accessedAtMs?: number;
  sandbox?: unknown;
  followSymlinks?: boolean;
}

/** Parameters of `fs/symlink`. */
export interface SymlinkParams {
  /** Where the link is made. */
  path: string;
  /** The text of the link, which need not lead anywhere. */
  target: string;
  sandbox?: unknown;
}

/** Answer of `fs/readLink`: the text of the link. */
export interface ReadLinkResult {
  target: string;
  /** Present when the text is not UTF-8. */
  targetBase64?: Uint8Array;
}

const sandbox = nullish(anything);
const flag = nullish(boolean);

export const pathParams: Schema<PathParams> = object<PathParams>({ path: string, sandbox });

export const pathResult: Schema<PathResult> = object<PathResult>({ path: string });

export const readFileParams: Schema<ReadFileParams> = object<ReadFileParams>({
  path: string,
  sandbox,
  followSymlinks: flag,
  raw: flag,
});

export const readFileResult: Schema<ReadFileResult> = object<ReadFileResult>({ dataBase64: bytes });

export const writeFileParams: Schema<WriteFileParams> = object<WriteFileParams>({
  path: string,
  dataBase64: fileBytes,
  sandbox,
  followSymlinks: flag,
  atomic: flag,
  fsync: flag,
});

export const createDirectoryParams: Schema<CreateDirectoryParams> = object<CreateDirectoryParams>({
  path: string,
  recursive: flag,
  sandbox,
  followSymlinks: flag,
});

export const getMetadataParams: Schema<GetMetadataParams> = object<GetMetadataParams>({
  path: string,
  sandbox,
  followSymlinks: flag,
});

export const getMetadataResult: Schema<GetMetadataResult> = object<GetMetadataResult>({
  isDirectory: boolean,
  isFile: boolean,
  isSymlink: boolean,
  size: nullish(unsigned),
  createdAtMs: unsigned,
  modifiedAtMs: unsigned,
  mode: nullish(unsigned),
  uid: nullish(unsigned),
  gid: nullish(unsigned),
});

export const removeParams: Schema<RemoveParams> = object<RemoveParams>({
  path: string,
  recursive: flag,
  force: flag,
  sandbox,
  followSymlinks: flag,
});

export const copyParams: Schema<CopyParams> = object<CopyParams>({
  sourcePath: string,
  destinationPath: string,
  recursive: boolean,
  sandbox,
});

export const joinParams: Schema<JoinParams> = object<JoinParams>({ basePath: string, path: string });

export const parentParams: Schema<ParentParams> = object<ParentParams>({ path: string });

export const parentResult: Schema<ParentResult> = object<ParentResult>({ path: nullable(string) });

export const renameParams: Schema<RenameParams> = object<RenameParams>({
  sourcePath: string,
  destinationPath: string,
  replace: flag,
  sandbox,
});

export const chmodParams: Schema<ChmodParams> = object<ChmodParams>({
  path: string,
  mode: unsigned,
  sandbox,
  followSymlinks: flag,
});

export const setTimesParams: Schema<SetTimesParams> = object<SetTimesParams>({
  path: string,
  modifiedAtMs: number,
  accessedAtMs: nullish(number),
  sandbox,
  followSymlinks: flag,
});

export const symlinkParams: Schema<SymlinkParams> = object<SymlinkParams>({
  path: string,
  target: string,
  sandbox,
});

export const readLinkResult: Schema<ReadLinkResult> = object<ReadLinkResult>({
  target: string,
  targetBase64: nullish(bytes),
});
