/** What is known of a file, and changing that: metadata, modes, times, links, names. */

import type { GetMetadataResult } from "../protocol/fs.ts";
import { type FileCalls, SystemError } from "../runtime/file_calls.ts";
import { AT_FDCWD, O_NOFOLLOW, O_PATH } from "../runtime/file_libc.ts";
import type { FileStat } from "../runtime/file_stat.ts";
import { refused } from "./errors.ts";
import { at } from "./place.ts";

/** @throws {SystemError} There is nothing, or a link that leads nowhere. */
export function metadata(files: FileCalls, path: string, follow: boolean): GetMetadataResult {
  return at(files, path, follow, ({ dir, name }) => {
    const own = files.stat(dir, name, { follow: false });
    const isSymlink = own.kind === "symlink";
    if (!isSymlink) return described(own, false);
    if (!follow) throw linkInPath();
    return described(files.stat(dir, name, { follow: true }), true);
  });
}

function described(stat: FileStat, isSymlink: boolean): GetMetadataResult {
  return {
    isDirectory: stat.kind === "directory",
    isFile: stat.kind === "file",
    isSymlink,
    size: stat.size,
    createdAtMs: Math.max(0, stat.bornMs),
    modifiedAtMs: Math.max(0, stat.modifiedMs),
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
  };
}

export function linkInPath(): Error {
  return refused("path contains a symbolic link");
}

/** The path without links, as the system itself has it. */
export function realPath(files: FileCalls, path: string): string {
  const fd = files.open(AT_FDCWD, path, O_PATH);
  try {
    return pathOf(files, fd);
  } finally {
    files.close(fd);
  }
}

/** The path of something open; that of something removed ends in ` (deleted)`. */
export function pathOf(files: FileCalls, fd: number): string {
  return files.readLink(AT_FDCWD, `/proc/self/fd/${fd}`);
}

export function changeMode(files: FileCalls, path: string, mode: number, follow: boolean): void {
  at(files, path, follow, ({ dir, name }) => {
    const fd = files.open(dir, name, O_PATH | (follow ? 0 : O_NOFOLLOW));
    try {
      if (!follow && files.fstat(fd).kind === "symlink") throw linkInPath();
      // The descriptor of a mere path takes no other way.
      files.chmodAt(AT_FDCWD, `/proc/self/fd/${fd}`, mode);
    } catch (error) {
      // Whoever asked knows nothing of the descriptor.
      throw error instanceof SystemError ? new SystemError(error.errno, path) : error;
    } finally {
      files.close(fd);
    }
  });
}

export function setTimes(
  files: FileCalls,
  path: string,
  times: { accessedMs: number | undefined; modifiedMs: number },
  follow: boolean,
): void {
  at(files, path, follow, ({ dir, name }) => {
    if (!follow && files.stat(dir, name, { follow: false }).kind === "symlink") throw linkInPath();
    files.setTimes(dir, name, times, { follow });
  });
}

/** @throws {SystemError} EEXIST when the destination is there and must not be replaced. */
export function rename(files: FileCalls, from: string, to: string, replace: boolean): void {
  if (replace) files.rename(AT_FDCWD, from, AT_FDCWD, to);
  else files.renameToNew(AT_FDCWD, from, AT_FDCWD, to);
}
