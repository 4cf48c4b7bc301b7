/** Shapes of `process/*`. */

import { type LimitName, limitName, type StartLimits, startLimits } from "./process_limits.ts";
import { type Sandbox, sandbox } from "./sandbox.ts";
import {
  array,
  boolean,
  bytes,
  integer,
  nullable,
  nullish,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  string,
  unsigned,
} from "./schema.ts";

/** Where a piece of output came from; all output of a terminal is `pty`. */
export type OutputStream = "stdout" | "stderr" | "pty";

/** How the environment of a child is made from the server's, before `env` of the start is laid over it. */
export interface EnvPolicy {
  /** What to begin with: everything, nothing, or the names that a shell needs. */
  inherit: "all" | "core" | "none";
  /** True keeps names that match `*KEY*`, `*SECRET*` or `*TOKEN*`. */
  ignoreDefaultExcludes: boolean;
  /** Patterns of names to drop: `*`, `?`, no matter the case. */
  exclude: string[];
  /** Added after the exclusions. */
  set: Record<string, string>;
  /** When not empty, only names that match one of these patterns stay. */
  includeOnly: string[];
}

/** The size of a terminal in characters. */
export interface TerminalSizeParams {
  columns: number;
  rows: number;
}

/** Who asked for the process; both become variables of the child, above `env`. */
export interface StartMetadata {
  /** `CODEX_TOOL_CALL_ID`. */
  toolCallId?: string;
  /** A UUID: `CODEX_THREAD_ID`. */
  threadId?: string;
}

/** Parameters of `process/start`. */
export interface StartParams {
  /** Handle for all further calls, chosen by the client, free in its session. Any string. */
  processId: string;
  /** Program and arguments; not empty. */
  argv: string[];
  /** Absolute native path or `file:` URI. */
  cwd: string;
  /** Variables of the child: all of them without `envPolicy`, else laid over its result. */
  env: Record<string, string>;
  /** True for a terminal, false for pipes. */
  tty: boolean;
  /** A pipe as stdin instead of `/dev/null`. @default {false} */
  pipeStdin?: boolean;
  envPolicy?: EnvPolicy;
  /** What the child sees as its own name; the program stays `argv[0]`. */
  arg0?: string;
  /** How far the process may reach; what cannot be enforced is refused. */
  sandbox?: Sandbox;
  /** Through a proxy of the server only, which the server here does not have: true is refused. */
  enforceManagedNetwork?: boolean;
  metadata?: StartMetadata;
  /** Ours (`processResize`): first size of the terminal. @default {columns: 80, rows: 24} */
  terminalSize?: TerminalSizeParams;
  /**
   * Ours (`processOutputWindow`): the process is held back while more than this many bytes of its output, or three
   * quarters of the pieces that the server retains, are not yet acknowledged by `process/consumed`, also while nobody is
   * attached; so nothing is lost as long as the window is below what the server retains, to which it is cut.
   */
  outputWindowBytes?: number;
  /** Ours (`processLimits`): what it may use. */
  limits?: StartLimits;
  /** Ours (`processList`): texts for whoever looks at the list, 16 KiB at most as JSON. */
  labels?: Record<string, string>;
  /**
   * Ours (`processStartOnce`): when a process of that id is there and was started by the same request, its start is
   * answered again, so that a request whose answer was lost can be repeated. @default {false}
   */
  startOnce?: boolean;
}

/** Answer of `process/start`: the program runs. */
export interface StartResult {
  processId: string;
  /** `none`, `linuxSeccomp`, `macosSeatbelt`, `windowsRestrictedToken`. */
  sandboxType?: string;
  /** Ours: true when an earlier request has started it, as with `startOnce`. */
  joined?: boolean;
}

/** Parameters of `process/read`. */
export interface ReadParams {
  processId: string;
  /** Only output after this sequence number. @default {0} */
  afterSeq?: number;
  /** Stop before more than this many raw bytes, but give one piece if there is one. No limit by default. */
  maxBytes?: number;
  /** How long to wait for something to tell. @default {0} */
  waitMs?: number;
}

