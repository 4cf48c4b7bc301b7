/** Shapes of `fs/*` about changes. */

import {
  anything,
  array,
  boolean,
  nullish,
  object,
  oneOf,
  type Schema,
  string,
  type U64,
  u64,
  unsigned,
} from "./schema.ts";

/** Parameters of `fs/watchMissing`. One watch a connection: another replaces it. */
export interface WatchMissingParams {
  /** Chosen by the client; comes back in the notification. */
  watchId: U64;
  /** 1 to 64 paths that must not exist. */
  missing: string[];
  /** A path that must exist. */
  present?: string;
  sandbox?: unknown;
}

/** Answer of `fs/watchMissing`. */
export interface WatchMissingResult {
  /** False: something is not as was said, and nothing is watched. */
  watching: boolean;
}

/** Notification `fs/missingChanged`: something that was missing may be there, or `present` has changed. Sent once. */
export interface MissingChangedParams {
  watchId: U64;
}

/** Parameters of `fs/watch`. */
export interface WatchParams {
  /** Chosen by the client, free on its connection; up to 32 bytes. */
  watchId: string;
  /** A directory or a file, which must exist. */
  path: string;
  /** Watches all directories below, also those made later. @default {false} */
  recursive?: boolean;
  /** How long changes are collected before they are told together, 0 to 10000. @default {50} */
  delayMs?: number;
  sandbox?: unknown;
}

/** Parameters of `fs/unwatch`. An unknown id is no error. */
export interface UnwatchParams {
  watchId: string;
}

/** A path and what became of it; a rename is `removed` and `created`. */
export interface FileChange {
  path: string;
  kind: "created" | "modified" | "removed";
}

/** Notification `fs/changed`. */
export interface ChangedParams {
  watchId: string;
  /** One entry a path, in the order of the first event. */
  changes: FileChange[];
  /** Present and true when events were lost: whatever is watched may have changed. */
  overflow?: boolean;
  /** Present and true when what was watched is gone; nothing follows. */
  ended?: boolean;
}

const sandbox = nullish(anything);
const flag = nullish(boolean);

export const watchMissingParams: Schema<WatchMissingParams> = object<WatchMissingParams>({
  watchId: u64,
  missing: array(string),
  present: nullish(string),
  sandbox,
});

export const watchMissingResult: Schema<WatchMissingResult> = object<WatchMissingResult>({
  watching: boolean,
});

export const missingChangedParams: Schema<MissingChangedParams> = object<MissingChangedParams>({
  watchId: u64,
});

export const watchParams: Schema<WatchParams> = object<WatchParams>({
  watchId: string,
  path: string,
  recursive: flag,
  delayMs: nullish(unsigned),
  sandbox,
});

export const unwatchParams: Schema<UnwatchParams> = object<UnwatchParams>({ watchId: string });

const fileChange: Schema<FileChange> = object<FileChange>({
  path: string,
  kind: oneOf("created", "modified", "removed"),
});

export const changedParams: Schema<ChangedParams> = object<ChangedParams>({
  watchId: string,
  changes: array(fileChange),
  overflow: flag,
  ended: flag,
});
