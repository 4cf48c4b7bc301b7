/** Whether two names may lead to one file: two environments may lead to one machine. */

import type { FileInfo } from "../client/fs/entries.ts";
import { FsError } from "../client/fs/error.ts";
import type { Location } from "./target.ts";

/** By all that servers tell. What one of them does not tell of a file's making counts as the same. */
export function looksSame(a: FileInfo, b: FileInfo): boolean {
  if (!a.mtime || !b.mtime || a.mtime.getTime() !== b.mtime.getTime()) return false;
  if (a.isFile !== b.isFile || a.isDirectory !== b.isDirectory || a.size !== b.size) return false;
  return !a.birthtime || !b.birthtime || a.birthtime.getTime() === b.birthtime.getTime();
}

/** What is at a path, as far as that can be told: what keeps us from looking also keeps us from copying, which tells it. */
export async function statIfThere(
  { place, path }: Pick<Location, "place" | "path">,
  options: { signal?: AbortSignal },
): Promise<FileInfo | undefined> {
  try {
    return await place.fs.stat(path, options);
  } catch (error) {
    if (error instanceof FsError) return undefined;
    throw error;
  }
}
