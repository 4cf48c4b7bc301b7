/** `fs/watch`: what changes at a path, in a directory, or in a whole tree. */

import type { FileChange } from "../protocol/fs_watch.ts";
import { timerMs } from "../protocol/timer.ts";
import type { FileCalls } from "../runtime/file_calls.ts";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import { ChangeLog } from "./change_log.ts";
import { refused } from "./errors.ts";
import { type FileEvent, inotify } from "./inotify.ts";
import { realPath } from "./metadata.ts";
import { WatchedTree } from "./watched_tree.ts";
import { joined, splitPath } from "./wire_path.ts";

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
  readonly #tree: WatchedTree;
  readonly #log = new ChangeLog();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** All is watched that was there; nothing is told before. */
  #begun = false;
  #ended = false;
  #closed = false;

  /** @throws {SystemError} There is nothing. */
  constructor(files: FileCalls, path: string, options: WatchOptions) {
    this.#files = files;
    this.#options = options;
    const isDirectory = files.stat(AT_FDCWD, path, { follow: true }).kind === "directory";
    const { directory, name } = splitPath(path);
    this.#only = isDirectory ? undefined : name;
    this.#path = isDirectory ? path : directory;
    this.#real = realPath(files, this.#path);
    this.#tree = new WatchedTree(files, this.#real, {
      recursive: options.recursive,
      event: (below, event) => this.#onEvent(below, event),
      found: (below) => this.#log.add(below, "created"),
    });
  }

  /**
   * Changes from now on are told; settles when those of everything are.
   * @throws {SystemError} There is nothing any more, the system allows no more watches, or it was closed meanwhile.
   */
  async begin(): Promise<void> {
    try {
      await this.#tree.enter("", false);
      if (this.#closed) throw refused("the watch was ended before it had begun");
    } catch (error) {
      this.close();
      throw error;
    }
    this.#begun = true;
    this.#plan();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#tree.leave("");
  }

  #onEvent(below: string, event: FileEvent): void {
    const { mask, name } = event;
    if (mask & inotify.overflow) this.#lost();
    else if (name === "") {
      if (mask & inotify.ignored) this.#tree.forget(below);
      if (mask & gone && below === "") this.#end();
      return;
    } else if (this.#only === undefined || name === this.#only) {
      const inside = below === "" ? name : `${below}/${name}`;
      if (mask & inotify.create) this.#log.add(inside, "created");
      else if (mask & inotify.movedTo) this.#log.add(inside, "arrived");
      else if (mask & disappeared) this.#disappeared(inside, mask);
      else if (!nameless.test(name) || this.#isThere(inside)) this.#log.add(inside, "modified");
      if (mask & inotify.isDirectory && this.#options.recursive) this.#onDirectory(inside, mask);
    }
    this.#plan();
  }

  #disappeared(below: string, mask: number): void {
    this.#log.add(below, "removed");
    // Two that change places go and come each, but one of them comes before the other goes.
    if (mask & inotify.movedFrom && this.#isThere(below)) this.#log.add(below, "arrived");
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
    if (mask & inotify.delete) this.#tree.forget(below);
    // An empty directory that it has taken the place of tells of its end only later.
    if (mask & (inotify.movedFrom | inotify.movedTo)) this.#tree.leave(below);
    // What went may have changed places with another one, which is there already.
    if (mask & (appeared | inotify.movedFrom)) this.#enter(below, true);
  }

  /** The system has dropped events: directories may have been made unseen. */
  #lost(): void {
    this.#log.overflow();
    if (!this.#options.recursive) return;
    this.#tree.leave("");
    this.#enter("", false);
  }

  async #enter(below: string, isNew: boolean): Promise<void> {
    try {
      await this.#tree.enter(below, isNew);
    } catch {
      if (this.#closed) return;
      if (this.#tree.isEmpty) this.#end();
      // What cannot be watched has changes that will be missed.
      else this.#log.overflow();
    }
    this.#plan();
  }

  #end(): void {
    this.#ended = true;
    this.#plan();
  }

  #plan(): void {
    if (!this.#begun || this.#closed || (this.#log.isEmpty && !this.#ended)) return;
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
