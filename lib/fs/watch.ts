/** `fs/watch`: what changes at a path, in a directory, or in a whole tree. */

import type { FileChange } from "../protocol/fs_watch.ts";
import { timerMs } from "../protocol/timer.ts";
import { type FileCalls, SystemError } from "../runtime/file_calls.ts";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import { ChangeLog } from "./change_log.ts";
import { ownKind, READ_OWN_DIRECTORY } from "./directory.ts";
import { refused } from "./errors.ts";
import { type FileEvent, inotify, inotifyOf } from "./inotify.ts";
import { realPath } from "./metadata.ts";
import { joined, splitPath } from "./wire_path.ts";

/** Of one watch; the system has a limit for all as well. */
const MAX_DIRECTORIES = 50_000;

/** What is told, and to whom. */
export interface WatchReport {
  changes: [path: string, kind: FileChange["kind"]][];
  overflow: boolean;
  ended: boolean;
}

export interface WatchOptions {
  recursive: boolean;
  delayMs: number;
  /** Nothing when something can be told now, else a promise for when it can. */
  ready(): Promise<void> | undefined;
  report(report: WatchReport): void;
}

const gone = inotify.deleteSelf | inotify.moveSelf | inotify.unmount;
const appeared = inotify.create | inotify.movedTo;
const disappeared = inotify.delete | inotify.movedFrom;
/** What the system calls a file that is written before it has a name (`O_TMPFILE`), as ours are. */
const nameless = /^#\d+$/;

export class PathWatch {
  readonly #files: FileCalls;
  readonly #options: WatchOptions;
  /** As the client called it. */
  readonly #path: string;
  /** Where it is. */
  readonly #real: string;
  /** The name that counts, where a file is watched by its directory. */
  readonly #only: string | undefined;
  /** Ends the watch of each directory, by its path below the root, which is empty for the root. */
  readonly #directories = new Map<string, () => void>();
  readonly #log = new ChangeLog();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  #closed = false;

  /** @throws {SystemError} There is nothing, or the system allows no more watches. */
  constructor(files: FileCalls, path: string, options: WatchOptions) {
    this.#files = files;
    this.#options = options;
    const isDirectory = files.stat(AT_FDCWD, path, { follow: true }).kind === "directory";
    const { directory, name } = splitPath(path);
    this.#only = isDirectory ? undefined : name;
    this.#path = isDirectory ? path : directory;
    this.#real = realPath(files, this.#path);
    try {
      this.#enter("", false);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const release of this.#directories.values()) release();
    this.#directories.clear();
  }

  /** Watches a directory, and those in it; `isNew` tells what is found as made. */
  #enter(below: string, isNew: boolean): void {
    if (this.#directories.has(below)) return;
    if (this.#directories.size >= MAX_DIRECTORIES) {
      throw refused(`at most ${MAX_DIRECTORIES} directories can be watched at a time`);
    }
    const flags = inotify.onlyDirectory | inotify.dontFollow;
    const path = below === "" ? this.#real : joined(this.#real, below);
    this.#directories.set(
      below,
      inotifyOf(this.#files).watch(path, flags, (event) => this.#onEvent(below, event)),
    );
    if (!this.#options.recursive) return;
    // After the watch, so that nothing is made in between unseen.
    const fd = this.#files.open(AT_FDCWD, path, READ_OWN_DIRECTORY);
    try {
      for (let batch = this.#files.readEntries(fd); batch; batch = this.#files.readEntries(fd)) {
        for (const entry of batch) {
          const inside = below === "" ? entry.name : `${below}/${entry.name}`;
          if (isNew) this.#log.add(inside, "created");
          if (ownKind(this.#files, fd, entry) === "directory") this.#enterFound(inside, isNew);
        }
      }
    } finally {
      this.#files.close(fd);
    }
  }

  /** One that has gone already, or cannot be read, is passed over. */
  #enterFound(below: string, isNew: boolean): void {
    try {
      this.#enter(below, isNew);
    } catch (error) {
      const passed =
        error instanceof SystemError && ["ENOENT", "ENOTDIR", "EACCES", "ELOOP"].includes(error.code);
      if (!passed) throw error;
    }
  }

  #onEvent(below: string, event: FileEvent): void {
    const { mask, name } = event;
    if (mask & inotify.overflow) this.#lost();
    else if (name === "") {
      if (mask & inotify.ignored) this.#forget(below);
      if (mask & gone && below === "") this.#end();
      return;
    } else if (this.#only === undefined || name === this.#only) {
      const inside = below === "" ? name : `${below}/${name}`;
      if (mask & inotify.create) this.#log.add(inside, "created");
      else if (mask & inotify.movedTo) this.#log.add(inside, "arrived");
      else if (mask & disappeared) this.#log.add(inside, "removed");
      else if (!nameless.test(name) || this.#isThere(inside)) this.#log.add(inside, "modified");
      if (mask & inotify.isDirectory && this.#options.recursive) this.#onDirectory(inside, mask);
    }
    this.#plan();
  }

  #isThere(below: string): boolean {
    try {
      this.#files.stat(AT_FDCWD, joined(this.#real, below), { follow: false });
      return true;
    } catch {
      return false;
    }
  }

  #onDirectory(below: string, mask: number): void {
    if (mask & inotify.delete) this.#forget(below);
    if (mask & inotify.movedFrom) this.#leave(below);
    if (!(mask & appeared)) return;
    // An empty directory that it has taken the place of tells of its end only later.
    if (mask & inotify.movedTo) this.#leave(below);
    try {
      this.#enterFound(below, true);
    } catch {
      // It cannot be watched, so its changes will be missed.
      this.#log.overflow();
    }
  }

  /** A directory has ended. What was in it has ended before, each by itself, and to look for it in all would add up. */
  #forget(below: string): void {
    this.#directories.get(below)?.();
    this.#directories.delete(below);
  }

  /** A directory is elsewhere with all that is in it: nothing of it is told any more. */
  #leave(below: string): void {
    for (const [path, release] of this.#directories) {
      if (path !== below && below !== "" && !path.startsWith(`${below}/`)) continue;
      release();
      this.#directories.delete(path);
    }
  }

  /** The system has dropped events: directories may have been made unseen. */
  #lost(): void {
    this.#log.overflow();
    if (!this.#options.recursive) return;
    this.#leave("");
    try {
      this.#enterFound("", false);
    } catch {
      this.#end();
    }
  }

  #end(): void {
    this.#ended = true;
    this.#plan();
  }

  #plan(): void {
    if (this.#closed || (this.#log.isEmpty && !this.#ended)) return;
    this.#timer ??= setTimeout(() => this.#tell(), timerMs(this.#options.delayMs));
  }

  async #tell(): Promise<void> {
    // While nobody takes reports, changes are put together further.
    for (let wait = this.#options.ready(); wait; wait = this.#options.ready()) await wait;
    this.#timer = undefined;
    if (this.#closed || (this.#log.isEmpty && !this.#ended)) return;
    const { changes, overflow } = this.#log.take();
    const report = changes.map(([below, kind]): [string, FileChange["kind"]] => [
      joined(this.#path, below),
      kind,
    ]);
    if (this.#ended) this.close();
    this.#options.report({ changes: report, overflow, ended: this.#ended });
  }
}
