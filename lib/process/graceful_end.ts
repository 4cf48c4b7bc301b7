/** Asks a process tree to end, and has who is left after a while killed. */

import { timerMs } from "../protocol/timer.ts";
import { askTrees, type ProcessRow, rootsOf, type TreeRoot } from "./process_tree.ts";

/** What is to end, and how. */
export interface GracefulEndOptions {
  root(): TreeRoot;
  /** Asks where there is no process table. */
  ask(): void;
  kill(): void;
}

export class GracefulEnd {
  readonly #options: GracefulEndOptions;
  #asked: ProcessRow[] = [];
  #killAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: GracefulEndOptions) {
    this.#options = options;
  }

  /** Asks at the first time; of several times the one that is over first counts. */
  begin(graceMs: number): void {
    const at = performance.now() + graceMs;
    const isFirst = this.#timer === undefined;
    if (!isFirst && at >= this.#killAt) return;
    this.stop();
    this.#killAt = at;
    this.#timer = setTimeout(() => this.#options.kill(), timerMs(graceMs));
    if (!isFirst) return;
    this.#asked = askTrees([this.#options.root()]);
    if (this.#asked.length === 0) this.#options.ask();
  }

  /** Who was asked and is still there; who has lost its parent since is found by this only. */
  get left(): TreeRoot[] {
    return rootsOf(this.#asked);
  }

  /** Nobody will be killed. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
