/** Commands for an agent: run one, look at it after a while, type into it, look again. */

import type { StartOptions } from "../client/client.ts";
import type { EnvironmentInfo, ShellInfo } from "../protocol/environment.ts";
import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import { type ExecProcess, ExecSession } from "./exec_session.ts";
import type { ProcessState } from "./process_state.ts";
import { shellAt, shellCommand } from "./shell_command.ts";

/** Where commands run: an `Environment`, a `Client`, or what looks like one. */
export interface ExecTarget {
  start(options: StartOptions): Promise<ExecProcess>;
  /** Tells of the shell for command lines. Without it, or on servers that do not tell, it is `/bin/sh`. */
  info?(): Promise<Pick<EnvironmentInfo, "shell">>;
}

/** Settings of a {@link UnifiedExec}. */
export interface UnifiedExecOptions {
  /** Commands at a time. Above it the oldest that has ended is forgotten, with output that nobody asked for. @default {64} */
  maxSessions?: number;
  /** For the answer to a start, connecting included, and to a write. @default {60_000} */
  callTimeoutMs?: number;
  /**
   * How long after the end of a program its last output is waited for. It comes at once, unless something that the
   * program has left behind holds its output. @default {1_000}
   */
  trailingOutputMs?: number;
}

/** What to run. */
export interface ExecCommandOptions {
  /** A command line for the shell, or program and arguments. */
  command: string | readonly string[];
  /** Absolute native path. @default The working directory of the server. */
  cwd?: string;
  /** Variables laid over those of the server. */
  env?: Readonly<Record<string, string>>;
  /** In a terminal of 80 by 24 characters, into which can be written. @default {false} */
  tty?: boolean;
  /** How long to wait for the end, in ms. @default {10_000} */
  yieldTimeMs?: number;
  /** How much output to give, in bytes; see {@link ExecResult.output}. @default {1_048_576} (1 MiB) */
  maxOutputBytes?: number;
  /** Path of the shell for a command line. @default The one of the environment. */
  shell?: string;
  /** A login shell, which reads the user's profile. @default {true} */
  login?: boolean;
}

/** What to write. */
export interface WriteStdinOptions {
  sessionId: number;
  /** Typed into the terminal; `"\u0003"` is Ctrl-C, also without a terminal. `""` only looks. @default {""} */
  chars?: string;
  /** How long to wait for the end, in ms. @default {250} */
  yieldTimeMs?: number;
  /** How much output to give, in bytes, at most what is kept between calls. @default {1_048_576} (1 MiB) */
  maxOutputBytes?: number;
}

/** How a command stands after a call. At least one of the three optional members is there. */
export interface ExecResult {
  /**
   * What was put out since the last call, as text: stdout and stderr as they came. Of too much, the first and the
   * last half of `maxOutputBytes`, and between them a line `[... 123 bytes omitted ...]`.
   */
  output: string;
  /** Bytes of output that are not in `output`. */
  omittedBytes: number;
  /** How long this call took, in ms. */
  wallTimeMs: number;
  /** The program has ended: its exit code, 128 + n after signal n. */
  exitCode?: number;
  /** The connection was lost, or the like: this is all output there is, and nothing more can be known. */
  failureMessage?: string;
  /**
   * Ask again with this: it still runs. With an `exitCode`, the program itself has ended but something it has left
   * behind holds its output, as a job in the background does.
   */
  sessionId?: number;
}

/** A command that has not been told of to its end. */
export interface ExecSessionInfo {
  sessionId: number;
  command: string | readonly string[];
  tty: boolean;
  /** Since its start, in ms. */
  ageMs: number;
  state: ProcessState;
  /** Output since the last call, in bytes. */
  unreadBytes: number;
}

const DEFAULT_OUTPUT_BYTES = 1024 * 1024;
const TERMINAL = { columns: 80, rows: 24 };
/** How long the end of a killed command is waited for. */
const KILL_MS = 5000;

/**
 * Commands as the shell tool of an agent wants them. The output of each is read all the time, so none is held back;
 * what nobody has asked for is kept up to 1 MiB, or `maxOutputBytes` of `execCommand` if that is more. Each byte is
 * told of once, also when two calls wait at a time.
 *
 * ```ts
 * await using exec = new UnifiedExec(environments.get("build-box"));
 * let result = await exec.execCommand({ command: "npm test", yieldTimeMs: 5000 });
 * while (result.sessionId !== undefined && result.exitCode === undefined) {
 *   result = await exec.writeStdin({ sessionId: result.sessionId, yieldTimeMs: 5000 });
 * }
 * ```
 */
