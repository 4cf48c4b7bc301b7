/**
 * Stays awake for a moment where the next message is likely to come at once. A processor that sleeps takes 25 µs and more
 * to wake up, several times what a small request costs: a client that asks one thing after the other waits for little else.
 *
 * It is an adaptive busy poll, as network drivers and hypervisors have it. It begins where recent waits were short and
 * ends where they are not, so that a server at rest or with a slow client burns nothing; and it gives way to whoever else
 * wants the processor.
 */

import { GivingWay } from "./giving_way.ts";

/** So long it stays awake. A client on the same machine asks again within 40 µs, a key is echoed and shown within 80. */
const AWAKE_MS = 0.12;
/** A wait asleep takes so much longer than the same one awake. */
const WAKING_MS = 0.05;
/** What is longer is a transfer: there is always something to do, and the processor is better left to others. */
const SHORT_BYTES = 4096;
/** So many looks, then the event loop turns: what comes by other ways waits for a few microseconds at the most. */
const LOOKS = 3;
/** Short waits before it begins, and the most that count. */
const TRUST = 4;
const MOST_TRUST = 8;
/** What a wait in vain costs: it goes on as long as two of three end in time. */
const IN_VAIN = 2;

/** Where the next message is expected. */
export interface Polled {
  /** Takes what has come and deals with it; whether there was something. */
  poll(): boolean;
}

/** The clock and the event loop, for tests. */
export interface BusyPollOptions {
  now?: () => number;
  nextTurn?: (callback: () => void) => void;
}

export class BusyPoll {
  readonly #now: () => number;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #others: GivingWay;
  #expected: Polled | undefined;
  /** Since when there is nothing to do. */
  #idleSince = Number.NEGATIVE_INFINITY;
  #awake = false;
  /** Grows with short waits. */
  #trust = 0;

  /** @param yieldProcessor Lets another thread have the processor first, if one waits for it. */
  constructor(
    yieldProcessor: () => void,
    { now = () => performance.now(), nextTurn = setImmediate }: BusyPollOptions = {},
  ) {
    this.#now = now;
    this.#nextTurn = nextTurn;
    this.#others = new GivingWay(yieldProcessor, now);
  }

  /** So many bytes have come and have been dealt with; the next are expected from the same side. */
  came(bytes: number, from: Polled): void {
    if (bytes > SHORT_BYTES) {
      this.#trust = 0;
      return;
    }
    const now = this.#now();
    const inTime = now - this.#idleSince <= (this.#awake ? AWAKE_MS : AWAKE_MS + WAKING_MS);
    this.#trust = Math.max(0, Math.min(MOST_TRUST, this.#trust + (inTime ? 1 : -1)));
    if (inTime && this.#awake) this.#others.paidOff();
    this.#expect(from, now);
  }

  /** So many bytes have been sent, which may be answered. */
  sent(bytes: number, to: Polled): void {
    if (bytes <= SHORT_BYTES && this.#trust >= TRUST) this.#expect(to, this.#now());
  }

  #expect(from: Polled, now: number): void {
    this.#idleSince = now;
    if (this.#trust < TRUST || this.#others.rests) return;
    this.#expected = from;
    if (this.#awake) return;
    this.#awake = true;
    this.#nextTurn(this.#turn);
  }

  readonly #turn = (): void => {
    if (this.#look()) this.#nextTurn(this.#turn);
    else this.#sleep();
  };

  /** Whether to go on. */
  #look(): boolean {
    if (this.#trust < TRUST || this.#now() - this.#idleSince >= AWAKE_MS) return false;
    const expected = this.#expected!;
    for (let looks = 0; looks < LOOKS; looks++) {
      if (!this.#others.giveWay()) return false;
      if (expected.poll()) return true;
    }
    return true;
  }

  #sleep(): void {
    this.#awake = false;
    this.#expected = undefined;
    this.#trust = Math.max(0, this.#trust - IN_VAIN);
  }
}
