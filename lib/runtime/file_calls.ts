/** The system's calls on files, with errors thrown. Names are byte strings: one character a byte, so nothing is lost. */

import { Buffer } from "node:buffer";
import { DirectorySweep } from "./directory_sweep.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  type FileLibc,
  O_CLOEXEC,
  RENAME_NOREPLACE,
  RWF_NOWAIT,
  STATX_BASIC_AND_BIRTH,
  SYS_GETDENTS64,
} from "./file_libc.ts";
import { type FileKind, FileStat } from "./file_stat.ts";
import { errnoByName, errnoName, osErrorText } from "./os_error.ts";
import { LONG_SLICE_MS, turnOfOthers } from "./turn.ts";

/** The system refused a call. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly errno: number;
  /** `ENOENT`; `E123` for a number without a name here. */
  readonly code: string;
  /** What it was about, where the call was given a whole path. */
  readonly path: string | undefined;

  constructor(errno: number, path?: string) {
    super(osErrorText(errno));
    this.errno = errno;
    this.code = errnoName(errno);
    this.path = path;
  }
}

/** One entry as its directory has it; `unknown` where the file system does not say. */
export interface RawEntry {
  name: string;
  kind: FileKind | "unknown";
}

/** What is written on this thread at a time. */
const HERE_BYTES = 1024 * 1024;
/** A write of that much that takes longer has waited for the disk. What follows in the next moment would wait, too. */
const SLOW_MS = 10;
const ASIDE_MS = 1000;
const EINTR = 4;
const ENTRY_BYTES = 64 * 1024;
const PATH_BYTES = 4096;
const entryKinds: Record<number, FileKind | "unknown"> = {
  0: "unknown",
  4: "directory",
  8: "file",
  10: "symlink",
};
const noName = Buffer.from("\0");

/** Everything takes a directory's descriptor and a name in it, or `AT_FDCWD` and a whole path. */
export class FileCalls {
  readonly #libc: FileLibc;
  readonly #stat = new DataView(new ArrayBuffer(256));
  readonly #statBytes = new Uint8Array(this.#stat.buffer);
  readonly #entries = Buffer.allocUnsafeSlow(ENTRY_BYTES);
  readonly #path = Buffer.allocUnsafeSlow(PATH_BYTES);
  readonly #vector = new BigUint64Array(2);
  readonly #vectorBytes = new Uint8Array(this.#vector.buffer);
  /** What the system is just told the address of. */
  #held: Uint8Array | undefined;
  /** By `performance.now()`; until then writes go to another thread. */
  #asideUntil = 0;

  constructor(libc: FileLibc) {
    this.#libc = libc;
  }