/** A piece of output with its place. */
export interface OutputChunk {
  seq: number;
  stream: OutputStream;
  chunk: Uint8Array;
}

/** Answer of `process/read`. Exit and closing are as of now, not as of the last piece of output. */
export interface ReadResult {
  chunks: OutputChunk[];
  /** Read on with `afterSeq: nextSeq - 1`. */
  nextSeq: number;
  exited: boolean;
  exitCode: number | null;
  closed: boolean;
  failure: string | null;
  sandboxDenied?: boolean;
  /** Ours: the signal that ended it, as `SIGKILL`; absent if it ended by itself. */
  signal?: string;
  /** Ours: the limit of its start that was hit first. */
  endedBy?: LimitName;
  /** Ours: how many bytes after `afterSeq` were given up by the retention before `chunks[0]`; absent if none. */
  lostBytes?: number;
  /** Ours: true when more than `lostBytes` may be gone, because `afterSeq` is too long ago to tell. */
  lostBytesIsMinimum?: boolean;
}

/** Parameters of `process/write`. */
export interface WriteParams {
  processId: string;
  chunk: Uint8Array;
  /** Not empty. A repeated one is accepted and not written again. */
  writeId?: string;
}

export type WriteStatus = "accepted" | "starting" | "stdinClosed" | "unknownProcess";

/** Answer of `process/write`; `accepted` bytes are queued for the child. */
export interface WriteResult {
  status: WriteStatus;
}

/** Signals that `process/signal` takes; a server without `processSignals` takes `interrupt` only. */
export type SignalName =
  | "interrupt"
  | "hangup"
  | "quit"
  | "kill"
  | "terminate"
  | "user1"
  | "user2"
  | "stop"
  | "continue";

/** Parameters of `process/signal`. */
export interface SignalParams {
  processId: string;
  signal: SignalName;
}

/** Parameters of `process/terminate`. */
export interface TerminateParams {
  processId: string;
  /**
   * Ours (`processTerminateGrace`): everything that the process has started gets SIGTERM (on a terminal, what ignores
   * that gets SIGHUP), and what is left after so many milliseconds is killed. A later call can shorten the time. Zero kills at once.
   * @default {0}
   */
  graceMs?: number;
}

/** Answer of `process/terminate`. */
export interface TerminateResult {
  /** It was running and has been killed, or asked to end; absent from some servers. */
  running?: boolean;
}

/** Parameters of `process/resize`. */
export interface ResizeParams {
  processId: string;
  columns: number;
  rows: number;
}

/** Parameters of `process/closeStdin`. */
export interface CloseStdinParams {
  processId: string;
}

/** Notification `process/consumed`. */
export interface ConsumedParams {
  processId: string;
  /** The client is done with all output up to this number. */
  seq: number;
}

/** Notification `process/output`. */
export interface OutputParams {
  processId: string;
  seq: number;
  stream: OutputStream;
  chunk: Uint8Array;
}

/** Notification `process/exited`. The seq may be lower than that of trailing output. */
export interface ExitedParams {
  processId: string;
  seq: number;
  /** 128 + n after signal n. */
  exitCode: number;
  sandboxDenied?: boolean;
  /** Ours: the signal that ended it, as `SIGKILL`; absent if it ended by itself, which an `exitCode` above 128 may be. */
  signal?: string;
  /** Ours: the limit of its start that was hit first. */
  endedBy?: LimitName;
}

/** Notification `process/closed`: nothing more will come. Always the highest seq. */
export interface ClosedParams {
  processId: string;
  seq: number;
  /** Ours: the limit of its start that was hit first, also when the program had ended by itself before. */
  endedBy?: LimitName;
}

/** An answer without members. */
export type Empty = Record<never, never>;
export const empty: Schema<Empty> = object<Empty>({});

