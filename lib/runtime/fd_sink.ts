/** A non-blocking descriptor as a byte sink. */

import type { Reactor } from "./epoll.ts";
import { LargePipes } from "./large_pipes.ts";
import { F_SETPIPE_SZ, type Libc } from "./libc.ts";
import { errnoByName, osErrorText } from "./os_error.ts";
import type { ByteSink } from "./runtime.ts";

/** A reader on another core can keep a single `write` going for as long as there are bytes. */
const WRITE_BYTES = 1024 * 1024;

/** So much waits for a pipe that is to be made larger. */
const MUCH_INPUT_BYTES = 64 * 1024;
const largePipes = new LargePipes(4);

interface Queued {
  bytes: Uint8Array;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Asks for no `errno`: by the time a second foreign call is made it may be another's. A write that fails is waited for
 * instead, and the wait tells a busy descriptor from a dead one.
 */
export class FdSink implements ByteSink {
  readonly #libc: Libc;
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #release: () => void;
  readonly #onInput: () => void;
  readonly #queue: Queued[] = [];
  #pending = 0;
  #isWaiting = false;
  #enlarged = false;
  #releasePipe: (() => void) | undefined;
  #state: "open" | "closing" | "closed" = "open";

  /**
   * @param release Lets go of the descriptor; called once.
   * @param onInput Called at each write.
   */
  constructor(libc: Libc, reactor: Reactor, fd: number, release: () => void, onInput: () => void) {
    this.#libc = libc;
    this.#reactor = reactor;
    this.#fd = fd;
    this.#release = release;
    this.#onInput = onInput;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#state !== "open") return Promise.reject(closedError());
    if (bytes.length === 0) return Promise.resolve();
    this.#onInput();
    // Its reader may have made room by now: who writes much does not wait for the event loop to say so.
    if (this.#queue.length > 0) this.#writeQueued();
    const rest = this.#queue.length === 0 ? bytes.subarray(Math.max(0, this.#take(bytes))) : bytes;
    if (rest.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes: rest, resolve, reject });
      this.#pending += rest.length;
      if (this.#pending >= MUCH_INPUT_BYTES) this.#enlarge();
      if (!this.#isWaiting) this.#drain();
    });
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    if (this.#queue.length === 0) this.destroy();
  }

  destroy(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#fail(closedError());
    this.#reactor.cancel(this.#fd, "write");
    this.#releasePipe?.();
    this.#release();
  }

  /** Once: more waits than a pipe holds. In a larger one whole writes find room, and we are woken less often. */
  #enlarge(): void {
    if (this.#enlarged) return;
    this.#enlarged = true;
    this.#releasePipe = largePipes.add((bytes) => this.#libc.fcntl(this.#fd, F_SETPIPE_SZ, bytes) > 0);
  }

  async #drain(): Promise<void> {
    this.#isWaiting = true;
    while (this.#queue.length > 0) {
      const hungUp = await this.#reactor.writable(this.#fd);
      if (!this.#writeQueued() && hungUp) this.#fail(brokenPipe());
    }
    this.#isWaiting = false;
    if (this.#state === "closing") this.destroy();
  }

  /** Writes what is taken now; false when nothing was. */
  #writeQueued(): boolean {
    let taken = false;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const count = this.#take(next.bytes);
      if (count <= 0) break;
      taken = true;
      this.#pending -= count;
      const rest = next.bytes.subarray(count);
      if (rest.length > 0) {
        next.bytes = rest;
        break;
      }
      this.#queue.shift();
      next.resolve();
    }
    return taken;
  }

  #take(bytes: Uint8Array): number {
    return this.#libc.write(this.#fd, bytes, Math.min(bytes.length, WRITE_BYTES));
  }

  #fail(error: Error): void {
    this.#pending = 0;
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }
}

export function closedError(): Error {
  return new Error("The stream is closed");
}

function brokenPipe(): Error {
  return Object.assign(new Error(osErrorText(errnoByName.get("EPIPE")!)), { code: "EPIPE" });
}