  /** @throws {SystemError} As do all the others. */
  open(dir: number, path: string, flags: number, mode = 0): number {
    const name = cString(path);
    for (;;) {
      const fd = this.#libc.openat(dir, name, flags | O_CLOEXEC, mode);
      if (fd >= 0) return fd;
      if (this.#libc.errno() !== EINTR) throw this.#error(dir, path);
    }
  }

  close(fd: number): void {
    this.#libc.close(fd);
  }

  stat(dir: number, path: string, options: { follow: boolean }): FileStat {
    const name = cString(path);
    if (this.#statx(dir, name, options.follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) throw this.#error(dir, path);
    return new FileStat(this.#stat);
  }

  fstat(fd: number): FileStat {
    this.#check(this.#statx(fd, noName, AT_EMPTY_PATH));
    return new FileStat(this.#stat);
  }

  #statx(dir: number, path: Uint8Array, flags: number): number {
    return this.#libc.statx(dir, path, flags, STATX_BASIC_AND_BIRTH, this.#statBytes);
  }

  /** The next entries of an open directory, `.` and `..` left out; undefined at the end. */
  readEntries(fd: number): RawEntry[] | undefined {
    const buffer = this.#entries;
    const length = this.#libc.syscall(SYS_GETDENTS64, fd, buffer, ENTRY_BYTES);
    if (length < 0) throw this.#error();
    if (length === 0) return undefined;
    const entries: RawEntry[] = [];
    for (let at = 0; at < length; at += buffer.readUInt16LE(at + 16)) {
      const name = buffer.toString("latin1", at + 19, buffer.indexOf(0, at + 19));
      if (name === "." || name === "..") continue;
      entries.push({ name, kind: entryKinds[buffer[at + 18]!] ?? "other" });
    }
    return entries;
  }

  /** Reads on from where the descriptor stands. */
  read(fd: number, memory: Uint8Array): number {
    return this.#count(this.#libc.read(fd, memory, memory.length));
  }

  write(fd: number, memory: Uint8Array): number {
    return this.#count(this.#libc.write(fd, memory, memory.length));
  }

  pread(fd: number, memory: Uint8Array, offset: number | bigint): number {
    return this.#count(this.#libc.pread(fd, memory, memory.length, offset));
  }

  pwrite(fd: number, memory: Uint8Array, offset: number | bigint): number {
    return this.#count(this.#libc.pwrite(fd, memory, memory.length, offset));
  }

  /** `pread` of what is in memory already; undefined when the disk, or another thread, would be needed. */
  preadCached(fd: number, memory: Uint8Array, offset: number | bigint): number | undefined {
    if (!this.#libc.preadv2) return undefined;
    this.#vector[0] = this.#libc.addressOf(memory);
    this.#vector[1] = BigInt(memory.length);
    const count = this.#libc.preadv2(fd, this.#vectorBytes, 1, offset, RWF_NOWAIT);
    return count < 0 ? undefined : count;
  }

  /** `pread` that holds up nobody: at once where the bytes are in memory, else on another thread. */
  preadSoon(fd: number, memory: Uint8Array, offset: number | bigint): number | Promise<number> {
    return this.preadCached(fd, memory, offset) ?? this.#preadAside(fd, memory, offset);
  }

  async #preadAside(fd: number, memory: Uint8Array, offset: number | bigint): Promise<number> {
    // Bun takes no bigint for a position.
    const count =
      typeof offset === "bigint" ? -1 : await this.#libc.preadAside(fd, memory, memory.length, offset);
    return count < 0 ? this.pread(fd, memory, offset) : count;
  }

  /**
   * `pwrite` of all the bytes. The page cache mostly takes them at once, in the time that another thread would take to
   * begin; while it does not, as the disk is behind, they are written on another thread.
   */
  writeAll(fd: number, memory: Uint8Array, offset: number | bigint): void | Promise<void> {
    if (memory.length <= HERE_BYTES && performance.now() >= this.#asideUntil) {
      const done = this.#pwriteHere(fd, memory, offset);
      if (done === memory.length) return;
      return this.#writePieces(fd, memory.subarray(done), plus(offset, done));
    }
    return this.#writePieces(fd, memory, offset);
  }

  async #writePieces(fd: number, memory: Uint8Array, offset: number | bigint): Promise<void> {
    for (let done = 0; done < memory.length; ) {
      const turn = turnOfOthers(LONG_SLICE_MS);
      if (turn) await turn;
      const piece = memory.subarray(done, done + HERE_BYTES);
      const at = plus(offset, done);
      const isHere = performance.now() >= this.#asideUntil;
      done += isHere ? this.#pwriteHere(fd, piece, at) : await this.#pwriteAside(fd, piece, at);
    }
  }

  #pwriteHere(fd: number, memory: Uint8Array, offset: number | bigint): number {
    const from = performance.now();
    const count = this.pwrite(fd, memory, offset);
    const now = performance.now();
    if (now - from > SLOW_MS) this.#asideUntil = now + ASIDE_MS;
    return count;
  }

  async #pwriteAside(fd: number, memory: Uint8Array, offset: number | bigint): Promise<number> {
    // Bun takes no bigint for a position.
    const count =
      typeof offset === "bigint" ? -1 : await this.#libc.pwriteAside(fd, memory, memory.length, offset);
    // Here once more, as only here the reason can be had.
    return count < 0 ? this.pwrite(fd, memory, offset) : count;
  }

  truncate(fd: number, length: number): void {
    this.#check(this.#libc.ftruncate(fd, length));
  }

