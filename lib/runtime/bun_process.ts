/** Children on Bun: started by libc, read and written through `Bun.file(fd)`, waited for by pidfd. */

import { dlopen, type FFIFunction, ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import {
  F_DUPFD_CLOEXEC,
  F_SETFL,
  type Libc,
  libcNames,
  libcSignatures,
  O_NONBLOCK,
  optionalSignatures,
  SYS_PIDFD_OPEN,
  WNOHANG,
} from "./libc.ts";
import { decodeWaitStatus, posixSpawn, SharedFd, setTerminalSize, signalGroup } from "./posix_spawn.ts";
import {
  type ByteSink,
  type ByteSource,
  type Child,
  type ExitStatus,
  RuntimeUnsupported,
  type SpawnOptions,
} from "./runtime.ts";

/** A reader that goes on longer than this lets the event loop turn: a flood must not starve timers. */
const SLICE_MS = 1;
const POLL_MS = 5;

export function spawnOnBun(options: SpawnOptions): Child {
  const libc = loadLibc();
  const fds = posixSpawn(libc, options);
  const exited = exitOf(libc, fds.pid);
  const master = options.terminal ? new SharedFd(fds.stdout) : undefined;
  // The master is reader, writer and the handle for resizing: it is closed when both streams are done with it.
  const release = (fd: number) => (master ? master.share() : () => closeSync(fd));
  return {
    pid: fds.pid,
    stdin: fds.stdin === null ? null : new FdSink(libc, fds.stdin, release(fds.stdin)),
    stdout: new FdSource(fds.stdout, release(fds.stdout)),
    stderr: fds.stderr === null ? null : new FdSource(fds.stderr, release(fds.stderr)),
    exited,
    signalGroup: (signal) => signalGroup(fds.pid, signal),
    resize: (size) => {
      if (master?.open) setTerminalSize(libc, fds.stdout, size);
    },
  };
}

export function bunStdin(): ByteSource {
  return new FdSource(0, () => {});
}

export function bunStdout(): ByteSink {
  return new FdSink(loadLibc(), 1, () => {});
}

let loaded: Libc | undefined;

/** The C library, loaded at first use: a server that never starts a process does without. */
function loadLibc(): Libc {
  loaded ??= openLibc();
  return loaded;
}

function openLibc(): Libc {
  const types = { i32: "i32", usize: "usize", memory: "ptr", isize: "i64_fast" } as const;
  const table = (
    signatures: typeof libcSignatures | typeof optionalSignatures,
  ): Record<string, FFIFunction> =>
    Object.fromEntries(
      Object.entries(signatures).map(([name, { parameters, result }]) => [
        name,
        { args: parameters.map((parameter) => types[parameter]), returns: types[result] },
      ]),
    );
  for (const name of libcNames) {
    try {
      const { symbols } = dlopen(name, table(libcSignatures));
      const optional = openOptional(name, table(optionalSignatures));
      return {
        ...symbols,
        ...optional,
        addressOf: (memory: Uint8Array) => BigInt(ptr(memory)),
      } as unknown as Libc;
    } catch {
      // The next name; which of them exists depends on the distribution.
    }
  }
  throw new RuntimeUnsupported(`No C library among ${libcNames.join(", ")} can be loaded`);
}

function openOptional(name: string, table: Record<string, FFIFunction>): object {
  try {
    return dlopen(name, table).symbols;
  } catch {
    return {};
  }
}

/**
 * Settles when the process has ended. A pidfd becomes readable then, and reading it fails with EINVAL; Bun's
 * SIGCHLD comes 2 ms to 20 ms late.
 */
async function exitOf(libc: Libc, pid: number): Promise<ExitStatus> {
  const fd = libc.syscall(SYS_PIDFD_OPEN, pid, 0);
  if (fd >= 0) {
    libc.fcntl(fd, F_SETFL, O_NONBLOCK);
    const reader = Bun.file(fd).stream().getReader();
    while (await reader.read().catch(() => null));
    closeSync(fd);
  }
  const status = new Int32Array(1);
  // Without pidfd_open (Linux before 5.3) this loop is all there is.
  while (libc.waitpid(pid, new Uint8Array(status.buffer), WNOHANG) === 0) await Bun.sleep(POLL_MS);
  return decodeWaitStatus(status[0]!);
}

class FdSource implements ByteSource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #release: () => void;
  #sliceStart = 0;
  #done = false;

  constructor(fd: number, release: () => void) {
    this.#reader = Bun.file(fd).stream().getReader();
    this.#release = release;
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#done) return null;
    try {
      const now = performance.now();
      if (now - this.#sliceStart > SLICE_MS) {
        if (this.#sliceStart > 0) await new Promise<void>((resolve) => setImmediate(resolve));
        this.#sliceStart = performance.now();
      }
      const { done, value } = await this.#reader.read();
      if (!done && !this.#done) return value;
    } catch {
      // A terminal ends with EIO when the last of its holders has gone.
    }
    this.cancel();
    return null;
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    this.#reader.cancel().catch(() => {});
    this.#release();
  }
}

class FdSink implements ByteSink {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #release: () => void;
  /** Takes over when the descriptor is full; on a duplicate, since it closes what it was given at odd times. */
  #slow: { fd: number; writer: Bun.FileSink } | undefined;
  #tail: Promise<void> = Promise.resolve();
  #pending = 0;
  #state: "open" | "closing" | "closed" = "open";

  constructor(libc: Libc, fd: number, release: () => void) {
    this.#libc = libc;
    this.#fd = fd;
    this.#release = release;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#state !== "open") return Promise.reject(new Error("The stream is closed"));
    if (bytes.length === 0) return Promise.resolve();
    let rest = bytes;
    if (this.#pending === 0) {
      const written = this.#libc.write(this.#fd, bytes, bytes.length);
      if (written === bytes.length) return Promise.resolve();
      if (written > 0) rest = bytes.subarray(written);
    }
    this.#pending += rest.length;
    const taken = this.#tail.then(() => this.#writeSlowly(rest));
    this.#tail = taken.catch(() => {});
    return taken;
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#tail.then(() => this.destroy());
  }

  destroy(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#pending = 0;
    if (this.#slow) {
      const { fd, writer } = this.#slow;
      closeSync(fd);
      // Frees the writer; there is nothing left that it could flush.
      Promise.resolve(writer.end()).catch(() => {});
    }
    this.#release();
  }

  async #writeSlowly(bytes: Uint8Array): Promise<void> {
    try {
      if (this.#state === "closed") throw new Error("The stream is closed");
      if (!this.#slow) {
        const fd = this.#libc.fcntl(this.#fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) throw new Error("The stream cannot be duplicated");
        this.#slow = { fd, writer: Bun.file(fd).writer({ highWaterMark: 1 }) };
      }
      await this.#slow.writer.write(bytes);
      await this.#slow.writer.flush();
    } finally {
      this.#pending = Math.max(0, this.#pending - bytes.length);
    }
  }
}
