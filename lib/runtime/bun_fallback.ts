/**
 * Children on Bun where libc cannot be called as we do, which is everywhere but on Linux. What it lacks against
 * `spawn_child.ts` stands in ARCHITECTURE.md: pipes are socket pairs on POSIX systems, and a terminal cannot be paused.
 */

import process from "node:process";
import { nodeOs } from "./node_modules.ts";
import { errnoByName, osErrorText } from "./os_error.ts";
import { groupOf } from "./posix_spawn.ts";
import {
  type ByteSink,
  type ByteSource,
  type Child,
  type ExitStatus,
  SpawnError,
  type SpawnOptions,
  unknownEnd,
} from "./runtime.ts";

/** Who makes the terminals: Bun's own are exact, those of `bun-pty` are there on Windows too. */
export type TerminalMaker = "bun" | "bun-pty";

export const defaultTerminalMaker: TerminalMaker = process.platform === "win32" ? "bun-pty" : "bun";

/** @throws {SpawnError} */
export function spawnFallback(options: SpawnOptions, maker: TerminalMaker = defaultTerminalMaker): Child {
  if (!options.terminal) return spawnPipes(options);
  return maker === "bun" ? spawnTerminal(options) : spawnBunPty(options);
}

function spawnPipes(options: SpawnOptions): Child {
  const child = spawnOrThrow(options, () =>
    Bun.spawn([options.file, ...options.argv.slice(1)], {
      ...common(options),
      stdin: options.stdin === "pipe" ? "pipe" : "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const exited = exitOf(child);
  return {
    pid: child.pid,
    stdin: child.stdin ? new FileSink(child.stdin) : null,
    stdout: new StreamSource(child.stdout),
    stderr: new StreamSource(child.stderr),
    exited,
    signalGroup: signaller(child.pid, exited),
    resize: () => {},
    outputFiles: () => [],
  };
}

function spawnTerminal(options: SpawnOptions): Child {
  const output = new QueueSource();
  const child = spawnOrThrow(options, () =>
    Bun.spawn([options.file, ...options.argv.slice(1)], {
      ...common(options),
      // Made by the spawn and not before: only then the terminal ends with its last user.
      terminal: {
        cols: options.terminal!.columns,
        rows: options.terminal!.rows,
        data: (_terminal, bytes) => output.push(bytes.slice()),
        exit: () => output.end(),
      },
    }),
  );
  const terminal = child.terminal!;
  output.onCancel = () => terminal.close();
  const exited = exitOf(child);
  return {
    pid: child.pid,
    stdin: {
      // It takes everything and says nothing of what waits.
      pendingBytes: 0,
      write: async (bytes) => {
        if (terminal.closed) throw new Error("The stream is closed");
        terminal.write(bytes);
      },
      close: () => {},
      destroy: () => {},
    },
    stdout: output,
    stderr: null,
    exited,
    signalGroup: signaller(child.pid, exited),
    outputFiles: () => [],
    resize: ({ columns, rows }) => {
      if (!terminal.closed) terminal.resize(columns, rows);
    },
  };
}

/** What `bun-pty` cannot do: bytes that are not UTF-8, `argv[0]`, an environment without ours, the signal of an end. */
function spawnBunPty(options: SpawnOptions): Child {
  // Loaded here: it unpacks a library of its own.
  const { spawn } = require("bun-pty") as typeof import("bun-pty");
  const output = new QueueSource();
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const exit = Promise.withResolvers<ExitStatus>();
  const pty = spawnOrThrow(options, () =>
    spawn(options.file, options.argv.slice(1), {
      name: options.env.TERM ?? "xterm-256color",
      cols: options.terminal!.columns,
      rows: options.terminal!.rows,
      cwd: options.cwd,
      env: { ...options.env },
    }),
  );
  pty.onData((text) => output.push(encoder.encode(text)));
  pty.onExit(({ exitCode }) => {
    exit.resolve({ code: exitCode, signal: null });
    output.end();
  });
  return {
    pid: pty.pid,
    stdin: {
      pendingBytes: 0,
      write: async (bytes) => pty.write(decoder.decode(bytes, { stream: true })),
      close: () => {},
      destroy: () => {},
    },
    stdout: output,
    stderr: null,
    exited: exit.promise,
    signalGroup: signaller(pty.pid, exit.promise),
    outputFiles: () => [],
    resize: ({ columns, rows }) => pty.resize(columns, rows),
  };
}

function common(options: SpawnOptions): {
  argv0: string;
  cwd: string;
  env: Record<string, string>;
  detached: true;
} {
  return {
    argv0: options.argv[0] ?? options.file,
    cwd: options.cwd,
    env: { ...options.env },
    detached: true,
  };
}

function spawnOrThrow<T>(options: SpawnOptions, spawn: () => T): T {
  try {
    return spawn();
  } catch (error) {
    const errno = errnoByName.get((error as NodeJS.ErrnoException).code ?? "");
    if (errno !== undefined) throw new SpawnError(errno, osErrorText(errno));
    throw new SpawnError(
      0,
      `Cannot start ${options.file}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

async function exitOf(child: Bun.Subprocess): Promise<ExitStatus> {
  await child.exited;
  // The name of a signal; the types allow a number too.
  const name = child.signalCode as NodeJS.Signals | null;
  const signal = name === null ? null : (nodeOs().constants.signals[name] ?? null);
  // Bun tells nothing of an end by a signal that has no name, as those for real time.
  return signal === null ? { code: child.exitCode ?? unknownEnd.code, signal: null } : { code: null, signal };
}

/** Windows has no groups: there the process itself is ended. */
function signaller(pid: number, exited: Promise<unknown>): Child["signalGroup"] {
  let isWaitedFor = false;
  exited.then(() => {
    isWaitedFor = true;
  });
  if (process.platform !== "win32") return groupOf(pid, () => isWaitedFor);
  return (signal) => {
    try {
      return !isWaitedFor && process.kill(pid, signal);
    } catch {
      return false;
    }
  };
}

class StreamSource implements ByteSource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #done = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async read(): Promise<Uint8Array | null> {
    while (!this.#done) {
      const { done, value } = await this.#reader.read().catch(() => ({ done: true, value: undefined }));
      if (done || this.#done) break;
      if (value && value.length > 0) return value;
    }
    this.#done = true;
    return null;
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    this.#reader.cancel().catch(() => {});
  }
}

/** Bytes that are pushed by a callback and pulled here. */
class QueueSource implements ByteSource {
  readonly #queue: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;
  onCancel: () => void = () => {};

  push(bytes: Uint8Array): void {
    if (this.#ended || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async read(): Promise<Uint8Array | null> {
    while (this.#queue.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const bytes = this.#queue.shift();
    if (!bytes) this.onCancel();
    return bytes ?? null;
  }

  cancel(): void {
    this.#queue.length = 0;
    this.end();
    this.onCancel();
  }
}

class FileSink implements ByteSink {
  readonly #sink: Bun.FileSink;
  #pending = 0;
  #closed = false;
  #tail: Promise<void> = Promise.resolve();

  constructor(sink: Bun.FileSink) {
    this.#sink = sink;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.reject(new Error("The stream is closed"));
    this.#pending += bytes.length;
    const taken = this.#tail.then(async () => {
      try {
        await this.#sink.write(bytes);
        await this.#sink.flush();
      } finally {
        this.#pending -= bytes.length;
      }
    });
    this.#tail = taken.catch(() => {});
    return taken;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tail.then(() => this.#sink.end()).catch(() => {});
  }

  destroy(): void {
    this.close();
  }
}
