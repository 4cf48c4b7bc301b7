/** `fs/watchMissing`: tells once when one of some missing paths may have come to exist. */

import { type FileCalls, SystemError } from "../runtime/file_calls.ts";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import { type FileEvent, inotify, inotifyOf } from "./inotify.ts";
import { joined, splitPath } from "./wire_path.ts";

const MAX_PATHS = 64;
/** What is made up by the system changes without an event. */
const withoutEvents = /^\/(proc|sys)(\/|$)/;

/** The one watch of a connection. */
export class MissingWatch {
  readonly #files: FileCalls;
  #release: (() => void) | undefined;

  constructor(files: FileCalls) {
    this.#files = files;
  }

  /**
   * Watches in place of what was watched before.
   * @returns False when something is not as was said; nothing is watched then.
   */
  start(missing: readonly string[], present: string | undefined, changed: () => void): boolean {
    this.stop();
    const paths = present === undefined ? missing : [...missing, present];
    if (missing.length < 1 || missing.length > MAX_PATHS) return false;
    if (paths.some((path) => withoutEvents.test(path))) return false;
    const releases: (() => void)[] = [];
    this.#release = () => {
      for (const release of releases) release();
    };
    const tell = (): void => {
      this.stop();
      changed();
    };
    try {
      for (const path of missing) {
        const first = this.#firstMissing(path);
        if (first === undefined) return this.#refuse();
        releases.push(this.#watch(first, (event) => appears(event) && tell(), tell));
        // It may have come between the look and the watch.
        if (this.#firstMissing(path) !== first) return this.#refuse();
      }
      if (present === undefined) return true;
      releases.push(this.#watch(present, tell, tell));
      const { kind } = this.#files.stat(AT_FDCWD, present, { follow: false });
      return kind !== "symlink" || this.#refuse();
    } catch (error) {
      if (error instanceof SystemError) return this.#refuse();
      throw error;
    }
  }

  stop(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #refuse(): false {
    this.stop();
    return false;
  }

  /** Watches the directory for what happens to one name in it, and to itself. */
  #watch(path: string, named: (event: FileEvent) => void, lost: () => void): () => void {
    const { directory, name } = splitPath(path);
    const flags = inotify.onlyDirectory | inotify.dontFollow;
    return inotifyOf(this.#files).watch(directory, flags, (event) => {
      if (event.name === name) named(event);
      else if (event.mask & losses) lost();
    });
  }

  /** The path down to the first name that is not there; undefined when all is, or a link or a file is on the way. */
  #firstMissing(path: string): string | undefined {
    let reached = "/";
    for (const name of path.split("/")) {
      if (name === "") continue;
      const next = joined(reached, name);
      try {
        const { kind } = this.#files.stat(AT_FDCWD, next, { follow: false });
        if (kind !== "directory") return undefined;
      } catch (error) {
        if (error instanceof SystemError && error.code === "ENOENT") return next;
        throw error;
      }
      reached = next;
    }
    return undefined;
  }
}

const losses = inotify.deleteSelf | inotify.moveSelf | inotify.unmount | inotify.ignored | inotify.overflow;

function appears({ mask }: FileEvent): boolean {
  return (mask & (inotify.create | inotify.movedTo)) !== 0;
}
