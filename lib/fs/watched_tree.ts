/** The directories of a tree, or one alone, each watched by itself, as the system watches no trees. */

import { type FileCalls, SystemError } from "../runtime/file_calls.ts";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import { LONG_SLICE_MS, turnOfOthers } from "../runtime/turn.ts";
import { ownKind, READ_OWN_DIRECTORY } from "./directory.ts";
import { refused } from "./errors.ts";
import { type FileEvent, inotify, inotifyOf } from "./inotify.ts";
import { joined } from "./wire_path.ts";

/** Of one watch; the system has a limit for all as well. */
const MAX_DIRECTORIES = 50_000;

/** So many are watched before others may have a turn, and a small tree at once. */
const AT_ONCE = 256;

/** How a tree is watched, and who is told. Paths are below the root, which is empty itself. */
export interface WatchedTreeOptions {
  recursive: boolean;
  /** Something happened in a directory. */
  event(below: string, event: FileEvent): void;
  /** This was found in a directory that is new. */
  found(below: string): void;
}

/** Begins and ends in slices: to watch a directory is 10 us, and a tree may have thousands. */
export class WatchedTree {
  readonly #files: FileCalls;
  readonly #root: string;
  readonly #options: WatchedTreeOptions;
  /** What ends the watch of each directory. */
  readonly #watched = new Map<string, () => void>();
  /** Directories that are to be watched, and whether they are new: then what is in them is told. */
  readonly #waiting = new Map<string, boolean>();
  #isEntering = false;

  /** @param root Absolute, without links. */
  constructor(files: FileCalls, root: string, options: WatchedTreeOptions) {
    this.#files = files;
    this.#root = root;
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#watched.size === 0;
  }

  /**
   * Watches a directory and those in it; a small tree before this returns. What comes meanwhile is watched too before
   * this settles, unless another call is at it already: then it settles at once. One that has gone, or cannot be read, is
   * passed over, but for the root.
   * @throws {SystemError} There is no root, or no more can be watched; what is left then is not.
   */
  async enter(below: string, isNew: boolean): Promise<void> {
    this.#waiting.set(below, isNew);
    if (this.#isEntering) return;
    this.#isEntering = true;
    try {
      for (const turn of this.#steps()) await turn;
    } catch (error) {
      this.#waiting.clear();
      throw error;
    } finally {
      this.#isEntering = false;
    }
  }

  /** Gives what is to be waited for on the way, so that others have their turn. */
  *#steps(): Generator<Promise<void>, void> {
    let entered = 0;
    // Who is added on the way comes up too.
    for (const next of this.#waiting.keys()) {
      yield* this.#enterNext(next);
      const turn = ++entered % AT_ONCE === 0 ? turnOfOthers(LONG_SLICE_MS) : undefined;
      if (turn) yield turn;
    }
  }

  *#enterNext(below: string): Generator<Promise<void>, void> {
    const isNew = this.#waiting.get(below);
    this.#waiting.delete(below);
    if (isNew === undefined || this.#watched.has(below)) return;
    if (this.#watched.size >= MAX_DIRECTORIES) {
      throw refused(`at most ${MAX_DIRECTORIES} directories can be watched at a time`);
    }
    try {
      const path = below === "" ? this.#root : joined(this.#root, below);
      const isWatched = this.#watch(below, path);
      if (this.#options.recursive) yield* this.#read(below, path, isNew, isWatched);
    } catch (error) {
      const passed =
        error instanceof SystemError && ["ENOENT", "ENOTDIR", "EACCES", "ELOOP"].includes(error.code);
      if (!passed || (below === "" && !this.#watched.has(below))) throw error;
    }
  }

  /** Answers whether that is still so. */
  #watch(below: string, path: string): () => boolean {
    const isCurrent = (): boolean => this.#watched.get(below) === release;
    const release = inotifyOf(this.#files).watch(
      path,
      inotify.onlyDirectory | inotify.dontFollow,
      (event) => isCurrent() && this.#options.event(below, event),
    );
    this.#watched.set(below, release);
    return isCurrent;
  }

  /** After it is watched, so that nothing is made in between unseen. */
  *#read(
    below: string,
    path: string,
    isNew: boolean,
    isWatched: () => boolean,
  ): Generator<Promise<void>, void> {
    const fd = this.#files.open(AT_FDCWD, path, READ_OWN_DIRECTORY);
    try {
      for (let batch = this.#files.readEntries(fd); batch; batch = this.#files.readEntries(fd)) {
        for (const entry of batch) {
          const inside = below === "" ? entry.name : `${below}/${entry.name}`;
          if (isNew) this.#options.found(inside);
          // An event may have told already that it is new.
          if (ownKind(this.#files, fd, entry) === "directory" && !this.#waiting.has(inside)) {
            this.#waiting.set(inside, isNew);
          }
        }
        const turn = batch.length >= AT_ONCE ? turnOfOthers(LONG_SLICE_MS) : undefined;
        if (turn) yield turn;
        if (!isWatched()) return;
      }
    } finally {
      this.#files.close(fd);
    }
  }

  /** A directory has ended. What was in it has ended before, each by itself, and to look for it in all would add up. */
  forget(below: string): void {
    this.#waiting.delete(below);
    this.#watched.get(below)?.();
    this.#watched.delete(below);
  }

  /** A directory is elsewhere with all that is in it: nothing of it is told any more. All are, of the root. */
  leave(below: string): void {
    const isInside = (path: string): boolean =>
      below === "" || path === below || path.startsWith(`${below}/`);
    for (const path of this.#waiting.keys()) if (isInside(path)) this.#waiting.delete(path);
    const left = [...this.#watched].filter(([path]) => isInside(path));
    for (const [path] of left) this.#watched.delete(path);
    releaseAll(left.map(([, release]) => release));
  }
}

async function releaseAll(releases: readonly (() => void)[]): Promise<void> {
  for (const release of releases) {
    const turn = turnOfOthers(LONG_SLICE_MS);
    if (turn) await turn;
    release();
  }
}
