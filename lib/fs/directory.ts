/** Making and listing directories. */

import { Buffer } from "node:buffer";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { DirectoryEntry } from "../protocol/fs_tree.ts";
import type { FileCalls, RawEntry } from "../runtime/file_calls.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "../runtime/file_libc.ts";
import type { FileKind } from "../runtime/file_stat.ts";
import { LONG_SLICE_MS, turnOfOthers } from "../runtime/turn.ts";
import { isSystemError, systemError } from "./errors.ts";
import { at } from "./place.ts";
import { lossyText, splitPath, utf8Text } from "./wire_path.ts";

/** The peer's limit; a message of more values would not be taken by it. */
const MAX_ENTRIES = 50_000;
const NEW_MODE = 0o777;

export function createDirectory(files: FileCalls, path: string, recursive: boolean, follow: boolean): void {
  if (!follow && recursive) {
    const { directory } = splitPath(path);
    if (directory !== path && directory !== "/") createDirectory(files, directory, true, false);
  }
  at(files, path, follow, ({ dir, name }) => {
    try {
      if (recursive && follow) makeWithParents(files, path);
      else files.makeDirectory(dir, name, NEW_MODE);
    } catch (error) {
      if (!recursive || !isSystemError(error, "EEXIST")) throw error;
      if (!isDirectory(files, dir, name, follow)) throw follow ? error : systemError("ENOTDIR");
    }
  });
}

function makeWithParents(files: FileCalls, path: string): void {
  try {
    files.makeDirectory(AT_FDCWD, path, NEW_MODE);
  } catch (error) {
    const { directory } = splitPath(path);
    if (!isSystemError(error, "ENOENT") || directory === path) throw error;
    createDirectory(files, directory, true, true);
    files.makeDirectory(AT_FDCWD, path, NEW_MODE);
  }
}

export function isDirectory(files: FileCalls, dir: number, name: string, follow: boolean): boolean {
  try {
    return files.stat(dir, name, { follow }).kind === "directory";
  } catch {
    return false;
  }
}

/** Flags for reading a directory by its own name; a FIFO of that name does not hold us up. */
export const READ_DIRECTORY: number = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
/** As above, but no link that stands there is followed. */
export const READ_OWN_DIRECTORY: number = READ_DIRECTORY | O_NOFOLLOW;

/** All entries of an open directory, sorted by the bytes of their names. Lets others have a turn meanwhile. */
export async function sortedEntries(files: FileCalls, fd: number): Promise<RawEntry[]> {
  return await sorted(await allEntries(files, fd));
}

async function allEntries(files: FileCalls, fd: number): Promise<RawEntry[]> {
  const all: RawEntry[] = [];
  for (let batch = files.readEntries(fd); batch; batch = files.readEntries(fd)) {
    for (const entry of batch) all.push(entry);
    const turn = turnOfOthers(LONG_SLICE_MS);
    if (turn) await turn;
  }
  return all;
}

/** So many are sorted, or merged, in some milliseconds. */
const RUN_ENTRIES = 4096;

/** In runs that are merged by twos: to sort a large directory at once takes too long. */
async function sorted(all: RawEntry[]): Promise<RawEntry[]> {
  if (all.length <= RUN_ENTRIES) return all.sort(byName);
  const half = Math.ceil(all.length / 2);
  const left = await sorted(all.slice(0, half));
  const right = await sorted(all.slice(half));
  let [l, r] = [0, 0];
  for (let i = 0; i < all.length; i++) {
    const isLeft = r === right.length || (l < half && byName(left[l]!, right[r]!) <= 0);
    all[i] = isLeft ? left[l++]! : right[r++]!;
    if (i % RUN_ENTRIES > 0) continue;
    const turn = turnOfOthers(LONG_SLICE_MS);
    if (turn) await turn;
  }
  return all;
}

/** Of byte strings, the order of texts is that of bytes. */
function byName(a: RawEntry, b: RawEntry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

const LEVELS_ON_STACK = 200;

/**
 * To be awaited where a tree is gone down into, so that the stack is empty again every so many levels: a function that
 * waits for nothing on its way is called on the stack of the one above, and trees may be deeper than paths are long.
 */
export function roomOnStack(depth: number): Promise<void> | undefined {
  return depth % LEVELS_ON_STACK === LEVELS_ON_STACK - 1 ? Promise.resolve() : undefined;
}

/** What an entry is, and what it leads to; undefined when it has gone or leads nowhere. */
export function targetKind(files: FileCalls, dir: number, entry: RawEntry): FileKind | undefined {
  if (entry.kind !== "symlink" && entry.kind !== "unknown") return entry.kind;
  try {
    return files.stat(dir, entry.name, { follow: true }).kind;
  } catch {
    return undefined;
  }
}

/** What an entry is itself; undefined when it has gone. */
export function ownKind(files: FileCalls, dir: number, entry: RawEntry): FileKind | undefined {
  if (entry.kind !== "unknown") return entry.kind;
  try {
    return files.stat(dir, entry.name, { follow: false }).kind;
  } catch {
    return undefined;
  }
}

/** @throws {RpcError} There are more entries than an answer can hold. */
export async function readDirectory(
  files: FileCalls,
  path: string,
  listLinks: boolean,
): Promise<DirectoryEntry[]> {
  const fd = files.open(AT_FDCWD, path, READ_DIRECTORY);
  try {
    const found = await allEntries(files, fd);
    if (found.length > MAX_ENTRIES) {
      throw new RpcError(
        rpcCode.internal,
        `fs/readDirectory returned ${found.length} entries; limit is ${MAX_ENTRIES}`,
      );
    }
    const entries: DirectoryEntry[] = [];
    for (const entry of await sorted(found)) {
      const kind = listLinks ? ownKind(files, fd, entry) : targetKind(files, fd, entry);
      if (kind !== undefined) entries.push(described(entry.name, kind));
      const turn = turnOfOthers(LONG_SLICE_MS);
      if (turn) await turn;
    }
    return entries;
  } finally {
    files.close(fd);
  }
}

function described(name: string, kind: FileKind): DirectoryEntry {
  const text = utf8Text(name);
  const isDirectory = kind === "directory";
  const isFile = kind === "file";
  // Nearly all, and there may be many.
  if (text !== undefined && kind !== "symlink") return { fileName: text, isDirectory, isFile };
  return {
    fileName: text ?? lossyText(name),
    isDirectory,
    isFile,
    ...(kind === "symlink" ? { isSymlink: true } : {}),
    ...(text === undefined ? { fileNameBase64: Buffer.from(name, "latin1") } : {}),
  };
}
