/** What grounding a policy asks of the disk. An interface, so that a test can be the disk. */

import process from "node:process";
import { nodeFs } from "../runtime/node_modules.ts";

export type FileKind = "folder" | "file" | "link" | "other" | "missing" | "unreachable";

export interface Disk {
  /** What a path is, the last link not followed. */
  kindOf(path: string): FileKind;
  /** Where a link leads. */
  linkTarget(path: string): string;
  /** Whether we could make something in a folder, once we have changed its mode where it is ours. */
  isWritable(folder: string): boolean;
  /** The beginning of a small file; empty when it cannot be read. */
  head(path: string): string;
}

const HEAD_BYTES = 4096;

export const realDisk: Disk = {
  kindOf: (path) => {
    try {
      const stat = nodeFs().lstatSync(path);
      if (stat.isSymbolicLink()) return "link";
      if (stat.isDirectory()) return "folder";
      return stat.isFile() ? "file" : "other";
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === "ENOENT" || code === "ENOTDIR" ? "missing" : "unreachable";
    }
  },
  linkTarget: (path) => nodeFs().readlinkSync(path),
  isWritable: (folder) => {
    try {
      nodeFs().accessSync(folder, nodeFs().constants.W_OK);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EACCES" && isOurs(folder);
    }
  },
  head: (path) => {
    try {
      const fd = nodeFs().openSync(path, nodeFs().constants.O_RDONLY | nodeFs().constants.O_NONBLOCK);
      try {
        const bytes = new Uint8Array(HEAD_BYTES);
        return new TextDecoder().decode(bytes.subarray(0, nodeFs().readSync(fd, bytes)));
      } finally {
        nodeFs().closeSync(fd);
      }
    } catch {
      return "";
    }
  },
};

/** Whether what is in a folder can be reached by its name, once we have changed the mode where the folder is ours. */
export function mayBeEntered(folder: string): boolean {
  try {
    nodeFs().accessSync(folder, nodeFs().constants.X_OK);
    return true;
  } catch {
    return isOurs(folder);
  }
}

function isOurs(path: string): boolean {
  try {
    return nodeFs().statSync(path).uid === process.geteuid?.();
  } catch {
    return false;
  }
}
