/** Waits that all may take equally long: they end in the order in which they began, so one timer does for all of them. */

import { backgroundTimer, timerMs } from "../protocol/timer.ts";

export class Deadlines<T> {
  readonly delayMs: number;
  readonly #expire: (owner: T) => void;
  /** When each is over, by the clock that nobody sets; in order. */
  readonly #ends = new Map<T, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param expire Called for each owner whose wait took so long. Keeps no process alive. */
  constructor(delayMs: number, expire: (owner: T) => void) {
    this.delayMs = delayMs;
    this.#expire = expire;
  }

  /** Those who wait. */
  get owners(): Iterable<T> {
    return this.#ends.keys();
  }

  /** Begins a wait, or begins it anew; answers when it will be over. */
  start(owner: T): number {
    const end = performance.now() + this.delayMs;
    this.#ends.delete(owner);
    this.#ends.set(owner, end);
    if (this.#timer === undefined) this.#wait(this.delayMs);
    return end;
  }

  /** The timer is left to find nothing. */
  stop(owner: T): void {
    this.#ends.delete(owner);
  }

  #wait(ms: number): void {
    this.#timer = backgroundTimer(() => this.#look(), timerMs(ms));
  }

  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [owner, end] of this.#ends) {
      if (end > now) {
        // Another may have begun meanwhile, and with it a timer.
        if (this.#timer === undefined) this.#wait(end - now);
        return;
      }
      this.#ends.delete(owner);
      this.#expire(owner);
    }
  }
}
