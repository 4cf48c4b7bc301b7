/** Removing: links are removed and never followed, trees are taken down by descriptors, not by names. */

import type { FileCalls } from "../runtime/file_calls.ts";
import { LONG_SLICE_MS, turnOfOthers } from "../runtime/turn.ts";
import { READ_OWN_DIRECTORY, roomOnStack } from "./directory.ts";
import { isSystemError } from "./errors.ts";

/** Passes over a tree again as long as somebody adds to it while it is removed, but not for ever. */
const PASSES = 100;

/** Removes what has this name: a directory with everything in it, or anything else. */
export async function removeTree(files: FileCalls, dir: number, name: string, depth = 0): Promise<void> {
  const room = roomOnStack(depth);
  if (room) await room;
  for (let pass = 1; ; pass++) {
    await removeContents(files, dir, name, depth);
    try {
      files.removeDirectory(dir, name);
      return;
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return;
      if (!isSystemError(error, "ENOTEMPTY", "EEXIST") || pass === PASSES) throw error;
    }
  }
}

async function removeContents(files: FileCalls, dir: number, name: string, depth: number): Promise<void> {
  const fd = files.open(dir, name, READ_OWN_DIRECTORY);
  const sweep = files.sweep(fd);
  try {
    for (let left = sweep.next(); left !== undefined; left = sweep.next()) {
      if (left !== null) {
        const isTree = left.isDirectory || isDirectory(files, fd, left.name);
        await unlessGone(() =>
          isTree ? removeTree(files, fd, left.name, depth + 1) : files.unlink(fd, left.name),
        );
      }
      const turn = turnOfOthers(LONG_SLICE_MS);
      if (turn) await turn;
    }
  } finally {
    sweep.end();
    files.close(fd);
  }
}

/** Somebody else may have been faster. */
async function unlessGone(remove: () => Promise<void> | void): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}

function isDirectory(files: FileCalls, dir: number, name: string): boolean {
  try {
    return files.stat(dir, name, { follow: false }).kind === "directory";
  } catch {
    return false;
  }
}