export class UnifiedExec implements AsyncDisposable {
  readonly #target: ExecTarget;
  readonly #maxSessions: number;
  readonly #callTimeoutMs: number;
  readonly #trailingOutputMs: number;
  /** Oldest first. */
  readonly #sessions = new Map<number, ExecSession>();
  /** Ended and forgotten for the sake of others, but something that they have left behind may go on. */
  readonly #forgotten = new Set<ExecSession>();
  readonly #stop = new AbortController();
  #starting = 0;
  #lastId = 0;
  #closing: Promise<void> | undefined;

  constructor(target: ExecTarget, options: UnifiedExecOptions = {}) {
    this.#target = target;
    this.#maxSessions = options.maxSessions ?? 64;
    this.#callTimeoutMs = options.callTimeoutMs ?? 60_000;
    this.#trailingOutputMs = options.trailingOutputMs ?? 1000;
  }

  /**
   * Starts a command and waits for its end, up to the yield time. A lost connection is no error here: the result has
   * the output so far and a `failureMessage`.
   * @throws {RpcError} It did not start; the message is of the server's system.
   * @throws {ExecServerError} `ERR_TOO_MANY_SESSIONS`, `ERR_CALL_TIMEOUT` (one that starts all the same is killed),
   *   `ERR_CLOSED`, and those of connecting and starting.
   * @throws {RangeError} `maxOutputBytes` is no whole number.
   */
  async execCommand(options: ExecCommandOptions): Promise<ExecResult> {
    const began = performance.now();
    const { command, tty = false, yieldTimeMs = 10_000, maxOutputBytes = DEFAULT_OUTPUT_BYTES } = options;
    refuseBudget(maxOutputBytes);
    this.#refuseClosed();
    this.#makeRoom();
    this.#starting++;
    let session: ExecSession;
    try {
      session = new ExecSession(await this.#start(options), {
        id: ++this.#lastId,
        command,
        tty,
        maxBytes: Math.max(DEFAULT_OUTPUT_BYTES, maxOutputBytes),
        trailingOutputMs: this.#trailingOutputMs,
      });
      this.#sessions.set(session.options.id, session);
    } finally {
      this.#starting--;
    }
    // Closed between the start and here.
    if (this.#stop.signal.aborted) await session.terminate(KILL_MS).catch(() => {});
    await session.settle(yieldTimeMs);
    return this.#result(session, maxOutputBytes, began);
  }

