/** The C library calls on files that both runtimes make. Linux with glibc or musl. */

import process from "node:process";

type Int = "i32";
type Size = "usize";
/** Memory that the call reads or writes; null where the call allows it. */
type Memory = "memory";

export interface Signature {
  readonly parameters: readonly (Int | Size | Memory)[];
  readonly result: Int | "isize" | "address";
}

/** Every symbol with its C types. What is called `isize` fits 32 bits: Linux moves at most 2 GiB in a call. */
export const fileSignatures = {
  __errno_location: { parameters: [], result: "address" },
  openat: { parameters: ["i32", "memory", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "memory", "usize"], result: "isize" },
  pread: { parameters: ["i32", "memory", "usize", "usize"], result: "isize" },
  pwrite: { parameters: ["i32", "memory", "usize", "usize"], result: "isize" },
  write: { parameters: ["i32", "memory", "usize"], result: "isize" },
  ftruncate: { parameters: ["i32", "usize"], result: "i32" },
  fsync: { parameters: ["i32"], result: "i32" },
  statx: { parameters: ["i32", "memory", "i32", "i32", "memory"], result: "i32" },
  mkdirat: { parameters: ["i32", "memory", "i32"], result: "i32" },
  /** The name by its address, as it may stand in the midst of something. */
  unlinkat: { parameters: ["i32", "usize", "i32"], result: "i32" },
  symlinkat: { parameters: ["memory", "i32", "memory"], result: "i32" },
  readlinkat: { parameters: ["i32", "memory", "memory", "usize"], result: "isize" },
  renameat: { parameters: ["i32", "memory", "i32", "memory"], result: "i32" },
  linkat: { parameters: ["i32", "memory", "i32", "memory", "i32"], result: "i32" },
  fchown: { parameters: ["i32", "i32", "i32"], result: "i32" },
  fchmod: { parameters: ["i32", "i32"], result: "i32" },
  fchmodat: { parameters: ["i32", "memory", "i32", "i32"], result: "i32" },
  utimensat: { parameters: ["i32", "memory", "memory", "i32"], result: "i32" },
  copy_file_range: { parameters: ["i32", "memory", "i32", "memory", "usize", "i32"], result: "isize" },
  /** Only for `getdents64`, which musl has under another name. */
  syscall: { parameters: ["usize", "i32", "memory", "usize"], result: "isize" },
  inotify_init1: { parameters: ["i32"], result: "i32" },
  inotify_add_watch: { parameters: ["i32", "memory", "i32"], result: "i32" },
  inotify_rm_watch: { parameters: ["i32", "i32"], result: "i32" },
} as const satisfies Record<string, Signature>;

/** Symbols that an older C library may lack. */
export const optionalFileSignatures = {
  preadv2: { parameters: ["i32", "memory", "i32", "usize", "i32"], result: "isize" },
  renameat2: { parameters: ["i32", "memory", "i32", "memory", "i32"], result: "i32" },
} as const satisfies Record<string, Signature>;

type Arguments<T extends readonly unknown[]> = T extends readonly [infer First, ...infer Rest]
  ? [
      First extends Memory ? Uint8Array | null : First extends Size ? number | bigint : number,
      ...Arguments<Rest>,
    ]
  : [];
type Call<S extends Signature> = (...args: Arguments<S["parameters"]>) => number;
type Calls<T extends Record<string, Signature>> = { [K in keyof T]: Call<T[K]> };

/** The loaded library with what goes on in the background. */
export interface FileLibc
  extends Omit<Calls<typeof fileSignatures>, "__errno_location">,
    Partial<Calls<typeof optionalFileSignatures>> {
  /**
   * The error of the last call that failed, to be asked for before anything else happens. It is read where the C
   * library keeps it, without another call: one made in between might set it.
   */
  errno(): number;
  /** Where the memory is. Valid while the array is alive. */
  addressOf(memory: Uint8Array): bigint;
  /** `pread` on another thread; -1 for a failure, whose reason the call made again here tells. */
  preadAside(fd: number, memory: Uint8Array, length: number, offset: number): Promise<number>;
  /** `pwrite` on another thread; as above. */
  pwriteAside(fd: number, memory: Uint8Array, length: number, offset: number): Promise<number>;
  /** `fsync` on another thread; as above. */
  fsyncAside(fd: number): Promise<number>;
  /** Settles when reading the descriptor would get on, and answers true when it will never. One at a time. */
  readable(fd: number): Promise<boolean>;
  /** To be called before a descriptor that was waited for is closed. */
  forget(fd: number): void;
}

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
/** What the system must know before it can answer from memory is asked for nevertheless. */
export const STATX_BASIC_AND_BIRTH = 0xfff;
export const RWF_NOWAIT = 8;
export const RENAME_NOREPLACE = 1;
export { O_CLOEXEC, O_CREAT, O_EXCL, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "./libc.ts";
export const O_TRUNC = 0o1000;
export const O_PATH = 0o10000000;
/** x86-64 and arm64 differ in these. */
const onArm = process.arch === "arm64";
export const O_DIRECTORY: number = onArm ? 0o40000 : 0o200000;
export const O_NOFOLLOW: number = onArm ? 0o100000 : 0o400000;
export const O_TMPFILE: number = 0o20000000 | O_DIRECTORY;
export const SYS_GETDENTS64: number = onArm ? 61 : 217;
