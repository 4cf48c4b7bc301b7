/** Connections that are kept open for the next request. */

import { backgroundTimer } from "../protocol/timer.ts";
import type { OriginConnection } from "./origin_connection.ts";

/** Origins commonly close after five seconds; a request must not meet that. */
const IDLE_MS = 4000;
/** A connection that is to end, and of whose request nothing more is taken for so long, is closed. */
const ENDING_MS = 30_000;
/** So many wait at most. */
const MAX_IDLE = 256;

interface Idle {
  key: string;
  connection: OriginConnection;
  since: number;
}

/** The time of a pool. */
export interface PoolClock {
  now(): number;
  /** Calls once, and keeps no process alive meanwhile. @returns What calls it off. */
  after(ms: number, callback: () => void): () => void;
}

const systemClock: PoolClock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = backgroundTimer(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** A pool belongs to one policy: what is in it goes to addresses that passed. */
export class ConnectionPool {
  /** Oldest first. */
  #idle: Idle[] = [];
  readonly #open = new Set<OriginConnection>();
  readonly #clock: PoolClock;
  #stopSweeping: (() => void) | undefined;
  #over = false;

  constructor(clock: PoolClock = systemClock) {
    this.#clock = clock;
  }

  /** Has the connection come back here whenever it is free. The key says where it leads, how, and whom it trusts. */
  adopt(key: string, connection: OriginConnection): void {
    this.#open.add(connection);
    let stopWaiting: (() => void) | undefined;
    const awaitEnd = (): void => {
      const { pendingBytes } = connection;
      stopWaiting = this.#clock.after(ENDING_MS, () => {
        if (connection.pendingBytes < pendingBytes) awaitEnd();
        else connection.destroy();
      });
    };
    connection.onFree = () => this.#keep(key, connection);
    connection.onEnding = awaitEnd;
    connection.onOver = () => {
      stopWaiting?.();
      this.#open.delete(connection);
      this.#idle = this.#idle.filter((idle) => idle.connection !== connection);
    };
    if (connection.isOver) connection.onOver();
  }

  /** The connection that was used last, which is the least likely to be closed. */
  take(key: string): OriginConnection | undefined {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const idle = this.#idle[i]!;
      if (idle.key !== key || idle.connection.isOver) continue;
      this.#idle.splice(i, 1);
      return idle.connection;
    }
    return undefined;
  }

  /** Closes what is open, with whatever is on its way; what comes later is not kept. */
  destroy(): void {
    this.#over = true;
    this.#stopSweeping?.();
    for (const connection of [...this.#open]) connection.destroy();
  }

  #keep(key: string, connection: OriginConnection): void {
    if (this.#over) {
      connection.destroy();
      return;
    }
    if (this.#idle.length >= MAX_IDLE) this.#idle.shift()!.connection.destroy();
    this.#idle.push({ key, connection, since: this.#clock.now() });
    if (!this.#stopSweeping) this.#sweepIn(IDLE_MS);
  }

  #sweepIn(ms: number): void {
    this.#stopSweeping = this.#clock.after(ms, () => this.#sweep());
  }

  #sweep(): void {
    this.#stopSweeping = undefined;
    const now = this.#clock.now();
    for (const { connection, since } of [...this.#idle]) {
      // A timer may be a little early.
      if (now - since >= IDLE_MS - 50) connection.destroy();
    }
    const [oldest] = this.#idle.filter(({ connection }) => !connection.isOver);
    if (oldest) this.#sweepIn(IDLE_MS - (now - oldest.since));
  }
}
