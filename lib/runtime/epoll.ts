/** Waits for descriptors to become readable or writable, all of them in one epoll set. */

import process from "node:process";
import { F_SETFL, type Libc, O_CLOEXEC, O_NONBLOCK } from "./libc.ts";

/** How a runtime waits for an epoll set. */
export interface EpollWait {
  /**
   * Settles when the set has events, with their number; they are in `events` then. It may answer 0. One wait at a
   * time.
   */
  next(epoll: number, events: Uint8Array, max: number): Promise<number>;
  /** No wait follows for now: nothing may keep the program alive. */
  rest(): void;
}

const EPOLLIN = 0x1;
const EPOLLOUT = 0x4;
const EPOLLERR = 0x8;
const EPOLLHUP = 0x10;
const EPOLLONESHOT = 1 << 30;
const EPOLLET = 1 << 31;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const MAX_EVENTS = 64;

/** `struct epoll_event` is packed on x86-64 and nowhere else. */
const DATA_OFFSET = process.arch === "x64" ? 4 : 8;
const EVENT_BYTES = DATA_OFFSET + 8;

/** True when the other side has hung up: from then on a failing `read` or `write` is the end, not "later". */
type Waiter = (hungUp: boolean) => void;

interface Entry {
  readonly fd: number;
  readonly token: number;
  read?: Waiter | undefined;
  write?: Waiter | undefined;
}

/**
 * One set with one wait at a time, and only while somebody waits: an idle program may end.
 *
 * Interest is one-shot, so that a descriptor nobody waits for costs nothing. Events carry a token, not the
 * number of the descriptor: a thread may have fetched an event of a descriptor that is closed, and its number
 * in use again, by the time we see it.
 */
export class Reactor {
  readonly #libc: Libc;
  readonly #wait: EpollWait;
  readonly #epoll: number;
  readonly #alarm: number;
  readonly #events = new Uint8Array(MAX_EVENTS * EVENT_BYTES);
  readonly #view = new DataView(this.#events.buffer);
  readonly #event = new Uint8Array(EVENT_BYTES);
  readonly #eventView = new DataView(this.#event.buffer);
  readonly #byFd = new Map<number, Entry>();
  readonly #byToken = new Map<number, Entry>();
  #lastToken = 0;
  #waiters = 0;
  #running = false;

  constructor(libc: Libc, wait: EpollWait) {
    this.#libc = libc;
    this.#wait = wait;
    this.#epoll = libc.epoll_create1(O_CLOEXEC);
    // Bun would otherwise try to read it before it waits.
    libc.fcntl(this.#epoll, F_SETFL, O_NONBLOCK);
    this.#alarm = libc.eventfd(0, O_CLOEXEC | O_NONBLOCK);
    // Edge-triggered, so that it need not be read.
    this.#control(EPOLL_CTL_ADD, this.#alarm, EPOLLIN | EPOLLET, 0);
  }

  /** Settles when a `read` may get on, with whether the other side has hung up. One wait at a time. */
  readable(fd: number): Promise<boolean> {
    return new Promise((resolve) => this.#add(fd, "read", resolve));
  }

  /** Settles when a `write` may get on, with whether the other side has hung up. One wait at a time. */
  writable(fd: number): Promise<boolean> {
    return new Promise((resolve) => this.#add(fd, "write", resolve));
  }

  /** Ends a wait early; it answers true. */
  cancel(fd: number, side: "read" | "write"): void {
    const entry = this.#byFd.get(fd);
    if (entry) this.#settle(entry, side, true);
    this.#wakeWhenIdle();
  }

  /** To be called before a descriptor is closed. Ends its waits. */
  forget(fd: number): void {
    const entry = this.#byFd.get(fd);
    if (!entry) return;
    this.#byFd.delete(fd);
    this.#byToken.delete(entry.token);
    this.#control(EPOLL_CTL_DEL, fd, 0, 0);
    this.#settle(entry, "read", true);
    this.#settle(entry, "write", true);
    this.#wakeWhenIdle();
  }

  #add(fd: number, side: "read" | "write", waiter: Waiter): void {
    let entry = this.#byFd.get(fd);
    const known = entry !== undefined;
    entry ??= { fd, token: this.#nextToken() };
    entry[side] = waiter;
    this.#waiters++;
    this.#byFd.set(fd, entry);
    this.#byToken.set(entry.token, entry);
    if (!this.#arm(entry, known)) {
      // Not a descriptor that can be waited for: the next call must say what is wrong.
      this.#byFd.delete(fd);
      this.#byToken.delete(entry.token);
      this.#settle(entry, side, true);
      return;
    }
    if (!this.#running) this.#run();
  }

  #arm(entry: Entry, known: boolean): boolean {
    const interest = (entry.read ? EPOLLIN : 0) | (entry.write ? EPOLLOUT : 0) | EPOLLONESHOT;
    return this.#control(known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, entry.fd, interest, entry.token);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiters > 0) {
      const count = await this.#wait.next(this.#epoll, this.#events, MAX_EVENTS);
      for (let i = 0; i < count; i++) this.#dispatch(i * EVENT_BYTES);
    }
    this.#running = false;
    this.#wait.rest();
  }

  #dispatch(offset: number): void {
    const flags = this.#view.getUint32(offset, true);
    const entry = this.#byToken.get(this.#view.getUint32(offset + DATA_OFFSET, true));
    if (!entry) return;
    const hungUp = (flags & (EPOLLHUP | EPOLLERR)) !== 0;
    if (hungUp || flags & EPOLLIN) this.#settle(entry, "read", hungUp);
    if (hungUp || flags & EPOLLOUT) this.#settle(entry, "write", hungUp);
    if (entry.read || entry.write) this.#arm(entry, true);
  }

  #settle(entry: Entry, side: "read" | "write", hungUp: boolean): void {
    const waiter = entry[side];
    if (!waiter) return;
    entry[side] = undefined;
    this.#waiters--;
    waiter(hungUp);
  }

  /** The parked wait counts as work to do: without it the program could not end. */
  #wakeWhenIdle(): void {
    if (this.#waiters > 0 || !this.#running) return;
    this.#libc.write(this.#alarm, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  }

  #nextToken(): number {
    // 0 is the alarm's.
    this.#lastToken = (this.#lastToken % 0xffff_ffff) + 1;
    return this.#lastToken;
  }

  #control(operation: number, fd: number, interest: number, token: number): boolean {
    this.#eventView.setUint32(0, interest >>> 0, true);
    this.#eventView.setUint32(DATA_OFFSET, token, true);
    return this.#libc.epoll_ctl(this.#epoll, operation, fd, this.#event) === 0;
  }
}
