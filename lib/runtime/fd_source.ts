/** A non-blocking descriptor as a byte source. */

import type { Reactor } from "./epoll.ts";
import { Flood } from "./flood.ts";
import { F_SETPIPE_SZ, type Libc } from "./libc.ts";
import type { ByteSource } from "./runtime.ts";
import { linkTarget } from "./small_files.ts";
import { TerminalFlood } from "./terminal_flood.ts";
import { turnOfOthers } from "./turn.ts";

/** A pipe holds 64 KiB unless somebody enlarged it, a terminal less. */
const READ_BYTES = 256 * 1024;

/** Below what one write of a program that floods brings. */
const SMALL_BYTES = 1024;

/**
 * Of a terminal. The system fills its 4 KiB anew while they are read, but only looks whether it may between two reads, and
 * each look that fills some wakes a thread of its own: in halves they are read a sixth faster than in one piece or in many.
 */
const TERMINAL_READ_BYTES = 2048;

/** Every read is finished before another begins, so they all share it. */
const readBuffer = new Uint8Array(READ_BYTES);
let readBufferAt = 0;

/** What a descriptor is. */
export interface FdSourceOptions {
  /** Lets go of the descriptor; called once. */
  release: () => void;
  /** @default {false} */
  isTerminal?: boolean;
}

/**
 * Asks for no `errno`: by the time a second foreign call is made it may be another's. A read that fails is waited for
 * instead, and the wait tells a busy descriptor from a dead one.
 */
export class FdSource implements ByteSource {
  readonly #libc: Libc;
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #release: () => void;
  /** The most that one call is asked for. */
  readonly #pieceBytes: number;
  readonly #pipe: Flood | undefined;
  readonly #terminal: TerminalFlood | undefined;
  #hungUp = false;
  #done = false;

  constructor(libc: Libc, reactor: Reactor, fd: number, { release, isTerminal = false }: FdSourceOptions) {
    this.#libc = libc;
    this.#reactor = reactor;
    this.#fd = fd;
    this.#release = release;
    this.#pieceBytes = isTerminal ? TERMINAL_READ_BYTES : READ_BYTES;
    if (isTerminal) this.#terminal = new TerminalFlood(libc, fd);
    else this.#pipe = new Flood((bytes) => libc.fcntl(fd, F_SETPIPE_SZ, bytes) > 0);
    if (readBufferAt === 0) readBufferAt = Number(libc.addressOf(readBuffer));
  }

  /** Whoever writes has been sent something: what comes next is its answer. */
  expectAnswer(): void {
    this.#pipe?.expectAnswer();
  }

  /** What the system calls the file, of a pipe at both ends the same. Undefined once it has ended. */
  fileName(): string | undefined {
    // The descriptor may be another child's by then.
    if (this.#done) return undefined;
    try {
      return linkTarget(`/proc/self/fd/${this.#fd}`);
    } catch {
      return undefined;
    }
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const turn = turnOfOthers();
      if (turn) await turn;
      const count = this.#readNow(0);
      if (count > 0) return readBuffer.slice(0, count);
      if (this.#done) return null;
      this.#hungUp = await this.#reactor.readable(this.#fd);
    }
  }

  async lendAll(take: (bytes: Uint8Array) => Promise<unknown> | undefined): Promise<void> {
    let restMs = 0;
    for (;;) {
      const turn = turnOfOthers();
      if (turn) await turn;
      const count = this.#gather();
      if (count > 0) {
        this.#pipe?.took(count);
        const wait = take(readBuffer.subarray(0, count));
        if (wait) await wait;
        // So little was all that there was, as a rule: one look less for an echo. What has come since a rest can wait
        // for the next one, which ends at the same time whether it is taken now in small pieces or not.
        if (count > SMALL_BYTES && (restMs === 0 || count === READ_BYTES)) continue;
      }
      if (this.#done) return;
      restMs = this.#pipe?.restMs() ?? 0;
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
      else this.#hungUp = await this.#reactor.readable(this.#fd);
    }
  }

  /** What is there now and, of a terminal that floods, what comes within a moment. */
  #gather(): number {
    let count = this.#sweep(0);
    if (!this.#terminal?.begin(count)) return count;
    while (count < READ_BYTES && !this.#done && !this.#hungUp && this.#terminal.waitForMore()) {
      count = this.#sweep(count);
    }
    return count;
  }

  /** What is there now, from a place in `readBuffer` on; answers where it ends. */
  #sweep(at: number): number {
    let end = at;
    let count: number;
    do {
      count = this.#readNow(end);
      end += count;
    } while (count === this.#pieceBytes && end < READ_BYTES);
    return end;
  }

  /** Reads to a place in `readBuffer`: the number of bytes; 0 when there are none for now, or when it is done. */
  #readNow(at: number): number {
    if (this.#done) return 0;
    const count = this.#libc.read(this.#fd, readBufferAt + at, Math.min(this.#pieceBytes, READ_BYTES - at));
    if (count > 0) return count;
    // A terminal ends with EIO when the last of its holders has gone, a pipe with 0.
    if (count === 0 || this.#hungUp) this.cancel();
    return 0;
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    this.#pipe?.end();
    this.#reactor.cancel(this.#fd, "read");
    this.#release();
  }
}