const envPolicy: Schema<EnvPolicy> = object<EnvPolicy>({
  inherit: oneOf("all", "core", "none"),
  ignoreDefaultExcludes: boolean,
  exclude: array(string),
  set: record(string),
  includeOnly: array(string),
});

const terminalSize: Schema<TerminalSizeParams> = object<TerminalSizeParams>({
  columns: unsigned,
  rows: unsigned,
});

export const startParams: Schema<StartParams> = object<StartParams>({
  processId: string,
  argv: array(string),
  cwd: string,
  env: record(string),
  tty: boolean,
  pipeStdin: optional(boolean),
  envPolicy: nullish(envPolicy),
  arg0: nullish(string),
  sandbox: nullish(sandbox),
  enforceManagedNetwork: optional(boolean),
  metadata: nullish(object<StartMetadata>({ toolCallId: nullish(string), threadId: nullish(string) })),
  terminalSize: nullish(terminalSize),
  outputWindowBytes: nullish(unsigned),
  limits: nullish(startLimits),
  labels: nullish(record(string)),
  startOnce: nullish(boolean),
});

export const startResult: Schema<StartResult> = object<StartResult>({
  processId: string,
  sandboxType: nullish(string),
  joined: nullish(boolean),
});

export const readParams: Schema<ReadParams> = object<ReadParams>({
  processId: string,
  afterSeq: nullish(unsigned),
  maxBytes: nullish(unsigned),
  waitMs: nullish(unsigned),
});

const outputStream: Schema<OutputStream> = oneOf("stdout", "stderr", "pty");

const outputChunk: Schema<OutputChunk> = object<OutputChunk>({
  seq: unsigned,
  stream: outputStream,
  chunk: bytes,
});

export const readResult: Schema<ReadResult> = object<ReadResult>({
  chunks: array(outputChunk),
  nextSeq: unsigned,
  exited: boolean,
  exitCode: nullable(integer),
  closed: boolean,
  failure: nullable(string),
  sandboxDenied: nullish(boolean),
  signal: nullish(string),
  endedBy: nullish(limitName),
  lostBytes: nullish(unsigned),
  lostBytesIsMinimum: nullish(boolean),
});

export const writeParams: Schema<WriteParams> = object<WriteParams>({
  processId: string,
  chunk: bytes,
  writeId: optional(string),
});

export const writeResult: Schema<WriteResult> = object<WriteResult>({
  status: oneOf("accepted", "starting", "stdinClosed", "unknownProcess"),
});

export const signalParams: Schema<SignalParams> = object<SignalParams>({
  processId: string,
  signal: oneOf("interrupt", "hangup", "quit", "kill", "terminate", "user1", "user2", "stop", "continue"),
});

export const terminateParams: Schema<TerminateParams> = object<TerminateParams>({
  processId: string,
  graceMs: nullish(unsigned),
});

export const terminateResult: Schema<TerminateResult> = object<TerminateResult>({
  running: nullish(boolean),
});

export const resizeParams: Schema<ResizeParams> = object<ResizeParams>({
  processId: string,
  columns: unsigned,
  rows: unsigned,
});

export const closeStdinParams: Schema<CloseStdinParams> = object<CloseStdinParams>({ processId: string });

export const consumedParams: Schema<ConsumedParams> = object<ConsumedParams>({
  processId: string,
  seq: unsigned,
});

export const outputParams: Schema<OutputParams> = object<OutputParams>({
  processId: string,
  seq: unsigned,
  stream: outputStream,
  chunk: bytes,
});

export const exitedParams: Schema<ExitedParams> = object<ExitedParams>({
  processId: string,
  seq: unsigned,
  exitCode: integer,
  sandboxDenied: nullish(boolean),
  signal: nullish(string),
  endedBy: nullish(limitName),
});

export const closedParams: Schema<ClosedParams> = object<ClosedParams>({
  processId: string,
  seq: unsigned,
  endedBy: nullish(limitName),
});
