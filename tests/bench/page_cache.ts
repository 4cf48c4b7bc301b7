/**
 * The system's copy of an executable in memory. One that has been there for a while, in pages of which some were given
 * away and came back, costs a start up to 5 ms more, of whichever server: the system has more to do for each of its pages.
 */

import { Buffer } from "node:buffer";
import { closeSync, fsyncSync, openSync, readSync } from "node:fs";
import { libc } from "./libc.ts";

const POSIX_FADV_DONTNEED = 4;
const PIECE_BYTES = 1024 * 1024;

/** Makes it anew. What a program that runs has of it stays as it is. */
export function readAnew(path: string): void {
  const fd = openSync(path, "r");
  try {
    // What is not on the disk yet would be kept.
    fsyncSync(fd);
    libc.posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    while (readSync(fd, piece) > 0);
  } finally {
    closeSync(fd);
  }
}
