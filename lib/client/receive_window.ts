/** Keeps what waits for its readers bounded: by acknowledgement where the server knows it, else by not reading on. */

import type { Peer } from "../jsonrpc/peer.ts";

/** Acknowledged in pieces of this part of the window, so that the server never runs dry. */
const PART = 4;
/** Without acknowledgements, this much may wait over all processes before the connection is held back. */
const PAUSE_FACTOR = 4;

export class ReceiveWindow {
  /** Output of one process that may wait. */
  readonly bytes: number;
  readonly #peer: Peer;
  readonly #unsent = new Map<string, number>();
  /** Waiting output of servers that know no window. */
  #waiting = 0;
  #paused = false;

  constructor(peer: Peer, bytes: number) {
    this.#peer = peer;
    this.bytes = bytes;
  }

  /** The process has ended; nothing of it will be acknowledged any more. */
  forget(processId: string): void {
    this.#unsent.delete(processId);
  }

  /** Output came in. */
  received(bytes: number, acknowledges: boolean): void {
    if (acknowledges) return;
    this.#waiting += bytes;
    if (this.#paused || this.#waiting <= PAUSE_FACTOR * this.bytes) return;
    this.#paused = true;
    this.#peer.pause();
  }

  /** Its reader has taken it. */
  consumed(processId: string, bytes: number, acknowledges: boolean): void {
    if (acknowledges) {
      const total = (this.#unsent.get(processId) ?? 0) + bytes;
      if (total < this.bytes / PART) {
        this.#unsent.set(processId, total);
        return;
      }
      this.#unsent.delete(processId);
      this.#peer.notify("process/consumed", { processId, bytes: total });
      return;
    }
    this.#waiting -= bytes;
    if (!this.#paused || this.#waiting > this.bytes) return;
    this.#paused = false;
    this.#peer.resume();
  }
}
