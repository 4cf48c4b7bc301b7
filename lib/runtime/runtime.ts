/** What differs between Bun and Deno, behind one interface: children, TCP and the program's own stdio. */

import type { FileCalls } from "./file_calls.ts";

/** Bytes that are pulled. One `read()` at a time; what is not read stays where it is and holds the writer back. */
export interface ByteSource {
  /** The next bytes, never empty; null at the end. The array is the caller's to keep. */
  read(): Promise<Uint8Array | null>;
  /**
   * Gives all bytes to `take`, piece by piece, and settles at the end. A piece is `take`'s until it returns and no
   * longer, so that no array has to be made for it; what `take` returns is awaited before more is read. For sources
   * that gain by it; not to be mixed with `read()`.
   */
  lendAll?(take: (bytes: Uint8Array) => Promise<unknown> | undefined): Promise<void>;
  /** Gives the source up and frees its descriptor. A pending `read()` answers null. Idempotent. */
  cancel(): void;
}

/** Bytes that are pushed. */
export interface ByteSink {
  /**
   * Queues bytes behind those written before and resolves when all have been taken.
   * @throws {Error} The reader is gone (`code` is `EPIPE`), or the sink was closed. A terminal that nobody reads
   *   takes bytes until its buffer is full.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Bytes accepted and not yet taken. */
  readonly pendingBytes: number;
  /** The other side sees the end once what is pending has been taken. Idempotent. */
  close(): void;
  /** Drops what is pending and frees the descriptor. Idempotent. */
  destroy(): void;
}

/** The size of a terminal in characters. */
export interface TerminalSize {
  columns: number;
  rows: number;
}

/** What to start, fully resolved: nothing is looked up or inherited. */
export interface SpawnOptions {
  /** Path of the program. One with a slash in it is relative to `cwd`; there is no search. */
  file: string;
  /** All arguments, `argv[0]` included. */
  argv: readonly string[];
  /** The whole environment of the child. */
  env: Readonly<Record<string, string>>;
  /** Working directory of the child. */
  cwd: string;
  /** Without a terminal: `"null"` is `/dev/null`. Unused with a terminal. */
  stdin: "null" | "pipe";
  /** With it the child gets a controlling terminal of this size as stdin, stdout and stderr. */
  terminal?: TerminalSize;
  /** Descriptors of ours that are the child's 3, 4 and so on. Needs {@link Runtime.kernel}. */
  extraFds?: readonly number[];
  /** Begin with all signals blocked but SIGCHLD, so that they wait for a program further on. @default {false} */
  blockSignals?: boolean;
}

/** Calls to the system below what runtimes have, for who confines programs. Linux only. */
export interface Kernel {
  /** A file in memory with these bytes, which nobody can change. The descriptor is the caller's to close. */
  memoryFile(bytes: Uint8Array): number;
  /** Opens a path, close-on-exec, with the flags of Linux; below 0 where it fails. The runtimes' own numbers may be others. */
  open(path: string, flags: number): number;
  /** A pipe: we read, and the descriptor of the other end is the caller's to hand on and close. */
  pipe(): { source: ByteSource; writeFd: number };
  close(fd: number): void;
  /** One system call; memory is passed by its address. Answers below 0 where it fails. */
  call(number: number, ...args: readonly (number | Uint8Array)[]): number;
  /** The same, and the number of the error below 0. */
  attempt(number: number, ...args: readonly (number | Uint8Array)[]): number;
  /** Settles when a descriptor can be read, with whether the other side is gone. One wait at a time for each. */
  readable(fd: number): Promise<boolean>;
  /** Ends a wait, and closes. */
  forget(fd: number): void;
  /** A way to be given a descriptor by a program: the end for the program is the caller's to hand on and close. */
  handover(): { fd: number; receive: () => Promise<number | undefined> };
}

/** How a child ended: exactly one of the two is set. */
export interface ExitStatus {
  /** -1 where it is not known. */
  code: number | null;
  /** Number of the signal. */
  signal: number | null;
}

/** Of a child whose end nobody tells. */
export const unknownEnd: ExitStatus = { code: -1, signal: null };

/**
 * A running child: the leader of its own session and process group, with no descriptor but 0 to 2, all signals
 * at their defaults and none blocked.
 */
export interface Child {
  readonly pid: number;
  /** Standard input, or the terminal; null when it is `/dev/null`. */
  readonly stdin: ByteSink | null;
  /** Standard output, or all output of the terminal. */
  readonly stdout: ByteSource;
  /** Null with a terminal. */
  readonly stderr: ByteSource | null;
  /** Settles when the child has ended, whatever its descendants hold open. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Signals the child's process group; false when no process is left in it. */
  signalGroup(signal: number): boolean;
  /** Sets the size of the terminal; nothing without one. */
  resize(size: TerminalSize): void;
  /** Its output that is read still, as `/proc/PID/fd` names it (`pipe:[123]`, `/dev/pts/4`); empty where there is none. */
  outputFiles(): string[];
}

