/** `fs/walk`: a tree level by level, in the order of the bytes, within limits. */

import type { WalkEntry, WalkError, WalkOptions, WalkResult } from "../protocol/fs_tree.ts";
import { type FileCalls, type RawEntry, SystemError } from "../runtime/file_calls.ts";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import { LONG_SLICE_MS, turnOfOthers } from "../runtime/turn.ts";
import { ownKind, READ_DIRECTORY, READ_OWN_DIRECTORY, sortedEntries, targetKind } from "./directory.ts";
import { isSystemError, refused } from "./errors.ts";
import { pathOf } from "./metadata.ts";
import { joined, type PathForm, pathText } from "./wire_path.ts";

const MAX_DEPTH = 64;
const MAX_DIRECTORIES = 10_000;
const MAX_ENTRIES = 50_000;
/** As much as the peer answers with. */
const MAX_TEXT = 4 * 1024 * 1024;
/** What the peer reckons for an entry beside its path. */
const ENTRY_TEXT = 64;

interface Directory {
  path: string;
  depth: number;
  /** What the system must say that it is; undefined for what may be a link. */
  real: string | undefined;
}

/** @throws {RpcError} A limit is not within the limits. @throws {SystemError} The root is missing, or leads nowhere. */
export async function walk(
  files: FileCalls,
  root: string,
  options: WalkOptions,
  form: PathForm,
): Promise<WalkResult> {
  checkLimits(options);
  // Also of a link that is not followed the peer wants that it leads somewhere.
  let { kind } = files.stat(AT_FDCWD, root, { follow: true });
  if (!options.followDirectorySymlinks) ({ kind } = files.stat(AT_FDCWD, root, { follow: false }));
  const result: WalkResult = { entries: [], errors: [], truncated: false };
  if (kind !== "directory") return result;
  const walker = new Walker(files, options, form, result);
  await walker.run(root);
  return result;
}

function checkLimits({ maxDepth, maxDirectories, maxEntries }: WalkOptions): void {
  if (maxDirectories === 0 || maxEntries === 0) {
    throw refused("filesystem walk limits must be greater than zero");
  }
  if (maxDepth > MAX_DEPTH || maxDirectories > MAX_DIRECTORIES || maxEntries > MAX_ENTRIES) {
    throw refused(
      `filesystem walk limits exceed maximums: depth=${MAX_DEPTH}, directories=${MAX_DIRECTORIES}, entries=${MAX_ENTRIES}`,
    );
  }
}

class Walker {
  readonly #files: FileCalls;
  readonly #options: WalkOptions;
  readonly #form: PathForm;
  readonly #result: WalkResult;
  readonly #queue: Directory[] = [];
  /** Real directories that were entered, where links could lead to one again. */
  readonly #entered = new Set<string>();
  #directories = 0;
  #seen = 0;
  #text = 0;

  constructor(files: FileCalls, options: WalkOptions, form: PathForm, result: WalkResult) {
    this.#files = files;
    this.#options = options;
    this.#form = form;
    this.#result = result;
  }

  async run(root: string): Promise<void> {
    this.#queue.push({ path: root, depth: 0, real: undefined });
    for (let index = 0; index < this.#queue.length && !this.#result.truncated; index++) {
      const directory = this.#queue[index]!;
      try {
        await this.#enter(directory);
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        // What has gone since it was listed is no error.
        if (index > 0 && isSystemError(error, "ENOENT", "ENOTDIR", "ELOOP")) continue;
        this.#fail({ path: pathText(directory.path, this.#form), message: error.message });
      }
    }
  }

  async #enter(directory: Directory): Promise<void> {
    const files = this.#files;
    const { path, depth, real } = directory;
    const fd = files.open(AT_FDCWD, path, real === undefined ? READ_DIRECTORY : READ_OWN_DIRECTORY);
    try {
      const found = pathOf(files, fd);
      // A link has come to stand on the way since the directory was listed.
      if (real !== undefined && found !== real) return;
      if (this.#options.followDirectorySymlinks) {
        const { identity } = files.fstat(fd);
        if (this.#entered.has(identity)) return;
        this.#entered.add(identity);
      }
      if (this.#directories === this.#options.maxDirectories) {
        this.#result.truncated = true;
        return;
      }
      this.#directories++;
      for (const entry of await sortedEntries(files, fd)) {
        if (!this.#take(fd, { path, depth, real: found }, entry)) return;
        const turn = turnOfOthers(LONG_SLICE_MS);
        if (turn) await turn;
      }
    } finally {
      files.close(fd);
    }
  }

  /** False at a limit. */
  #take(fd: number, directory: Directory & { real: string }, entry: RawEntry): boolean {
    const { followDirectorySymlinks, maxEntries, maxDepth, pruneHiddenDirectories } = this.#options;
    if (this.#seen === maxEntries) return this.#truncate();
    this.#seen++;
    const own = ownKind(this.#files, fd, entry);
    const isLink = own === "symlink";
    let kind = own;
    if (isLink) {
      if (!followDirectorySymlinks) return true;
      kind = targetKind(this.#files, fd, entry);
      // Links to files are passed over even so.
      if (kind !== "directory") return true;
    }
    if (kind !== "file" && kind !== "directory") return true;
    const path = joined(directory.path, entry.name);
    if (!this.#add({ path: pathText(path, this.#form), kind })) return this.#truncate();
    if (kind === "file" || (pruneHiddenDirectories && entry.name.startsWith("."))) return true;
    const real = isLink ? undefined : joined(directory.real, entry.name);
    if (directory.depth < maxDepth) this.#queue.push({ path, depth: directory.depth + 1, real });
    return true;
  }

  #add(entry: WalkEntry): boolean {
    this.#text += entry.path.length + ENTRY_TEXT;
    if (this.#text > MAX_TEXT) return false;
    this.#result.entries.push(entry);
    return true;
  }

  #fail(error: WalkError): void {
    this.#text += error.path.length + error.message.length + ENTRY_TEXT;
    if (this.#text > MAX_TEXT) this.#truncate();
    else this.#result.errors.push(error);
  }

  #truncate(): false {
    this.#result.truncated = true;
    return false;
  }
}
