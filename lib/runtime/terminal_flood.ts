/**
 * Reads a terminal that floods in one go. It hands out 4 KiB at a time, and then needs a moment to come up with the next
 * ones: to go through the event loop for each takes several times as long as they do, and so does it to sleep. To let the
 * others go first who bring them, and a message for all that came, is cheaper for everybody.
 */

import { GivingWay } from "./giving_way.ts";
import type { Libc } from "./libc.ts";

/** A read that brought so much found the terminal full. Keys and their echo are far below. */
const FULL_READ_BYTES = 4095;
/** So many in a row, each so soon after the other, are a flood. */
const FULL_READS = 2;
const SOON_MS = 3;
/** How long all of it may take: a slice of the event loop, as others have to wait for it. */
const GATHER_MS = 1;
/** So often it is looked at before it is slept for. */
const LOOKS = 30;
/** How long nothing may come meanwhile. */
const WAIT_NS = 200_000;
const POLLIN = 1;
const noTime = new Uint8Array(16);

/** What is known of one terminal. */
export class TerminalFlood {
  readonly #libc: Libc;
  /** `struct pollfd`: the descriptor, and what is waited for. */
  readonly #poll: Uint8Array;
  /** `struct timespec`. */
  readonly #wait = new Uint8Array(new BigInt64Array([0n, BigInt(WAIT_NS)]).buffer);
  readonly #now: () => number;
  readonly #others: GivingWay;
  #fullReads = 0;
  #beganAt = Number.NEGATIVE_INFINITY;

  constructor(libc: Libc, fd: number, now: () => number = () => performance.now()) {
    this.#libc = libc;
    this.#poll = new Uint8Array(new Int32Array([fd, POLLIN]).buffer);
    this.#now = now;
    this.#others = new GivingWay(() => libc.sched_yield(), now);
  }

  /** The first bytes of a piece have come, or none. Answers whether there may be more of it. */
  begin(bytes: number): boolean {
    if (bytes < FULL_READ_BYTES) {
      this.#fullReads = 0;
      return false;
    }
    const now = this.#now();
    this.#fullReads = now - this.#beganAt <= GATHER_MS + SOON_MS ? this.#fullReads + 1 : 1;
    this.#beganAt = now;
    return true;
  }

  /** Nothing is there now: waits a moment. False when nothing has come, or when it is time to pass on what there is. */
  waitForMore(): boolean {
    if (this.#fullReads < FULL_READS || this.#now() - this.#beganAt > GATHER_MS) return false;
    for (let looks = 0; looks < LOOKS && !this.#others.rests; looks++) {
      if (!this.#others.giveWay()) break;
      if (this.#libc.ppoll(this.#poll, 1, noTime, 0) <= 0) continue;
      this.#others.paidOff();
      return true;
    }
    return this.#libc.ppoll(this.#poll, 1, this.#wait, 0) > 0;
  }
}
