/**
 * Lets other threads have the processor between two looks at something, in place of sleeping. Where one of them keeps it,
 * the machine is busy: it is left to them for a while, as a thread that gave it away is the last to get it back, and one
 * that sleeps is the first.
 */

/** A client or a program that answers has it for less. */
const LOST_MS = 0.5;
/** How long it is left to others: twice as long each time, until so many looks have paid off in a row. */
const LEAST_REST_MS = 4;
const MOST_REST_MS = 2000;
const WELL = 500;

export class GivingWay {
  readonly #yieldProcessor: () => void;
  readonly #now: () => number;
  #paidOff = 0;
  #restMs = LEAST_REST_MS;
  #restsUntil = Number.NEGATIVE_INFINITY;

  /** @param yieldProcessor Lets another thread run, if one waits. */
  constructor(yieldProcessor: () => void, now: () => number = () => performance.now()) {
    this.#yieldProcessor = yieldProcessor;
    this.#now = now;
  }

  /** Whether it is left to others now. */
  get rests(): boolean {
    return this.#now() < this.#restsUntil;
  }

  /** Another thread goes first, if one waits. False when it kept the processor: from now on that rests. */
  giveWay(): boolean {
    const from = this.#now();
    this.#yieldProcessor();
    const now = this.#now();
    if (now - from <= LOST_MS) return true;
    this.#restsUntil = now + this.#restMs;
    this.#restMs = Math.min(MOST_REST_MS, 2 * this.#restMs);
    this.#paidOff = 0;
    return false;
  }

  /** What was looked for came in time. */
  paidOff(): void {
    if (++this.#paidOff === WELL) this.#restMs = LEAST_REST_MS;
  }
}
