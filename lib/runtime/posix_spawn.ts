/** Starts a child by `posix_spawn`: its own session, real pipes or a controlling terminal, nothing inherited. */

import process from "node:process";
import {
  cString,
  F_DUPFD_CLOEXEC,
  F_SETFL,
  type Libc,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  POSIX_SPAWN_SETSID,
  POSIX_SPAWN_SETSIGDEF,
  POSIX_SPAWN_SETSIGMASK,
  SIGCHLD,
  TIOCSWINSZ,
} from "./libc.ts";
import { osErrorText } from "./os_error.ts";
import { type ExitStatus, SpawnError, type SpawnOptions, type TerminalSize } from "./runtime.ts";

/** A started child with our ends of its pipes, all non-blocking and close-on-exec. */
export interface SpawnedFds {
  pid: number;
  /** Write end; null with `/dev/null`. With a terminal, the master, as are the others. */
  stdin: number | null;
  stdout: number;
  /** Null with a terminal. */
  stderr: number | null;
  /** Path of the child's side of its terminal; null without one. */
  terminal: string | null;
}

const EINVAL = 22;
/** glibc needs 80 and 336 bytes, musl less. */
const FILE_ACTIONS_BYTES = 256;
const ATTRIBUTES_BYTES = 512;
/** The first descriptor behind stdin, stdout and stderr. */
const FIRST_EXTRA_FD = 3;
const SIGSET_BYTES = 128;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const allSignals = new Uint8Array(SIGSET_BYTES).fill(0xff);
const noSignals = new Uint8Array(SIGSET_BYTES);
const allButSigchld = allSignals.with((SIGCHLD - 1) >> 3, 0xff ^ (1 << ((SIGCHLD - 1) & 7)));
const devNull = cString("/dev/null");

/** @throws {SpawnError} Every descriptor made on the way has been closed. */
export function posixSpawn(libc: Libc, options: SpawnOptions): SpawnedFds {
  const strings = [options.file, options.cwd, ...options.argv, ...Object.entries(options.env).flat()];
  // It would end a string early, and give the rest to the next.
  if (strings.some((text) => text.includes("\0"))) {
    throw new SpawnError(EINVAL, "nul byte found in provided data");
  }
  const open: number[] = [];
  const actions = new Uint8Array(FILE_ACTIONS_BYTES);
  const attributes = new Uint8Array(ATTRIBUTES_BYTES);
  const close = (fd: number): void => {
    open.splice(open.indexOf(fd), 1);
    libc.close(fd);
  };
  libc.posix_spawn_file_actions_init(actions);
  libc.posix_spawnattr_init(attributes);
  try {
    libc.posix_spawnattr_setflags(
      attributes,
      POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK,
    );
    libc.posix_spawnattr_setsigdefault(attributes, allSignals);
    libc.posix_spawnattr_setsigmask(attributes, options.blockSignals ? allButSigchld : noSignals);
    const made = options.terminal
      ? terminalActions(libc, actions, open, options.terminal)
      : pipeActions(libc, actions, open, options.stdin);
    check(libc.posix_spawn_file_actions_addchdir_np(actions, cString(options.cwd)));
    const extra = options.extraFds ?? [];
    passOn(libc, actions, open, extra);
    libc.posix_spawn_file_actions_addclosefrom_np?.(actions, FIRST_EXTRA_FD + extra.length);
    const argv = stringArray(libc, options.argv);
    const envp = stringArray(
      libc,
      Object.entries(options.env).map(([name, value]) => `${name}=${value}`),
    );
    const pid = new Int32Array(1);
    check(
      libc.posix_spawn(
        new Uint8Array(pid.buffer),
        cString(options.file),
        actions,
        attributes,
        argv.pointers,
        envp.pointers,
      ),
    );
    // The strings are reached by address only, which no garbage collector sees.
    argv.keepAlive();
    envp.keepAlive();
    const kept = new Set([made.stdin, made.stdout, made.stderr]);
    for (const fd of open.filter((each) => !kept.has(each))) close(fd);
    for (const fd of kept) {
      if (fd !== null) libc.fcntl(fd, F_SETFL, O_NONBLOCK | (options.terminal ? O_RDWR : 0));
    }
    return {
      pid: pid[0]!,
      stdin: made.stdin,
      stdout: made.stdout,
      stderr: made.stderr,
      terminal: made.terminal,
    };
  } catch (error) {
    for (const fd of [...open]) close(fd);
    throw error;
  } finally {
    libc.posix_spawn_file_actions_destroy(actions);
    libc.posix_spawnattr_destroy(attributes);
  }
}

/** Sets the size of a terminal and sends SIGWINCH to its foreground group. */
export function setTerminalSize(libc: Libc, master: number, size: TerminalSize): void {
  libc.ioctl(master, TIOCSWINSZ, new Uint8Array(new Uint16Array([size.rows, size.columns, 0, 0]).buffer));
}

interface Ends {
  terminal: string | null;
  stdin: number | null;
  stdout: number;
  stderr: number | null;
}

