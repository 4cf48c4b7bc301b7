/** The C library calls that both runtimes make through their foreign function interface. Linux with glibc or musl. */

import { RuntimeUnsupported } from "./runtime.ts";

/** Which of them there is depends on the distribution. */
const names = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/**
 * What `open` makes of the name of the C library, for whichever it does not fail.
 * @throws {RuntimeUnsupported} There is none; or `open` has thrown that, to say that no other will do either.
 */
export function fromLibc<T>(open: (name: string) => T): T {
  for (const name of names) {
    try {
      return open(name);
    } catch (error) {
      if (error instanceof RuntimeUnsupported) throw error;
    }
  }
  throw new RuntimeUnsupported(`No C library among ${names.join(", ")} can be loaded`);
}

type Int = "i32";
type Size = "usize";
/** Memory that the call reads or writes; the caller keeps it alive until the call returns. */
type Memory = "memory";

interface Signature {
  readonly parameters: readonly (Int | Size | Memory)[];
  readonly result: Int | "isize";
}

/** Every symbol with its C types. `usize` and `isize` values stay below 2^53, so they are numbers here. */
export const libcSignatures = {
  pipe2: { parameters: ["memory", "i32"], result: "i32" },
  /** The memory by its address, so that no view is made for a place in the middle of it. */
  read: { parameters: ["i32", "usize", "usize"], result: "isize" },
  write: { parameters: ["i32", "memory", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "memory", "i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "usize", "memory"], result: "i32" },
  syscall: { parameters: ["usize", "usize", "usize", "usize", "usize", "usize"], result: "i32" },
  waitpid: { parameters: ["i32", "memory", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "memory"], result: "i32" },
  epoll_wait: { parameters: ["i32", "memory", "i32", "i32"], result: "i32" },
  sched_yield: { parameters: [], result: "i32" },
  signal: { parameters: ["i32", "usize"], result: "i32" },
  /** The last one is a mask of signals, or 0. */
  ppoll: { parameters: ["memory", "usize", "memory", "usize"], result: "i32" },
  eventfd: { parameters: ["i32", "i32"], result: "i32" },
  posix_openpt: { parameters: ["i32"], result: "i32" },
  grantpt: { parameters: ["i32"], result: "i32" },
  unlockpt: { parameters: ["i32"], result: "i32" },
  ptsname_r: { parameters: ["i32", "memory", "usize"], result: "i32" },
  posix_spawn: { parameters: ["memory", "memory", "memory", "memory", "memory", "memory"], result: "i32" },
  posix_spawnattr_init: { parameters: ["memory"], result: "i32" },
  posix_spawnattr_destroy: { parameters: ["memory"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["memory", "i32"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["memory", "memory"], result: "i32" },
  posix_spawnattr_setsigmask: { parameters: ["memory", "memory"], result: "i32" },
  posix_spawn_file_actions_init: { parameters: ["memory"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["memory"], result: "i32" },
  posix_spawn_file_actions_addopen: { parameters: ["memory", "i32", "memory", "i32", "i32"], result: "i32" },
  posix_spawn_file_actions_adddup2: { parameters: ["memory", "i32", "i32"], result: "i32" },
  posix_spawn_file_actions_addchdir_np: { parameters: ["memory", "memory"], result: "i32" },
} as const satisfies Record<string, Signature>;

/** Symbols that an older C library may lack: glibc has this one since 2.34, musl not at all. */
export const optionalSignatures = {
  posix_spawn_file_actions_addclosefrom_np: { parameters: ["memory", "i32"], result: "i32" },
} as const satisfies Record<string, Signature>;

type Arguments<T extends readonly unknown[]> = T extends readonly [infer First, ...infer Rest]
  ? [First extends Memory ? Uint8Array : number, ...Arguments<Rest>]
  : [];
type Call<S extends Signature> = (...args: Arguments<S["parameters"]>) => number;
type Calls<T extends Record<string, Signature>> = { [K in keyof T]: Call<T[K]> };

/** The loaded library. */
export interface Libc extends Calls<typeof libcSignatures>, Partial<Calls<typeof optionalSignatures>> {
  /** Where the memory is. Valid while the array is alive. */
  addressOf(memory: Uint8Array): bigint;
  /** `syscall` with as many arguments as there can be; memory by its address. Loaded at the first use. */
  systemCall(number: number, ...args: readonly (number | bigint)[]): number;
  /** Of the last call that failed, until the next one. Loaded at the first use. */
  errno(): number;
}

const encoder = new TextEncoder();

/** A text as the calls take it: UTF-8 with a zero at the end. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/** How many arguments a system call can have, its number included. */
export const SYSTEM_CALL_ARGUMENTS = 7;

/** Flags that are the same on x86-64 and arm64. */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const F_SETFL = 4;
export const F_SETPIPE_SZ = 1031;
export const F_DUPFD_CLOEXEC = 1030;
export const F_ADD_SEALS = 1033;
export const SOL_SOCKET = 1;
export const SO_RCVLOWAT = 18;
export const TIOCSWINSZ = 0x5414;
/** The same on every architecture. */
export const SYS_PIDFD_OPEN = 434;
export const WNOHANG = 1;
export const SIGCHLD = 17;
export const SIG_DFL = 0;
export const POSIX_SPAWN_SETSIGDEF = 0x04;
export const POSIX_SPAWN_SETSIGMASK = 0x08;
export const POSIX_SPAWN_SETSID = 0x80;
