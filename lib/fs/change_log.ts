/** Changes since the last report, one for each path. */

import type { FileChange } from "../protocol/fs_watch.ts";

type Told = FileChange["kind"];
/** `arrived` by a rename, perhaps in place of something: it is told as created. */
type Kind = Told | "arrived";

/** More are not told one by one. */
const MAX_CHANGES = 10_000;

export class ChangeLog {
  readonly #changes = new Map<string, Kind>();
  #overflow = false;

  get isEmpty(): boolean {
    return this.#changes.size === 0 && !this.#overflow;
  }

  add(path: string, kind: Kind): void {
    if (this.#overflow) return;
    const before = this.#changes.get(path);
    const now = before === undefined ? kind : together(before, kind);
    if (now === undefined) this.#changes.delete(path);
    else this.#changes.set(path, now);
    if (this.#changes.size > MAX_CHANGES) this.overflow();
  }

  /** Something was missed: what is known is not all. */
  overflow(): void {
    this.#overflow = true;
    this.#changes.clear();
  }

  /** What there is to tell; the log is empty then. */
  take(): { changes: [path: string, kind: Told][]; overflow: boolean } {
    const changes = [...this.#changes].map(([path, kind]): [string, Told] => {
      return [path, kind === "arrived" ? "created" : kind];
    });
    const taken = { changes, overflow: this.#overflow };
    this.#changes.clear();
    this.#overflow = false;
    return taken;
  }
}

/** Two changes of a path as one; undefined when it is as it was. */
function together(before: Kind, now: Kind): Kind | undefined {
  if (now === "removed") return before === "created" ? undefined : "removed";
  if (before === "created" || before === "arrived") return before;
  return "modified";
}