function terminalActions(libc: Libc, actions: Uint8Array, open: number[], size: TerminalSize): Ends {
  const master = orThrow(libc, () => libc.posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  open.push(master);
  const name = new Uint8Array(128);
  orThrow(libc, () => libc.grantpt(master));
  orThrow(libc, () => libc.unlockpt(master));
  check(libc.ptsname_r(master, name, name.length));
  setTerminalSize(libc, master, size);
  // File actions run after setsid, so this open gives the child its controlling terminal.
  check(libc.posix_spawn_file_actions_addopen(actions, 0, name, O_RDWR, 0));
  check(libc.posix_spawn_file_actions_adddup2(actions, 0, 1));
  check(libc.posix_spawn_file_actions_adddup2(actions, 0, 2));
  const terminal = decoder.decode(name.subarray(0, name.indexOf(0)));
  return { stdin: master, stdout: master, stderr: null, terminal };
}

function pipeActions(libc: Libc, actions: Uint8Array, open: number[], stdin: "null" | "pipe"): Ends {
  const pipe = (): [read: number, write: number] => {
    const ends = new Int32Array(2);
    orThrow(libc, () => libc.pipe2(new Uint8Array(ends.buffer), O_CLOEXEC));
    open.push(ends[0]!, ends[1]!);
    return [ends[0]!, ends[1]!];
  };
  const input = stdin === "pipe" ? pipe() : null;
  const output = pipe();
  const errors = pipe();
  if (input) check(libc.posix_spawn_file_actions_adddup2(actions, input[0], 0));
  else check(libc.posix_spawn_file_actions_addopen(actions, 0, devNull, O_RDONLY, 0));
  check(libc.posix_spawn_file_actions_adddup2(actions, output[1], 1));
  check(libc.posix_spawn_file_actions_adddup2(actions, errors[1], 2));
  return { stdin: input ? input[1] : null, stdout: output[0], stderr: errors[0], terminal: null };
}

/** Makes descriptors of ours the child's 3, 4, … A source below these would be overwritten before its turn. */
function passOn(libc: Libc, actions: Uint8Array, open: number[], sources: readonly number[]): void {
  const end = FIRST_EXTRA_FD + sources.length;
  for (const [i, source] of sources.entries()) {
    let fd = source;
    if (source < end) {
      fd = orThrow(libc, () => libc.fcntl(source, F_DUPFD_CLOEXEC, end));
      open.push(fd);
    }
    check(libc.posix_spawn_file_actions_adddup2(actions, fd, FIRST_EXTRA_FD + i));
  }
}

function check(errno: number): void {
  if (errno !== 0) throw spawnError(errno);
}

/** What the call answers. One that fails is made again: `errno` has to be looked for at first, which may set it. */
function orThrow(libc: Libc, call: () => number): number {
  const result = call();
  if (result >= 0) return result;
  libc.errno();
  const again = call();
  if (again < 0) throw spawnError(libc.errno());
  return again;
}

function spawnError(errno: number): SpawnError {
  return new SpawnError(errno, osErrorText(errno));
}

/** A NULL-terminated `char *[]` over one block of memory. */
function stringArray(libc: Libc, strings: readonly string[]): { pointers: Uint8Array; keepAlive(): void } {
  const block = encoder.encode(strings.length === 0 ? "\0" : `${strings.join("\0")}\0`);
  const base = libc.addressOf(block);
  const pointers = new BigUint64Array(strings.length + 1);
  let offset = 0;
  for (let i = 0; i < strings.length; i++) {
    pointers[i] = base + BigInt(offset);
    offset = block.indexOf(0, offset) + 1;
  }
  return { pointers: new Uint8Array(pointers.buffer), keepAlive: () => void block[0] };
}

/** Exit code or signal out of the status that `waitpid` gives. */
export function decodeWaitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal };
}

/**
 * Signals the group of a child; false when it has no process left.
 * @param isWaitedFor Whether the child has ended and has been waited for.
 */
export function groupOf(pid: number, isWaitedFor: () => boolean): (signal: number) => boolean {
  let isLeft = true;
  return (signal) => {
    // A number that is in use again was free: nobody is left of the group, and who is called so now is a stranger.
    if (isLeft && isWaitedFor() && reaches(pid, 0)) isLeft = false;
    if (isLeft) isLeft = reaches(-pid, signal);
    return isLeft;
  };
}

/** Whether there is somebody to send it to. */
function reaches(target: number, signal: number): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (error) {
    // EPERM: there is, and not ours to signal.
    return (error as { code?: string }).code === "EPERM";
  }
}

/** A descriptor with several users, closed when the last lets go. */
export class SharedFd {
  readonly #close: () => void;
  #users = 0;
  open = true;

  constructor(close: () => void) {
    this.#close = close;
  }

  /** One more user; the answer lets go. */
  share(): () => void {
    this.#users++;
    return () => {
      if (--this.#users > 0) return;
      this.open = false;
      this.#close();
    };
  }
}
