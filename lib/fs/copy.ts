/** Copying files, links and trees. A file that is copied onto itself stays as it is. */

import { type FileCalls, SystemError } from "../runtime/file_calls.ts";
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
  O_WRONLY,
} from "../runtime/file_libc.ts";
import type { FileKind, FileStat } from "../runtime/file_stat.ts";
import { LONG_SLICE_MS, turnOfOthers } from "../runtime/turn.ts";
import { createDirectory, isDirectory, ownKind, READ_OWN_DIRECTORY, roomOnStack } from "./directory.ts";
import { isSystemError, refused } from "./errors.ts";
import { realPath } from "./metadata.ts";
import { joined, splitPath } from "./wire_path.ts";

/** In one call, which holds up everybody. */
const RANGE_BYTES = 1024 * 1024;

/** @throws {RpcError} A rule of `fs/copy` is broken. */
export async function copy(
  files: FileCalls,
  source: string,
  destination: string,
  recursive: boolean,
): Promise<void> {
  try {
    await copyAny(files, source, destination, recursive);
  } catch (error) {
    // Where there is no room is the fault of no source.
    const isFull = error instanceof SystemError && fullErrors.has(error.code);
    throw isFull ? new SystemError(error.errno, error.path ?? destination) : error;
  }
}

const fullErrors: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

async function copyAny(
  files: FileCalls,
  source: string,
  destination: string,
  recursive: boolean,
): Promise<void> {
  const { kind } = files.stat(AT_FDCWD, source, { follow: false });
  if (kind !== "directory") {
    await copyOne(files, kind, { dir: AT_FDCWD, name: source }, { dir: AT_FDCWD, name: destination });
    return;
  }
  if (!recursive) throw refused("fs/copy requires recursive: true when sourcePath is a directory");
  if (isWithin(files, source, destination)) {
    throw refused("fs/copy cannot copy a directory to itself or one of its descendants");
  }
  createDirectory(files, destination, true, true);
  const from = files.open(AT_FDCWD, source, READ_OWN_DIRECTORY);
  try {
    const to = files.open(AT_FDCWD, destination, O_PATH | O_DIRECTORY);
    try {
      await copyTree(files, from, to, 0);
    } finally {
      files.close(to);
    }
  } finally {
    files.close(from);
  }
}

/** A directory that is open, and a name in it. */
interface Name {
  dir: number;
  name: string;
}

async function copyTree(files: FileCalls, from: number, to: number, depth: number): Promise<void> {
  const room = roomOnStack(depth);
  if (room) await room;
  for (let batch = files.readEntries(from); batch; batch = files.readEntries(from)) {
    for (const entry of batch) {
      const kind = ownKind(files, from, entry);
      const source = { dir: from, name: entry.name };
      const destination = { dir: to, name: entry.name };
      if (kind === "directory") await copyDirectory(files, source, destination, depth + 1);
      // Others are passed over in silence within a tree, as the peer does.
      if (kind === "file" || kind === "symlink") {
        const copying = copyOne(files, kind, source, destination);
        if (copying) await copying;
      }
      const turn = turnOfOthers(LONG_SLICE_MS);
      if (turn) await turn;
    }
  }
}

async function copyDirectory(
  files: FileCalls,
  source: Name,
  destination: Name,
  depth: number,
): Promise<void> {
  const from = files.open(source.dir, source.name, READ_OWN_DIRECTORY);
  try {
    try {
      files.makeDirectory(destination.dir, destination.name, 0o777);
    } catch (error) {
      if (!isSystemError(error, "EEXIST")) throw error;
      if (!isDirectory(files, destination.dir, destination.name, true)) throw error;
    }
    const to = files.open(destination.dir, destination.name, O_PATH | O_DIRECTORY);
    try {
      await copyTree(files, from, to, depth);
    } finally {
      files.close(to);
    }
  } finally {
    files.close(from);
  }
}

