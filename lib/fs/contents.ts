/** Whole files: reading them, and writing them so that nobody sees half of a new one. */

import { Buffer } from "node:buffer";
import { giveBack, ReusableMemory } from "../jsonrpc/reusable_memory.ts";
import type { FileCalls } from "../runtime/file_calls.ts";
import {
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_WRONLY,
} from "../runtime/file_libc.ts";
import type { FileStat } from "../runtime/file_stat.ts";
import { LONG_SLICE_MS, turnOfOthers } from "../runtime/turn.ts";
import { isSystemError, refused, systemError } from "./errors.ts";
import { realPath } from "./metadata.ts";
import { at } from "./place.ts";
import { lossyText, splitPath } from "./wire_path.ts";

const MAX_FILE_BYTES = 512 * 1024 * 1024;
/** Reads of more may have to wait for the disk, and let others have a turn. */
const PIECE_BYTES = 4 * 1024 * 1024;
const FIRST_READ_BYTES = 64 * 1024;
const MORE_READ_BYTES = 1024 * 1024;
/** Files of this size and more are read into memory that is used again. */
const REUSED_BYTES = 512 * 1024;
const NEW_MODE = 0o666;

/** Neither waits for a FIFO's other end nor takes a terminal for its own. */
const unwaiting = O_NONBLOCK | O_NOCTTY;

/** Calls `read` when there may be so many bytes more in memory. */
export type ReadTurn = (size: number, read: () => Promise<Uint8Array>) => Promise<Uint8Array>;

/** @throws {RpcError} It is no regular file, or too large. */
export async function readWhole(
  files: FileCalls,
  path: string,
  follow: boolean,
  turn: ReadTurn,
): Promise<Uint8Array> {
  const fd = openToRead(files, path, follow);
  try {
    const { size } = files.fstat(fd);
    if (size > MAX_FILE_BYTES) throw tooLarge();
    if (size === 0) return await readUnsized(files, fd);
    return await turn(size, () => readSized(files, fd, size));
  } finally {
    files.close(fd);
  }
}

/** Opens a regular file, and nothing else: opening a FIFO or a device can have effects. */
export function openToRead(files: FileCalls, path: string, follow: boolean): number {
  return at(files, path, follow, ({ dir, name }) => {
    const { kind } = files.stat(dir, name, { follow });
    // A link that is not followed is refused by the system itself.
    if (kind !== "file" && kind !== "symlink") throw notAFile(path, follow);
    const fd = files.open(dir, name, O_RDONLY | unwaiting | (follow ? 0 : O_NOFOLLOW));
    if (files.fstat(fd).kind === "file") return fd;
    files.close(fd);
    throw notAFile(path, follow);
  });
}

export function notAFile(path: string, follow: boolean): Error {
  return refused(follow ? `path \`${lossyText(path)}\` is not a file` : "path is not a regular file");
}

function tooLarge(): Error {
  return refused(`file is too large to read: limit is ${MAX_FILE_BYTES} bytes`);
}

/** For files that are read whole. Of larger ones than this nobody reads many. */
const memory = new ReusableMemory(128 * 1024 * 1024);

/** A file may shrink meanwhile: what is there is what is answered. What is added meanwhile is left out. */
async function readSized(files: FileCalls, fd: number, size: number): Promise<Uint8Array> {
  const all = size >= REUSED_BYTES ? memory.take(size) : new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const reading = files.preadSoon(fd, all.subarray(length, length + PIECE_BYTES), length);
    const count = typeof reading === "number" ? reading : await reading;
    if (count === 0) break;
    length += count;
    const turn = length < size ? turnOfOthers(LONG_SLICE_MS) : undefined;
    if (turn) await turn;
  }
  if (length === size) return all;
  const there = all.slice(0, length);
  giveBack(all);
  return there;
}

/** What the system makes up as it is read, such as files of `/proc`, says that it has no bytes; some has no end. */
async function readUnsized(files: FileCalls, fd: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const piece = new Uint8Array(pieces.length === 0 ? FIRST_READ_BYTES : MORE_READ_BYTES);
    let filled = 0;
    let isEnd = false;
    while (filled < piece.length && !isEnd) {
      const count = files.pread(fd, piece.subarray(filled), length + filled);
      isEnd = count === 0;
      filled += count;
      const turn = turnOfOthers();
      if (turn) await turn;
    }
    length += filled;
    if (length > MAX_FILE_BYTES) throw tooLarge();
    pieces.push(piece.subarray(0, filled));
    if (!isEnd) continue;
    return pieces.length === 1 ? pieces[0]!.slice() : new Uint8Array(Buffer.concat(pieces));
  }
}

/** How a file is written. */
export interface WriteOptions {
  follow: boolean;
  /** An existing file is replaced as a whole. */
  atomic: boolean;
  /** Settles when file and directory are on disk. */
  sync: boolean;
}

/** Writes a file: an existing one in place unless asked otherwise, a new one so that it appears whole. */
export async function writeWhole(
  files: FileCalls,
  path: string,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const { follow } = options;
  // Whoever makes or removes the file between two calls lets us begin again, but not for ever.
  for (let attempt = 1; ; attempt++) {
    const fd = openExisting(files, path, follow);
    try {
      if (fd !== undefined) return await overwrite(files, path, fd, bytes, options);
      return await writeNew(files, path, bytes, options);
    } catch (error) {
      if (fd !== undefined || attempt === 10 || !isSystemError(error, "EEXIST")) throw error;
    } finally {
      if (fd !== undefined) files.close(fd);
    }
  }
}

