/** Finds what is to be copied: a tree with kinds, sizes and modes, directories before what is in them. */

import { type DirEntry, type FileInfo, linkInfo } from "../client/fs/entries.ts";
import { FsError } from "../client/fs/error.ts";
import type { FileSystem } from "../client/fs/file_system.ts";
import { joinPath } from "../client/fs/path.ts";

/** Something in a tree. */
export interface TreeEntry {
  path: string;
  /** Below the root: `a/b`; empty for the root itself. */
  relative: string;
  kind: "file" | "directory" | "link" | "other";
  info: FileInfo;
}

/** Something that could not be looked at. */
export interface TreeFailure {
  path: string;
  error: FsError;
}

export interface ScanOptions {
  /** Links are taken for what they lead to. */
  follow: boolean;
  signal?: AbortSignal;
}

/** Entries of a directory that are looked at together. */
const TOGETHER = 32;

/** What is below a directory, the directory itself first. */
export async function* scanTree(
  fs: FileSystem,
  root: string,
  info: FileInfo,
  { follow, signal }: ScanOptions,
): AsyncGenerator<TreeEntry | TreeFailure, void> {
  const options = signal ? { signal } : {};
  yield { path: root, relative: "", kind: "directory", info };
  /** With the real paths of what it is in, so that links that lead upwards end. */
  const waiting: { path: string; relative: string; above: string[] }[] = [
    { path: root, relative: "", above: follow ? [await fs.realPath(root, options)] : [] },
  ];
  for (let directory = waiting.shift(); directory; directory = waiting.shift()) {
    const { path, relative, above } = directory;
    let entries: DirEntry[];
    try {
      entries = await fs.list(path, options);
    } catch (error) {
      yield failure(path, error);
      continue;
    }
    for (let at = 0; at < entries.length; at += TOGETHER) {
      const looked = entries.slice(at, at + TOGETHER).map(async (entry): Promise<TreeEntry | TreeFailure> => {
        const child = {
          path: joinPath(path, entry.name),
          relative: joinPath(relative, entry.name).replace(/^\//, ""),
        };
        if (entry.isSymlink && !follow) return { ...child, kind: "link", info: linkInfo(null) };
        try {
          const found = await fs.stat(child.path, options);
          return { ...child, kind: kindFor(found, follow), info: found };
        } catch (error) {
          return failure(child.path, error);
        }
      });
      for (const entry of await Promise.all(looked)) {
        if ("error" in entry || entry.kind !== "directory") {
          yield entry;
          continue;
        }
        if (!follow) waiting.push({ ...entry, above });
        else {
          const real = await fs.realPath(entry.path, options);
          if (above.includes(real)) {
            yield failure(
              entry.path,
              new FsError(`Cannot copy "${entry.path}": it leads back to "${real}"`, {
                code: "ELOOP",
                path: entry.path,
                operation: "fs/readDirectory",
              }),
            );
            continue;
          }
          waiting.push({ ...entry, above: [...above, real] });
        }
        yield entry;
      }
    }
  }
}

export function kindFor(info: FileInfo, follow: boolean): TreeEntry["kind"] {
  if (info.isSymlink && !follow) return "link";
  if (info.isDirectory) return "directory";
  return info.isFile ? "file" : "other";
}

function failure(path: string, error: unknown): TreeFailure {
  if (error instanceof FsError) return { path, error };
  throw error;
}
