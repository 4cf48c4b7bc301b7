/** Shapes of `fs/*` about many files: listing, walking, searching. */

import {
  anything,
  array,
  boolean,
  bytes,
  nullish,
  object,
  oneOf,
  optional,
  type Schema,
  string,
  unsigned,
} from "./schema.ts";

/** Parameters of `fs/readDirectory`. */
export interface ReadDirectoryParams {
  path: string;
  sandbox?: unknown;
  /**
   * Ours (`fsListLinks`): entries describe themselves, not what they lead to, so links that lead nowhere are listed
   * too. @default {false}
   */
  listLinks?: boolean;
}

/** One entry of a directory; both flags are false for what is neither. */
export interface DirectoryEntry {
  fileName: string;
  isDirectory: boolean;
  isFile: boolean;
  /** Ours: present and true for a symbolic link where `listLinks` was asked for. */
  isSymlink?: boolean;
  /** Ours: the bytes of a name that is not UTF-8, which `fileName` shows with replacement characters. */
  fileNameBase64?: Uint8Array;
}

/** Answer of `fs/readDirectory`, sorted by the bytes of the names. */
export interface ReadDirectoryResult {
  entries: DirectoryEntry[];
}

/** Bounds of `fs/walk`. */
export interface WalkOptions {
  /** Levels below the root's own entries; 0 to 64. */
  maxDepth: number;
  /** 1 to 10000. */
  maxDirectories: number;
  /** 1 to 50000. */
  maxEntries: number;
  /** Lists links to directories, and enters each real directory once. */
  followDirectorySymlinks: boolean;
  /** Lists directories whose names begin with a dot, but does not enter them. @default {false} */
  pruneHiddenDirectories?: boolean;
}

/** Parameters of `fs/walk`. */
export interface WalkParams {
  path: string;
  options: WalkOptions;
  sandbox?: unknown;
}

/** One entry of a tree. */
export interface WalkEntry {
  path: string;
  kind: "file" | "directory";
}

/** A directory that could not be read. */
export interface WalkError {
  path: string;
  message: string;
}

/** Answer of `fs/walk`: level by level, siblings by the bytes of their names, the root itself not listed. */
export interface WalkResult {
  entries: WalkEntry[];
  errors: WalkError[];
  /** A limit was met, and more is there. */
  truncated: boolean;
}

/** Parameters of `fs/search`. */
export interface SearchParams {
  /** Chosen by the client, free on its connection; up to 32 bytes. */
  searchId: string;
  /** A directory or a file. */
  path: string;
  /** What lines are searched for. */
  query: string;
  /** `query` is a regular expression in the syntax of RE2; false: plain text. @default {true} */
  regex?: boolean;
  /** @default {true} */
  caseSensitive?: boolean;
  /** Only files of which the path below `path` fits one of these globs; a glob without `/` fits the name. */
  include?: string[];
  /** No files or directories that fit one of these. */
  exclude?: string[];
  /** Looks into files and directories whose names begin with a dot. @default {false} */
  hidden?: boolean;
  /** Ends after so many matching lines. @default {10000} */
  maxMatches?: number;
  /** Skips larger files. No limit by default. */
  maxFileBytes?: number;
  sandbox?: unknown;
}

/** A line that matches. */
export interface SearchMatch {
  path: string;
  /** From 1. */
  line: number;
  /** Byte of the line at which the first match begins, from 1. */
  column: number;
  /** The line without its end, at most 1000 characters of it. */
  text: string;
}

/** Notification `fs/searchMatches`: matches as they are found, all of them before the answer. */
export interface SearchMatchesParams {
  searchId: string;
  matches: SearchMatch[];
}

/** Parameters of `fs/cancelSearch`. The search answers with what it has. An unknown id is no error. */
export interface CancelSearchParams {
  searchId: string;
}

/** Answer of `fs/search`, when it is over. */
export interface SearchResult {
  /** Lines that matched, as notified. */
  matches: number;
  /** Not all was searched: a limit was met, or the search was cancelled. */
  truncated: boolean;
  /** What could not be read. */
  errors: WalkError[];
  /** What searched: `ripgrep` when the machine has it. */
  engine: "ripgrep" | "builtin";
}

const sandbox = nullish(anything);
const flag = nullish(boolean);

export const readDirectoryParams: Schema<ReadDirectoryParams> = object<ReadDirectoryParams>({
  path: string,
  sandbox,
  listLinks: flag,
});

const directoryEntry: Schema<DirectoryEntry> = object<DirectoryEntry>({
  fileName: string,
  isDirectory: boolean,
  isFile: boolean,
  isSymlink: flag,
  fileNameBase64: nullish(bytes),
});

export const readDirectoryResult: Schema<ReadDirectoryResult> = object<ReadDirectoryResult>({
  entries: array(directoryEntry),
});

const walkOptions: Schema<WalkOptions> = object<WalkOptions>({
  maxDepth: unsigned,
  maxDirectories: unsigned,
  maxEntries: unsigned,
  followDirectorySymlinks: boolean,
  pruneHiddenDirectories: optional(boolean),
});

export const walkParams: Schema<WalkParams> = object<WalkParams>({
  path: string,
  options: walkOptions,
  sandbox,
});

const walkEntry: Schema<WalkEntry> = object<WalkEntry>({ path: string, kind: oneOf("file", "directory") });

const walkError: Schema<WalkError> = object<WalkError>({ path: string, message: string });

export const walkResult: Schema<WalkResult> = object<WalkResult>({
  entries: array(walkEntry),
  errors: array(walkError),
  truncated: boolean,
});

export const searchParams: Schema<SearchParams> = object<SearchParams>({
  searchId: string,
  path: string,
  query: string,
  regex: flag,
  caseSensitive: flag,
  include: nullish(array(string)),
  exclude: nullish(array(string)),
  hidden: flag,
  maxMatches: nullish(unsigned),
  maxFileBytes: nullish(unsigned),
  sandbox,
});

const searchMatch: Schema<SearchMatch> = object<SearchMatch>({
  path: string,
  line: unsigned,
  column: unsigned,
  text: string,
});

export const searchMatchesParams: Schema<SearchMatchesParams> = object<SearchMatchesParams>({
  searchId: string,
  matches: array(searchMatch),
});

export const cancelSearchParams: Schema<CancelSearchParams> = object<CancelSearchParams>({
  searchId: string,
});

export const searchResult: Schema<SearchResult> = object<SearchResult>({
  matches: unsigned,
  truncated: boolean,
  errors: array(walkError),
  engine: oneOf("ripgrep", "builtin"),
});
