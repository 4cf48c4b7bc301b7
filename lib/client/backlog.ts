/**
 * Output that waits for its readers, of servers that know no window. One connection carries all processes, so what
 * holds back one holds back all: that is done only while nobody waits for anything else.
 */

import type { Peer } from "../jsonrpc/peer.ts";

/** So many windows may wait over all processes before the connection is held back. */
const PAUSE_ABOVE = 4;
/** So many may wait of one process when the connection is not held back. */
const FULL_ABOVE = 8;

export class Backlog {
  readonly #windowBytes: number;
  #peer: Peer | undefined;
  readonly #unread = new Map<string, number>();
  #totalBytes = 0;
  /** Processes that run and are read. */
  readonly #read = new Set<string>();
  /** Calls that wait for their answers. */
  #calls = 0;
  /** Lets the connection go on; there is none while nothing is held back. */
  #letGo: (() => void) | undefined;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
  }

  /** A connection has come into use, the first or the next. */
  use(peer: Peer): void {
    this.#peer = peer;
    if (this.#letGo) this.#letGo = peer.hold();
  }

  /** Output waits for its reader. */
  received(processId: string, bytes: number): void {
    this.#unread.set(processId, (this.#unread.get(processId) ?? 0) + bytes);
    this.#totalBytes += bytes;
    this.#update();
  }

  /** Its reader has taken it. */
  consumed(processId: string, bytes: number): void {
    const unread = (this.#unread.get(processId) ?? 0) - bytes;
    if (unread > 0) this.#unread.set(processId, unread);
    else this.#unread.delete(processId);
    this.#totalBytes -= bytes;
    this.#update();
  }

  /** Somebody has begun to read the process, or to wait for its end. */
  reads(processId: string): void {
    this.#read.add(processId);
    this.#update();
  }

  /** The process has ended. What is unread of it still waits. */
  forget(processId: string): void {
    this.#read.delete(processId);
    this.#update();
  }

  /** Of this process, no more should be kept here. */
  isFull(processId: string): boolean {
    return (this.#unread.get(processId) ?? 0) > FULL_ABOVE * this.#windowBytes;
  }

  /** So little waits of this process that more should be fetched. */
  isLow(processId: string): boolean {
    return (this.#unread.get(processId) ?? 0) <= this.#windowBytes;
  }

  /** Reads on while a call waits for its answer, as that comes behind the output. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    this.#calls++;
    this.#update();
    try {
      return await call();
    } finally {
      this.#calls--;
      this.#update();
    }
  }

  #update(): void {
    const limit = this.#letGo ? this.#windowBytes : PAUSE_ABOVE * this.#windowBytes;
    const holds = this.#totalBytes > limit && this.#calls === 0 && !this.#isAnyHungry();
    if (holds === (this.#letGo !== undefined)) return;
    this.#letGo?.();
    this.#letGo = holds ? this.#peer?.hold() : undefined;
  }

  /** Somebody who reads a process has read all that there is. */
  #isAnyHungry(): boolean {
    for (const processId of this.#read) if (!this.#unread.has(processId)) return true;
    return false;
  }
}
