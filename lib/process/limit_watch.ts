/** Holds a process to the limits of its start that concern time and output. */

import type { LimitName, StartLimits } from "../protocol/process_limits.ts";
import { timerMs } from "../protocol/timer.ts";

export class LimitWatch {
  readonly #limits: StartLimits;
  readonly #hit: (name: LimitName) => void;
  readonly #timers = new Map<LimitName, ReturnType<typeof setTimeout>>();
  #outputLeft: number;
  /** The output was more than that. */
  #isOver = false;

  /** @param hit Called for the first limit that is hit, and perhaps for others after it. */
  constructor(limits: StartLimits, hit: (name: LimitName) => void) {
    this.#limits = limits;
    this.#hit = hit;
    this.#outputLeft = limits.outputBytes ?? Number.POSITIVE_INFINITY;
  }

  /** The process runs. @param idleMs For how long it has been idle. */
  start(idleMs: () => number): void {
    const { wallTimeMs, idleTimeMs } = this.#limits;
    const from = performance.now();
    if (wallTimeMs !== undefined) this.#watch("wallTime", wallTimeMs, () => performance.now() - from);
    if (idleTimeMs !== undefined) this.#watch("idleTime", idleTimeMs, idleMs);
  }

  /** How much of this output may be told. */
  take(bytes: Uint8Array): Uint8Array {
    if (bytes.length <= this.#outputLeft) {
      this.#outputLeft -= bytes.length;
      return bytes;
    }
    // A copy, as a part would keep the whole alive.
    const rest = bytes.slice(0, this.#outputLeft);
    this.#outputLeft = 0;
    if (!this.#isOver) this.#hit("outputBytes");
    this.#isOver = true;
    return rest;
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Looks when the time can be over at the earliest, so that activity costs nothing. */
  #watch(name: LimitName, limitMs: number, soFarMs: () => number): void {
    const look = (): void => {
      const leftMs = limitMs - soFarMs();
      if (leftMs <= 0) this.#hit(name);
      else this.#timers.set(name, setTimeout(look, timerMs(Math.ceil(leftMs))));
    };
    look();
  }
}
