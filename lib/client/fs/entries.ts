/** What is told of files: their metadata, and the entries of directories. */

import type { GetMetadataResult } from "../../protocol/fs.ts";
import type { DirectoryEntry } from "../../protocol/fs_tree.ts";
import { nameOf } from "./link.ts";
import { textOfBytes } from "./path.ts";

/** Metadata of a file, with null for what the server does not tell. */
export interface FileInfo {
  /** All three are false for a pipe, a socket or a device. */
  isFile: boolean;
  isDirectory: boolean;
  /** The path itself is a symbolic link. With `stat` the other members are those of what it leads to. */
  isSymlink: boolean;
  /** Bytes. Not told by servers up to 0.138.0. */
  size: number | null;
  /** When the contents changed last. */
  mtime: Date | null;
  /** When it was made. */
  birthtime: Date | null;
  /** Permission bits with set-uid, set-gid and sticky. Told by our server only, as are the next two. */
  mode: number | null;
  uid: number | null;
  gid: number | null;
}

/** One entry of a directory. */
export interface DirEntry {
  name: string;
  isFile: boolean;
  isDirectory: boolean;
  /**
   * Then the two others are false. Null where the server does not tell (every Codex release): the two others are of what
   * the entry leads to, and links that lead nowhere are not listed.
   */
  isSymlink: boolean | null;
}

export function fileInfo(found: GetMetadataResult): FileInfo {
  return {
    isFile: found.isFile,
    isDirectory: found.isDirectory,
    isSymlink: found.isSymlink,
    size: found.size ?? null,
    mtime: time(found.modifiedAtMs),
    birthtime: time(found.createdAtMs),
    mode: found.mode ?? null,
    uid: found.uid ?? null,
    gid: found.gid ?? null,
  };
}

/** What is known of a link. */
export function linkInfo(size: number | null): FileInfo {
  return {
    isFile: false,
    isDirectory: false,
    isSymlink: true,
    size,
    mtime: null,
    birthtime: null,
    mode: null,
    uid: null,
    gid: null,
  };
}

export function dirEntry(found: DirectoryEntry, tellsLinks: boolean): DirEntry {
  const isSymlink = tellsLinks ? (found.isSymlink ?? false) : null;
  return {
    name: nameOf(found.fileName, found.fileNameBase64),
    isFile: found.isFile && !isSymlink,
    isDirectory: found.isDirectory && !isSymlink,
    isSymlink,
  };
}

export function linkText(found: { target: string; targetBase64?: Uint8Array }): string {
  return found.targetBase64 ? textOfBytes(found.targetBase64) : found.target;
}

function time(ms: number): Date | null {
  return ms === 0 ? null : new Date(ms);
}