/** A program could not be started. Nothing was left behind. */
export class SpawnError extends Error {
  override readonly name = "SpawnError";
  /** Number of the operating system's error. */
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(message);
    this.errno = errno;
  }
}

/** This runtime or system lacks what the call needs. */
export class RuntimeUnsupported extends Error {
  override readonly name = "RuntimeUnsupported";
}

/** What a connection tells its owner. */
export interface StreamHandlers {
  /** Bytes came; they are the receiver's to keep, or to free with all their buffer. */
  data(bytes: Uint8Array): void;
  /** Everything written has been taken by the system. Called only after `pendingBytes` was above 0. */
  drain(): void;
  /** The connection is over, once, whoever ended it. `error` when it did not end by an orderly close. */
  close(error?: Error): void;
}

/** A TCP or TLS connection. */
export interface ByteStream {
  /** The addresses are known while it is open. */
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Queues bytes, which must not change any more. Ignored after the end. */
  write(bytes: Uint8Array): void;
  /** Queues bytes that are the caller's again when it returns. Ignored after the end. */
  writeBorrowed(bytes: Uint8Array): void;
  /** Bytes queued here because the system takes no more for now. */
  readonly pendingBytes: number;
  /**
   * Reads what else is there, straight into the memory: how many bytes, 0 for none; `data()` may then be late, until
   * more of what would fill the memory has come. Only within `data()`. Not every stream can.
   */
  readMore?(memory: Uint8Array): number;
  /** `data()` tells of whatever comes next, and of what is there, however little. */
  tellOfAll?(): void;
  /** Stops reading, so that the other side is held back. */
  pause(): void;
  resume(): void;
  /**
   * Ends the connection when everything queued has been sent. `data()` is not called any more, and the other side
   * has two seconds to end as well. Happens by itself when the other side ends.
   */
  end(): void;
  /** Ends the connection now. */
  destroy(): void;
  /** Whether the program goes on running for this connection alone. @default true */
  keepAwake(awake: boolean): void;
}

/** A listening TCP socket. */
export interface TcpListener {
  /** Address and port that were bound. */
  readonly hostname: string;
  readonly port: number;
  /** Accepts no more; connections live on. */
  close(): void;
}

export interface ListenOptions {
  /** An IP address. */
  hostname: string;
  /** 0 for a free one. */
  port: number;
}

export interface ConnectOptions {
  hostname: string;
  port: number;
  /** TLS, with the certificate checked against `hostname`. */
  tls: boolean;
  /** Gives up when it fires. */
  signal: AbortSignal;
}

/** One runtime. `tests/unit/runtime` holds both to the same behaviour. */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /**
   * Starts a program.
   * @throws {SpawnError} With the number of the system's error.
   */
  spawn(options: SpawnOptions): Child;
  /** Whether there are such calls as {@link files} gives, as far as can be told without loading them. */
  hasFiles(): boolean;
  /** The system's calls on files. @throws {RuntimeUnsupported} */
  files(): FileCalls;
  /** Undefined where the C library cannot be called, or is not that of Linux. */
  kernel(): Kernel | undefined;
  /** @throws {Error} The system's error, with its `code` (`EADDRINUSE`, …). */
  listen(options: ListenOptions, accept: (stream: ByteStream) => StreamHandlers): Promise<TcpListener>;
  /** @throws {Error} The system's error, or the signal's reason. */
  connect(options: ConnectOptions, handlers: (stream: ByteStream) => StreamHandlers): Promise<ByteStream>;
  /** The program's own standard input. */
  stdin(): ByteSource;
  /** The program's own standard output, which is not touched before. Closing it leaves the descriptor open. */
  stdout(): ByteSink;
  /** The program's own standard error. */
  stderr(): ByteSink;
  /** Command and first arguments that start this program again: `["/usr/bin/exec-server"]` when compiled. */
  selfCommand(): string[];
  /** Files and folders that starting this program again reads, besides those of the system. */
  selfFiles(): string[];
}

let chosen: Runtime | undefined;

/** The runtime we are on, loaded at the first call. */
export async function currentRuntime(): Promise<Runtime> {
  chosen ??=
    "Bun" in globalThis ? (await import("./bun.ts")).bunRuntime() : (await import("./deno.ts")).denoRuntime();
  return chosen;
}
