/** Non-blocking descriptors as byte source and byte sink. */

import type { Reactor } from "./epoll.ts";
import { Flood } from "./flood.ts";
import { LargePipes } from "./large_pipes.ts";
import { F_SETPIPE_SZ, type Libc } from "./libc.ts";
import { errnoByName, osErrorText } from "./os_error.ts";
import type { ByteSink, ByteSource } from "./runtime.ts";
import { turnOfOthers } from "./turn.ts";

/** A pipe holds 64 KiB unless somebody enlarged it, a terminal less. */
const READ_BYTES = 256 * 1024;
/** A reader on another core can keep a single `write` going for as long as there are bytes. */
const WRITE_BYTES = 1024 * 1024;

/** So much waits for a pipe that is to be made larger. */
const MUCH_INPUT_BYTES = 64 * 1024;
const largePipes = new LargePipes(4);

/** Every read is finished before another begins, so they all share it. */
const readBuffer = new Uint8Array(READ_BYTES);

/**
 * Neither source nor sink asks for `errno`: by the time a second foreign call is made it may be another's. A
 * call that fails is waited for instead, and the wait tells a busy descriptor from a dead one.
 */
export class FdSource implements ByteSource {
  readonly #libc: Libc;
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #release: () => void;
  #hungUp = false;
  #done = false;

  /** @param release Lets go of the descriptor; called once. */
  constructor(libc: Libc, reactor: Reactor, fd: number, release: () => void) {
    this.#libc = libc;
    this.#reactor = reactor;
    this.#fd = fd;
    this.#release = release;
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const turn = turnOfOthers();
      if (turn) await turn;
      const count = this.#readNow();
      if (count > 0) return readBuffer.slice(0, count);
      if (this.#done) return null;
      this.#hungUp = await this.#reactor.readable(this.#fd);
    }
  }

  async lendAll(take: (bytes: Uint8Array) => Promise<unknown> | undefined): Promise<void> {
    const flood = new Flood((bytes) => this.#libc.fcntl(this.#fd, F_SETPIPE_SZ, bytes) > 0);
    for (;;) {
      const turn = turnOfOthers();
      if (turn) await turn;
      const count = this.#readNow();
      if (count > 0) {
        flood.took(count);
        const wait = take(readBuffer.subarray(0, count));
        if (wait) await wait;
        continue;
      }
      if (this.#done) return flood.end();
      const restMs = flood.restMs();
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
      else this.#hungUp = await this.#reactor.readable(this.#fd);
    }
  }

  /** Bytes in `readBuffer`; 0 when there are none for now, or when it is done. */
  #readNow(): number {
    if (this.#done) return 0;
    const count = this.#libc.read(this.#fd, readBuffer, READ_BYTES);
    if (count > 0) return count;
    // A terminal ends with EIO when the last of its holders has gone, a pipe with 0.
    if (count === 0 || this.#hungUp) this.cancel();
    return 0;
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    this.#reactor.cancel(this.#fd, "read");
    this.#release();
  }
}

interface Queued {
  bytes: Uint8Array;
  resolve(): void;
  reject(error: Error): void;
}

export class FdSink implements ByteSink {
  readonly #libc: Libc;
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #release: () => void;
  readonly #queue: Queued[] = [];
  #pending = 0;
  #enlarged = false;
  #releasePipe: (() => void) | undefined;
  #state: "open" | "closing" | "closed" = "open";

  /** @param release Lets go of the descriptor; called once. */
  constructor(libc: Libc, reactor: Reactor, fd: number, release: () => void) {
    this.#libc = libc;
    this.#reactor = reactor;
    this.#fd = fd;
    this.#release = release;
  }

  get pendingBytes(): number {
    return this.#pending;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#state !== "open") return Promise.reject(closedError());
    if (bytes.length === 0) return Promise.resolve();
    const rest = this.#queue.length === 0 ? bytes.subarray(Math.max(0, this.#take(bytes))) : bytes;
    if (rest.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes: rest, resolve, reject });
      this.#pending += rest.length;
      if (this.#pending >= MUCH_INPUT_BYTES) this.#enlarge();
      if (this.#queue.length === 1) this.#drain();
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
    while (this.#queue.length > 0) {
      const hungUp = await this.#reactor.writable(this.#fd);
      if (!this.#writeQueued() && hungUp) this.#fail(brokenPipe());
    }
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