/** Undefined when there is nothing of that name. */
function openExisting(files: FileCalls, path: string, follow: boolean): number | undefined {
  return at(files, path, follow, ({ dir, name }) => {
    try {
      const fd = files.open(dir, name, O_WRONLY | unwaiting | (follow ? 0 : O_NOFOLLOW));
      if (follow || files.fstat(fd).kind === "file") return fd;
      files.close(fd);
      throw notAFile(path, follow);
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
      return undefined;
    }
  });
}

async function overwrite(
  files: FileCalls,
  path: string,
  fd: number,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const stat = files.fstat(fd);
  if (stat.kind !== "file") {
    writeStream(files, fd, bytes);
    return;
  }
  if (options.atomic) {
    await replace(files, path, stat, bytes, options);
    return;
  }
  try {
    await files.writeAll(fd, bytes, 0);
  } catch (error) {
    // Files of the system that are settings are written as streams are.
    if (!isSystemError(error, "ESPIPE")) throw error;
    writeStream(files, fd, bytes);
  }
  // Last: a full disk then costs the old contents only where new ones stand.
  if (stat.size > bytes.length) files.truncate(fd, bytes.length);
  if (options.sync) await files.sync(fd);
}

/** To a device or a FIFO; one that takes no more is an error, not a wait. */
function writeStream(files: FileCalls, fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += files.write(fd, bytes.subarray(done));
}

/** A file that gets its name when it is whole; where the file system cannot, one under another name first. */
async function writeNew(
  files: FileCalls,
  path: string,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const { follow } = options;
  // Through a link that leads nowhere to where it leads.
  const place = openParent(files, follow ? linkTarget(files, path) : path, options);
  try {
    const nameless = openNameless(files, place.dir);
    if (nameless === undefined) {
      await writeRenamed(files, place, bytes, options.sync, undefined);
      return;
    }
    try {
      await files.writeAll(nameless, bytes, 0);
      if (options.sync) await files.sync(nameless);
      files.linkOpen(nameless, place.dir, place.name);
    } finally {
      files.close(nameless);
    }
    if (options.sync) await files.sync(place.dir);
  } finally {
    files.close(place.dir);
  }
}

/** The directory of a path, open, and the name in it. The caller closes it. */
function openParent(
  files: FileCalls,
  path: string,
  { follow, sync }: WriteOptions,
): { dir: number; name: string } {
  const { directory, name } = splitPath(path);
  // A directory that may be written need not be one that may be listed; only what is read can be synced.
  const flags = (sync ? O_RDONLY : O_PATH) | O_DIRECTORY;
  const dir = follow
    ? files.open(AT_FDCWD, directory, flags)
    : at(files, path, false, (place) => files.open(place.dir, ".", flags));
  return { dir, name };
}

const MAX_LINKS = 40;

function linkTarget(files: FileCalls, path: string): string {
  let end = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    let target: string;
    try {
      target = files.readLink(AT_FDCWD, end);
    } catch (error) {
      if (isSystemError(error, "ENOENT", "EINVAL")) return end;
      throw error;
    }
    // Not by the letters: what comes before `..` may be a link.
    end = target.startsWith("/") ? target : `${splitPath(end).directory}/${target}`;
  }
  throw systemError("ELOOP", path);
}

/** Undefined where the file system has no such thing. */
function openNameless(files: FileCalls, dir: number): number | undefined {
  try {
    return files.open(dir, ".", O_TMPFILE | O_WRONLY, NEW_MODE);
  } catch (error) {
    // What is not allowed is told by the other way, in which the system says more exactly why.
    if (isSystemError(error, "EOPNOTSUPP", "EISDIR", "EINVAL", "ENOENT", "EACCES", "EPERM")) return undefined;
    throw error;
  }
}

/** Replaces a file, through links at its name, by a new one with its mode and, where we may, its owner. */
async function replace(
  files: FileCalls,
  path: string,
  old: FileStat,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const place = openParent(files, options.follow ? realPath(files, path) : path, options);
  try {
    await writeRenamed(files, place, bytes, options.sync, old);
  } finally {
    files.close(place.dir);
  }
}

async function writeRenamed(
  files: FileCalls,
  { dir, name }: { dir: number; name: string },
  bytes: Uint8Array,
  sync: boolean,
  old: FileStat | undefined,
): Promise<void> {
  const temporary = `.${name.slice(0, 200)}.${crypto.getRandomValues(new Uint8Array(6)).toHex()}`;
  const fd = files.open(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, old ? 0o600 : NEW_MODE);
  try {
    if (old) takeAfter(files, fd, old);
    await files.writeAll(fd, bytes, 0);
    if (sync) await files.sync(fd);
    giveName(files, dir, temporary, name, old !== undefined);
  } catch (error) {
    try {
      files.unlink(dir, temporary);
    } catch {
      // What went wrong first is what counts.
    }
    throw error;
  } finally {
    files.close(fd);
  }
  if (sync) await files.sync(dir);
}

/** What somebody else has made meanwhile is not replaced, where the file system knows how. */
function giveName(files: FileCalls, dir: number, from: string, to: string, replaces: boolean): void {
  try {
    if (!replaces) files.renameToNew(dir, from, dir, to);
  } catch (error) {
    if (!isSystemError(error, "EINVAL", "EOPNOTSUPP", "ENOSYS")) throw error;
    replaces = true;
  }
  if (replaces) files.rename(dir, from, dir, to);
}

function takeAfter(files: FileCalls, fd: number, old: FileStat): void {
  try {
    files.chown(fd, old.uid, old.gid);
  } catch (error) {
    if (!isSystemError(error, "EPERM")) throw error;
  }
  files.chmod(fd, old.mode);
}