  /** Settles when the file is on disk. */
  async sync(fd: number): Promise<void> {
    if ((await this.#libc.fsyncAside(fd)) < 0) this.#check(this.#libc.fsync(fd));
  }

  makeDirectory(dir: number, path: string, mode: number): void {
    this.#check(this.#libc.mkdirat(dir, cString(path), mode), dir, path);
  }

  /** Removes anything but a directory. */
  unlink(dir: number, path: string): void {
    this.#check(this.#libc.unlinkat(dir, this.#addressOf(path), 0), dir, path);
  }

  removeDirectory(dir: number, path: string): void {
    this.#check(this.#libc.unlinkat(dir, this.#addressOf(path), AT_REMOVEDIR), dir, path);
  }

  /** Removes what is in an open directory. */
  sweep(fd: number): DirectorySweep {
    return new DirectorySweep(this.#libc, fd, (errno) => new SystemError(errno));
  }

  /** Good until the next is asked for. */
  #addressOf(path: string): number {
    this.#held = cString(path);
    return Number(this.#libc.addressOf(this.#held));
  }

  makeLink(target: string, dir: number, path: string): void {
    this.#check(this.#libc.symlinkat(cString(target), dir, cString(path)), dir, path);
  }

  readLink(dir: number, path: string): string {
    const length = this.#count(this.#libc.readlinkat(dir, cString(path), this.#path, PATH_BYTES), dir, path);
    return this.#path.toString("latin1", 0, length);
  }

  rename(fromDir: number, from: string, toDir: number, to: string): void {
    this.#check(this.#libc.renameat(fromDir, cString(from), toDir, cString(to)));
  }

  /** Fails with EEXIST when there is something. */
  renameToNew(fromDir: number, from: string, toDir: number, to: string): void {
    if (!this.#libc.renameat2) throw new SystemError(errnoByName.get("EOPNOTSUPP")!);
    this.#check(this.#libc.renameat2(fromDir, cString(from), toDir, cString(to), RENAME_NOREPLACE));
  }

  /** Gives an open file without a name one; fails with EEXIST when there is something. */
  linkOpen(fd: number, toDir: number, to: string): void {
    const from = cString(`/proc/self/fd/${fd}`);
    this.#check(this.#libc.linkat(AT_FDCWD, from, toDir, cString(to), AT_SYMLINK_FOLLOW), toDir, to);
  }

  chmod(fd: number, mode: number): void {
    this.#check(this.#libc.fchmod(fd, mode));
  }

  chown(fd: number, uid: number, gid: number): void {
    this.#check(this.#libc.fchown(fd, uid, gid));
  }

  chmodAt(dir: number, path: string, mode: number): void {
    this.#check(this.#libc.fchmodat(dir, cString(path), mode, 0), dir, path);
  }

  /** Milliseconds since 1970; undefined leaves a time as it is. */
  setTimes(
    dir: number,
    path: string,
    times: { accessedMs?: number | undefined; modifiedMs: number },
    options: { follow: boolean },
  ): void {
    const value = new DataView(new ArrayBuffer(32));
    writeTime(value, 0, times.accessedMs);
    writeTime(value, 16, times.modifiedMs);
    const flags = options.follow ? 0 : AT_SYMLINK_NOFOLLOW;
    this.#check(this.#libc.utimensat(dir, cString(path), new Uint8Array(value.buffer), flags), dir, path);
  }

  /** Copies within the system, from where both descriptors stand; 0 at the end. */
  copyRange(from: number, to: number, length: number): number {
    return this.#count(this.#libc.copy_file_range(from, null, to, null, length, 0));
  }

  /** A descriptor that tells of changes. */
  watcher(): number {
    return this.#count(this.#libc.inotify_init1(O_CLOEXEC | 0o4000));
  }

  /** Answers the number that events will carry; a second watch of a file has the number of the first. */
  addWatch(watcher: number, path: string, events: number): number {
    return this.#count(this.#libc.inotify_add_watch(watcher, cString(path), events), AT_FDCWD, path);
  }

  /** A number that is not known is passed over. */
  removeWatch(watcher: number, watch: number): void {
    this.#libc.inotify_rm_watch(watcher, watch);
  }

  /** Settles when reading would get on; true when it never will. */
  readable(fd: number): Promise<boolean> {
    return this.#libc.readable(fd);
  }

  /** Closes a descriptor that {@link readable} was asked about; a wait ends. */
  closeWaited(fd: number): void {
    this.#libc.forget(fd);
    this.#libc.close(fd);
  }

  #count(result: number, dir?: number, path?: string): number {
    if (result < 0) throw this.#error(dir, path);
    return result;
  }

  #check(result: number, dir?: number, path?: string): void {
    if (result < 0) throw this.#error(dir, path);
  }

  #error(dir?: number, path?: string): SystemError {
    return new SystemError(this.#libc.errno(), dir === AT_FDCWD ? path : undefined);
  }
}

function plus(offset: number | bigint, length: number): number | bigint {
  return typeof offset === "bigint" ? offset + BigInt(length) : offset + length;
}

function cString(bytes: string): Uint8Array {
  return Buffer.from(`${bytes}\0`, "latin1");
}

const UTIME_OMIT = 0x3ffffffe;

function writeTime(view: DataView, at: number, ms: number | undefined): void {
  const seconds = Math.floor((ms ?? 0) / 1000);
  view.setBigInt64(at, BigInt(seconds), true);
  view.setUint32(at + 8, ms === undefined ? UTIME_OMIT : Math.floor((ms - seconds * 1000) * 1e6), true);
}
