/** Asks a process tree to end, and has who is left after a while killed. */

import { timerMs } from "../protocol/timer.ts";
import type { ProcessRow } from "./process_table.ts";
import { askHolders, askTrees, HELD_AFTER_MS, rootsOf } from "./process_tree.ts";
import type { TreeRoot } from "./tree_search.ts";

/** What is to end, and how. */
export interface GracefulEndOptions {
  root(): TreeRoot;
  /** Output that is not at its end. */
  heldFiles(): readonly string[];
  /** Asks where there is no process table. */
  ask(): void;
  kill(): void;
}

export class GracefulEnd {
  readonly #options: GracefulEndOptions;
  #asked: ProcessRow[] = [];
  /** Settles when all have been asked, but for who holds the output. */
  #asking: Promise<void> | undefined;
  #isOver = false;
  #killAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #holders: ReturnType<typeof setTimeout> | undefined;

  constructor(options: GracefulEndOptions) {
    this.#options = options;
  }

  /** Asks at the first time; of several times the one that is over first counts. */
  begin(graceMs: number): void {
    const at = performance.now() + graceMs;
    const isFirst = this.#timer === undefined;
    if (!isFirst && at >= this.#killAt) return;
    clearTimeout(this.#timer);
    this.#killAt = at;
    this.#timer = setTimeout(() => this.#options.kill(), timerMs(graceMs));
    if (!isFirst) return;
    this.#asking = this.#ask();
  }

  async #ask(): Promise<void> {
    const root = this.#options.root();
    this.#asked = await askTrees([root], () => !this.#isOver);
    if (this.#isOver) return;
    if (this.#asked.length === 0) this.#options.ask();
    const askOthers = async (): Promise<void> => {
      const others = { onTerminal: root.isTerminal, asked: this.#asked };
      this.#asked.push(...(await askHolders(this.#options.heldFiles, others)));
    };
    this.#holders = setTimeout(askOthers, HELD_AFTER_MS);
  }

  /** The process has ended, and so has its output: nobody is killed unless who was asked is there still. */
  async closed(): Promise<void> {
    await this.#asking;
    if (this.left.length === 0) this.stop();
  }

  /** Who was asked and is still there; who has lost its parent since is found by this only. */
  get left(): TreeRoot[] {
    return rootsOf(this.#asked);
  }

  /** Nobody will be killed. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#holders);
  }
}
