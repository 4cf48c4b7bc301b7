/** Shapes of `environment/*`: what kind of machine a server runs on, and what it can do. */

import {
  array,
  boolean,
  nullable,
  nullish,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  string,
} from "./schema.ts";

/** The shell that command lines are for. */
export interface ShellInfo {
  /** `bash`, `zsh`, `sh`, `powershell` or `cmd`. */
  name: string;
  path: string;
}

/**
 * What the server can do beyond the common methods. An absent member means no. Those that are ours alone are
 * marked; a client uses them only where they are advertised.
 */
export interface Capabilities {
  /** Ours: `process/closeStdin`. */
  processCloseStdin?: boolean;
  /** Ours: `process/resize`, and `terminalSize` in `process/start`. */
  processResize?: boolean;
  /** Ours: `process/signal` takes every signal of {@link SignalName}. */
  processSignals?: boolean;
  /** Ours: `outputWindowBytes` in `process/start` and the notification `process/consumed`. */
  processOutputWindow?: boolean;
  /** Ours: `sandbox` in `process/start` is enforced, or the start refused. */
  processSandbox?: boolean;
  /** Ours: `graceMs` in `process/terminate`. */
  processTerminateGrace?: boolean;
  /** `valueEnvVar` in the headers of `http/request`. */
  httpHeaderEnvVars?: boolean;
  /** Ours: `http/request/cancel`. */
  httpRequestCancel?: boolean;
  /** Ours: `windowBytes` in `http/request` and the notification `http/request/consumed`. */
  httpResponseWindow?: boolean;
  /** `fs/open` with `replace`, and `fs/writeBlock`. */
  fileWriteStreaming?: boolean;
  /** `fs/watchMissing`. */
  fsWatchMissing?: boolean;
  /** `fs/open` and its blocks under a `sandbox`. */
  sandboxedFileStreaming?: boolean;
  /** Ours: `fs/watch`, `fs/unwatch` and the notification `fs/changed`. */
  fsWatch?: boolean;
  /** Ours: `fs/search`, `fs/cancelSearch` and the notification `fs/searchMatches`. */
  fsSearch?: boolean;
  /** Ours: `fs/rename`. */
  fsRename?: boolean;
  /** Ours: `fs/chmod` and `fs/setTimes`. */
  fsChmod?: boolean;
  /** Ours: `fs/symlink` and `fs/readLink`. */
  fsSymlink?: boolean;
  /** Ours: `fs/hash`. */
  fsHash?: boolean;
  /** Ours: the mode `resume` of `fs/open`, and `keepBytes`. */
  fsResume?: boolean;
  /** Ours: `atomic` and `fsync` of `fs/writeFile`, `fsync` of `fs/close`. */
  fsAtomicWrite?: boolean;
  /** Ours: `listLinks` of `fs/readDirectory`. */
  fsListLinks?: boolean;
  /** Ours: bytes of files may come and go raw, in binary messages. Not over stdio. */
  fsRawBytes?: boolean;
  /** Ours: `process/list`, and `labels` in `process/start`. */
  processList?: boolean;
  /** Ours: `startOnce` in `process/start`. */
  processStartOnce?: boolean;
  /** Ours: `attach` in `initialize`, `process/attach` and `process/detach`. */
  sessionAttach?: boolean;
  /** Ours: `limits` in `process/start`, as far as they concern time and output. */
  processLimits?: boolean;
  /** Ours: a process is ended with all that it has started, as the process table knows it, not with its group only. */
  processTrees?: boolean;
  /** Ours: each process is in a control group, so that nothing that it has started can hide. */
  processCgroups?: boolean;
  /** Ours: those of `limits` in `process/start` that concern memory, processes and processor time. */
  processResourceLimits?: boolean;
}

/** What a server can confine programs with. */
export interface SandboxInfo {
  /** What works: `bubblewrap`, `names` (besides bubblewrap: new names), `landlock`, `seccomp`, `seatbelt`. */
  mechanisms: string[];
  /** Why the others do not. */
  missing: Record<string, string>;
}

/** Answer of `environment/info`, and `environmentInfo` in the answer of `initialize`. */
export interface EnvironmentInfo {
  shell: ShellInfo;
  /** Version of the server. Its presence says that paths are `file:` URIs. */
  executorVersion?: string;
  /** Stable name of the machine. */
  providerId?: string;
  /** Start directory of the server as a `file:` URI; null when it is gone. */
  cwd?: string | null;
  /** Home directory as a `file:` URI. */
  userHomeDir?: string;
  /** `linux`, `macos`, `windows`. */
  platformOs?: string;
  prependPathDirs?: string[];
  temporaryDirectories?: string[];
  tempDir?: string;
  capabilities?: Capabilities;
  /** Ours: not in the answer of `initialize`, as it is found out by trying. */
  sandbox?: SandboxInfo;
}

/** Answer of `environment/status`. */
export interface EnvironmentStatus {
  status: "ready";
}

const shellInfo: Schema<ShellInfo> = object<ShellInfo>({ name: string, path: string });

export const capabilities: Schema<Capabilities> = object<Capabilities>({
  processCloseStdin: optional(boolean),
  processResize: optional(boolean),
  processSignals: optional(boolean),
  processOutputWindow: optional(boolean),
  processSandbox: optional(boolean),
  processTerminateGrace: optional(boolean),
  httpHeaderEnvVars: optional(boolean),
  httpRequestCancel: optional(boolean),
  httpResponseWindow: optional(boolean),
  fileWriteStreaming: optional(boolean),
  fsWatchMissing: optional(boolean),
  sandboxedFileStreaming: optional(boolean),
  fsWatch: optional(boolean),
  fsSearch: optional(boolean),
  fsRename: optional(boolean),
  fsChmod: optional(boolean),
  fsSymlink: optional(boolean),
  fsHash: optional(boolean),
  fsResume: optional(boolean),
  fsAtomicWrite: optional(boolean),
  fsListLinks: optional(boolean),
  fsRawBytes: optional(boolean),
  processList: optional(boolean),
  processStartOnce: optional(boolean),
  sessionAttach: optional(boolean),
  processLimits: optional(boolean),
  processTrees: optional(boolean),
  processCgroups: optional(boolean),
  processResourceLimits: optional(boolean),
});

export const environmentInfo: Schema<EnvironmentInfo> = object<EnvironmentInfo>({
  shell: shellInfo,
  executorVersion: nullish(string),
  providerId: nullish(string),
  cwd: optional(nullable(string)),
  userHomeDir: nullish(string),
  platformOs: nullish(string),
  prependPathDirs: nullish(array(string)),
  temporaryDirectories: nullish(array(string)),
  tempDir: nullish(string),
  capabilities: nullish(capabilities),
  sandbox: nullish(object<SandboxInfo>({ mechanisms: array(string), missing: record(string) })),
});

export const environmentStatus: Schema<EnvironmentStatus> = object<EnvironmentStatus>({
  status: oneOf("ready"),
});