/** Most files of a tree are small, and copied when this returns. */
function copyOne(files: FileCalls, kind: FileKind, source: Name, destination: Name): void | Promise<void> {
  if (kind === "symlink") {
    files.makeLink(files.readLink(source.dir, source.name), destination.dir, destination.name);
    return;
  }
  if (kind !== "file") throw refused("fs/copy only supports regular files, directories, and symlinks");
  const from = files.open(source.dir, source.name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
  let to: number | undefined;
  const close = (): void => {
    if (to !== undefined) files.close(to);
    files.close(from);
  };
  let copying: Promise<void> | undefined;
  try {
    const stat = files.fstat(from);
    to = openNew(files, destination, stat.mode & 0o777);
    if (to === undefined) {
      to = files.open(destination.dir, destination.name, TO_WRITE, stat.mode & 0o777);
      const target = files.fstat(to);
      // Emptying the target would empty the source.
      if (target.identity === stat.identity) return;
      // Before it is emptied: what may not get the mode stays whole.
      if (target.kind === "file") takeMode(files, to, stat.mode, destination);
      if (target.kind === "file" && target.size > 0) files.truncate(to, 0);
    } else {
      takeMode(files, to, stat.mode, destination);
    }
    copying = copyContents(files, from, to, stat);
    return copying?.finally(close);
  } finally {
    if (!copying) close();
  }
}

const TO_WRITE = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY;

/** What is new need not be looked at. Undefined when there is something of this name. */
function openNew(files: FileCalls, { dir, name }: Name, mode: number): number | undefined {
  try {
    return files.open(dir, name, TO_WRITE | O_EXCL, mode);
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return undefined;
    throw error;
  }
}

/** Comes first, so that the system takes set-uid away as the file is written, from those who may not hand it on. */
function takeMode(files: FileCalls, to: number, mode: number, { dir, name }: Name): void {
  try {
    files.chmod(to, mode);
  } catch (error) {
    // The descriptor has no path that could be told.
    throw dir === AT_FDCWD && error instanceof SystemError ? new SystemError(error.errno, name) : error;
  }
}

/** From where both stand. */
function copyContents(
  files: FileCalls,
  from: number,
  to: number,
  source: FileStat,
): Promise<void> | undefined {
  const count = copySome(files, from, to);
  const isAll = count === 0 || (count >= source.size && source.size > 0 && count < RANGE_BYTES);
  return isAll ? undefined : copyRest(files, from, to);
}

async function copyRest(files: FileCalls, from: number, to: number): Promise<void> {
  do {
    const turn = turnOfOthers(LONG_SLICE_MS);
    if (turn) await turn;
  } while (copySome(files, from, to) > 0);
}

const buffer = new Uint8Array(256 * 1024);

/** 0 at the end. */
function copySome(files: FileCalls, from: number, to: number): number {
  try {
    const count = files.copyRange(from, to, RANGE_BYTES);
    if (count > 0) return count;
    // What the system makes up as it is read seems empty to that call.
  } catch (error) {
    if (!isSystemError(error, "EXDEV", "EINVAL", "EOPNOTSUPP", "ENOSYS", "EBADF", "EPERM")) throw error;
  }
  const count = files.read(from, buffer);
  for (let done = 0; done < count; ) done += files.write(to, buffer.subarray(done, count));
  return count;
}

/** Whether the destination is the source or below it, links resolved. */
function isWithin(files: FileCalls, source: string, destination: string): boolean {
  const from = realPath(files, source);
  const to = realPathOfNew(files, destination);
  return to === from || to.startsWith(joined(from, ""));
}

/** As far as it leads somewhere, the real path; then the letters. */
function realPathOfNew(files: FileCalls, path: string): string {
  try {
    return realPath(files, path);
  } catch (error) {
    const { directory, name } = splitPath(path);
    // A link that leads to itself stands in the way later, as any other does.
    if (!isSystemError(error, "ENOENT", "ELOOP") || directory === path) throw error;
    return joined(realPathOfNew(files, directory), name);
  }
}
