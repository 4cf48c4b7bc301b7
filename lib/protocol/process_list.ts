/** Shapes of `process/list`, `process/attach` and `process/detach`: what a session has, and who looks on. */

import { type LimitName, limitName } from "./process_limits.ts";
import {
  array,
  boolean,
  integer,
  nullable,
  nullish,
  object,
  oneOf,
  record,
  type Schema,
  string,
  unsigned,
} from "./schema.ts";

/** A process of the session, as `process/list` has it. */
export interface ProcessSummary {
  processId: string;
  argv: string[];
  /** Number on the server's system. */
  pid: number;
  /** It has a terminal. */
  tty: boolean;
  /** `exited`: the program has ended, and somebody holds its output. `closed`: it can still be read for a while. */
  state: "running" | "exited" | "closed";
  /** By the server's clock, in milliseconds since 1970. */
  startedAtMs: number;
  exitCode: number | null;
  /** The signal that ended it, such as `SIGKILL`. */
  signal?: string;
  /** The limit that ended it. */
  endedBy?: LimitName;
  /** Output so far, retained or not. */
  outputBytes: number;
  /** Input taken so far. */
  inputBytes: number;
  /** Connections that get its events. */
  attached: number;
  /** Those of its start. */
  labels: Record<string, string>;
}

/** Answer of `process/list`. */
export interface ListResult {
  /** In the order of their starts. */
  processes: ProcessSummary[];
}

const processSummary: Schema<ProcessSummary> = object<ProcessSummary>({
  processId: string,
  argv: array(string),
  pid: unsigned,
  tty: boolean,
  state: oneOf("running", "exited", "closed"),
  startedAtMs: unsigned,
  exitCode: nullable(integer),
  signal: nullish(string),
  endedBy: nullish(limitName),
  outputBytes: unsigned,
  inputBytes: unsigned,
  attached: unsigned,
  labels: record(string),
});

export const listResult: Schema<ListResult> = object<ListResult>({ processes: array(processSummary) });

/** Parameters of `process/attach`. */
export interface AttachParams {
  processId: string;
  /** Only events after this number. @default {0} */
  afterSeq?: number;
}

/** Answer of `process/attach`; the events follow, those that are retained first. */
export interface AttachResult {
  /** The number that the next event will get. */
  nextSeq: number;
}

/** Parameters of `process/detach`. */
export interface DetachParams {
  processId: string;
}

export const attachParams: Schema<AttachParams> = object<AttachParams>({
  processId: string,
  afterSeq: nullish(unsigned),
});

export const attachResult: Schema<AttachResult> = object<AttachResult>({ nextSeq: unsigned });

export const detachParams: Schema<DetachParams> = object<DetachParams>({ processId: string });
