/** Walks a tree: by one request where the server can, else directory by directory. */

import { RpcError, rpcCode } from "../../protocol/errors.ts";
import type { DirEntry } from "./entries.ts";
import { FsError, fsError } from "./error.ts";
import { type FsOptions, type FsPath, type FsSession, shownPath } from "./link.ts";
import { baseName, bytesOfText, fromWire, joinPath } from "./path.ts";

/** How a tree is walked. */
export interface WalkOptions extends FsOptions {
  /** Levels below the entries of the root. @default {64} */
  maxDepth?: number;
  /** Enters directories behind symbolic links, each real one once. @default {false} */
  followLinks?: boolean;
  /** Enters directories with a dot in front; they are listed in any case. @default {true} */
  enterHidden?: boolean;
  /** Told of directories that cannot be read. Without it the first one ends the walk. */
  onError?: (error: FsError) => void;
}

/** A file or a directory of a tree. */
export interface WalkedEntry {
  path: string;
  name: string;
  kind: "file" | "directory";
}

/** What walking directory by directory needs. */
export interface WalkSource {
  list(path: string, options: FsOptions): Promise<DirEntry[]>;
  isLink(path: string, options: FsOptions): Promise<boolean>;
  realPath(path: string, options: FsOptions): Promise<string>;
}

/** The most that a server does at once. */
const LIMITS = { maxDirectories: 10_000, maxEntries: 50_000 };

/** Level by level, siblings by the bytes of their names; the root itself is not among them. */
export async function* walkTree(
  session: FsSession,
  source: WalkSource,
  path: FsPath,
  options: WalkOptions = {},
): AsyncGenerator<WalkedEntry, void> {
  const { maxDepth = 64, followLinks = false, enterHidden = true, onError, ...rest } = options;
  const fail = (error: FsError): void => {
    if (!onError) throw error;
    onError(error);
  };
  if (session.form === "uri" && maxDepth <= 64) {
    const params = {
      path: session.wire(path, "fs/walk"),
      options: {
        maxDepth,
        followDirectorySymlinks: followLinks,
        pruneHiddenDirectories: !enterHidden,
        ...LIMITS,
      },
    };
    const { entries, errors, truncated } = await session.call("fs/walk", params, { path }, rest);
    if (!truncated) {
      for (const error of errors) fail(walkError(error));
      for (const entry of entries) {
        const native = fromWire(entry.path);
        yield { path: native, name: baseName(native), kind: entry.kind };
      }
      return;
    }
  }
  yield* walkByListing(source, shownPath(path), { maxDepth, followLinks, enterHidden, fail, rest });
}

interface Listing {
  maxDepth: number;
  followLinks: boolean;
  enterHidden: boolean;
  fail: (error: FsError) => void;
  rest: FsOptions;
}

async function* walkByListing(
  source: WalkSource,
  root: string,
  { maxDepth, followLinks, enterHidden, fail, rest }: Listing,
): AsyncGenerator<WalkedEntry, void> {
  const seen = new Set<string>(followLinks ? [await source.realPath(root, rest)] : []);
  let level = [root];
  for (let depth = 0; level.length > 0 && depth <= maxDepth; depth++) {
    const next: string[] = [];
    for (const directory of level) {
      let entries: DirEntry[];
      try {
        entries = await source.list(directory, rest);
      } catch (error) {
        // A root that is a file has nothing below it; one that is not there is an error.
        if (!(error instanceof FsError) || (depth === 0 && error.code === "ENOENT")) throw error;
        if (depth === 0 && error.code === "ENOTDIR") return;
        fail(error);
        continue;
      }
      for (const { name, isFile, isDirectory, isSymlink } of sorted(entries)) {
        const path = joinPath(directory, name);
        if (isFile && isSymlink !== null) yield { path, name, kind: "file" };
        else if (isFile && (followLinks || !(await source.isLink(path, rest))))
          yield { path, name, kind: "file" };
        if (!isDirectory && !(isSymlink && followLinks)) continue;
        if (isSymlink !== false && !followLinks && (await source.isLink(path, rest))) continue;
        if (followLinks) {
          const real = await source.realPath(path, rest).catch(() => undefined);
          if (real === undefined) continue;
          const isAgain = seen.has(real);
          seen.add(real);
          yield { path, name, kind: "directory" };
          if (isAgain) continue;
        } else yield { path, name, kind: "directory" };
        if (enterHidden || !name.startsWith(".")) next.push(path);
      }
    }
    level = next;
  }
}

function sorted(entries: readonly DirEntry[]): DirEntry[] {
  const keyed = entries.map((entry) => ({ entry, key: bytesOfText(entry.name) }));
  return keyed.sort((a, b) => compareBytes(a.key, b.key)).map(({ entry }) => entry);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

function walkError({ path, message }: { path: string; message: string }): FsError {
  return fsError(new RpcError(rpcCode.internal, message), {
    path: fromWire(path),
    operation: "fs/readDirectory",
  });
}
