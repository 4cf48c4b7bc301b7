/** Where a path leads: by the system, which follows links, or name by name without following one. */

import type { FileCalls } from "../runtime/file_calls.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_PATH } from "../runtime/file_libc.ts";
import { splitPath } from "./wire_path.ts";

/** A directory and a name in it, as the calls take them. */
export interface Place {
  readonly dir: number;
  readonly name: string;
  /** Whether links are followed at the name too. */
  readonly follow: boolean;
}

/**
 * Does something at a path. Without following, every directory on the way is opened by the one before it, so that
 * no link that appears meanwhile leads elsewhere.
 * @throws {SystemError} ENOTDIR for a link on the way that is not followed.
 */
export function at<T>(files: FileCalls, path: string, follow: boolean, action: (place: Place) => T): T {
  if (follow) return action({ dir: AT_FDCWD, name: path, follow });
  const { directory, name } = splitPath(path);
  let dir = files.open(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  try {
    for (const part of directory.split("/")) {
      if (part === "") continue;
      const next = files.open(dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      files.close(dir);
      dir = next;
    }
    return action({ dir, name, follow });
  } finally {
    files.close(dir);
  }
}