  /**
   * Writes into a command, waits for its end up to the yield time, and gives the output since the last call. When
   * the call fails, the output is kept for the next. To one that has ended nothing is written: the result tells.
   * @throws {ExecServerError} `ERR_UNKNOWN_SESSION`, `ERR_STDIN_CLOSED` (as without a terminal), `ERR_DISCONNECTED`
   *   and `ERR_CALL_TIMEOUT` (whether it was written is not known).
   * @throws {RpcError} The server refused, as when too much waits already.
   * @throws {RangeError} `maxOutputBytes` is no whole number.
   */
  async writeStdin(options: WriteStdinOptions): Promise<ExecResult> {
    const began = performance.now();
    const { chars = "", yieldTimeMs = 250, maxOutputBytes = DEFAULT_OUTPUT_BYTES } = options;
    refuseBudget(maxOutputBytes);
    const session = this.#find(options.sessionId);
    if (chars !== "") await session.write(chars, this.#callTimeoutMs);
    await session.settle(yieldTimeMs);
    return this.#result(session, maxOutputBytes, began);
  }

  /** The commands that have not been told of to their end, oldest first. */
  list(): ExecSessionInfo[] {
    return [...this.#sessions.values()].map(({ options, startedAt, state, unreadBytes }) => ({
      sessionId: options.id,
      command: options.command,
      tty: options.tty,
      ageMs: Math.round(performance.now() - startedAt),
      state,
      unreadBytes,
    }));
  }

  /**
   * Kills a command and gives its last output. It is forgotten, unless it could not be seen to end in 5 s: then the
   * result has its `sessionId`.
   * @throws {ExecServerError} `ERR_UNKNOWN_SESSION`, `ERR_DISCONNECTED`: it may run on. Output is kept.
   */
  async terminate(sessionId: number): Promise<ExecResult> {
    const began = performance.now();
    const session = this.#find(sessionId);
    await session.terminate(KILL_MS);
    await session.settle(0);
    if (session.state.hasExited) this.#sessions.delete(sessionId);
    return this.#result(session, DEFAULT_OUTPUT_BYTES, began);
  }

  /** Kills all commands and waits for their ends, up to 5 s. Calls that wait get their results. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort(new ExecServerError("ERR_CLOSED", "Cannot go on: the unified exec was closed"));
    const sessions = [...this.#sessions.values(), ...this.#forgotten];
    this.#forgotten.clear();
    await Promise.all(sessions.map((session) => session.terminate(KILL_MS).catch(() => {})));
    this.#sessions.clear();
  }

  async #start(options: ExecCommandOptions): Promise<ExecProcess> {
    const abort = new AbortController();
    const given = Promise.withResolvers<never>();
    const giveUp = (error: unknown): void => {
      abort.abort(error);
      given.reject(error);
    };
    const onStop = (): void => giveUp(this.#stop.signal.reason);
    const timer = setTimeout(() => {
      const message = `Cannot start a command: no answer in ${this.#callTimeoutMs} ms`;
      giveUp(new ExecServerError("ERR_CALL_TIMEOUT", message));
    }, this.#callTimeoutMs);
    this.#stop.signal.addEventListener("abort", onStop, { once: true });
    const started = this.#startCommand(options, abort.signal);
    started.then((process) => (abort.signal.aborted ? process.terminate() : undefined)).catch(() => {});
    try {
      return await Promise.race([started, given.promise]);
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener("abort", onStop);
    }
  }

  async #startCommand(options: ExecCommandOptions, signal: AbortSignal): Promise<ExecProcess> {
    const { command, cwd, env, tty, login = true } = options;
    const argv =
      typeof command === "string" ? shellCommand(await this.#shell(options), command, login) : command;
    signal.throwIfAborted();
    return await this.#target.start({
      argv,
      signal,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
      ...(tty ? { terminal: TERMINAL } : {}),
    });
  }

  async #shell({ shell }: ExecCommandOptions): Promise<ShellInfo> {
    if (shell !== undefined) return shellAt(shell);
    try {
      const info = await this.#target.info?.();
      if (info) return info.shell;
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== rpcCode.methodNotFound) throw error;
    }
    return shellAt("/bin/sh");
  }

  #result(session: ExecSession, maxOutputBytes: number, began: number): ExecResult {
    const { isOver, state } = session;
    const { id } = session.options;
    const { text, omittedBytes } = session.take(maxOutputBytes);
    if (isOver) this.#sessions.delete(id);
    const goesOn = this.#sessions.has(id) || !state.hasExited;
    return {
      output: text,
      omittedBytes,
      wallTimeMs: Math.round(performance.now() - began),
      ...(state.exitCode === undefined ? {} : { exitCode: state.exitCode }),
      ...(state.failureMessage === undefined ? {} : { failureMessage: state.failureMessage }),
      ...(goesOn ? { sessionId: id } : {}),
    };
  }

  #find(sessionId: number): ExecSession {
    const session = this.#sessions.get(sessionId);
    if (session) return session;
    throw new ExecServerError(
      "ERR_UNKNOWN_SESSION",
      `No session ${sessionId}: it was told of to its end, had ended and was forgotten to make room, or never was`,
    );
  }

  /**
   * Forgets the oldest that have ended, first of all those of which nothing is left.
   * @throws {ExecServerError} `ERR_TOO_MANY_SESSIONS`
   */
  #makeRoom(): void {
    for (const session of this.#forgotten) if (session.isOver) this.#forgotten.delete(session);
    while (this.#sessions.size + this.#starting >= this.#maxSessions) {
      const sessions = [...this.#sessions.values()];
      const ended = sessions.find(({ isOver }) => isOver) ?? sessions.find(({ state }) => state.hasExited);
      if (!ended) {
        throw new ExecServerError(
          "ERR_TOO_MANY_SESSIONS",
          `Cannot start a command: ${this.#maxSessions} are running, which is the limit: terminate one`,
        );
      }
      this.#sessions.delete(ended.options.id);
      if (!ended.isOver) this.#forgotten.add(ended);
    }
  }

  #refuseClosed(): void {
    this.#stop.signal.throwIfAborted();
  }
}

function refuseBudget(maxOutputBytes: number): void {
  if (Number.isSafeInteger(maxOutputBytes) && maxOutputBytes >= 0) return;
  throw new RangeError(`Cannot give ${maxOutputBytes} bytes of output: expected a whole number, 0 or more`);
}
