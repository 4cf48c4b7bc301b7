/** Keeps what waits for its readers bounded: by acknowledgement where the server knows it, else by not reading on. */

import type { Peer } from "../jsonrpc/peer.ts";

/** Acknowledged in pieces of this part of the window, so that the server never runs dry. */
const PART = 4;
/** Without acknowledgements, this much may wait over all processes before the connection is held back. */
const PAUSE_FACTOR = 4;

/** What has been taken since the last acknowledgement. */
interface Taken {
  bytes: number;
  seq: number;
}

export class ReceiveWindow {
  /** Output of one process that may wait. */
  readonly bytes: number;
  #peer: Peer | undefined;
  readonly #taken = new Map<string, Taken>();
  /** Waiting output of servers that know no window. */
  #waiting = 0;
  #paused = false;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** A connection has come into use, the first or the next. What was acknowledged over the last may be lost. */
  use(peer: Peer): void {
    this.#peer = peer;
    for (const [processId, { seq }] of this.#taken) this.#acknowledge(processId, seq);
    if (this.#paused) peer.pause();
  }

  /** The process has ended; nothing of it will be acknowledged any more. */
  forget(processId: string): void {
    this.#taken.delete(processId);
  }

  /** Output came in. */
  received(bytes: number, acknowledges: boolean): void {
    if (acknowledges) return;
    this.#waiting += bytes;
    if (this.#paused || this.#waiting <= PAUSE_FACTOR * this.bytes) return;
    this.#paused = true;
    this.#peer?.pause();
  }

  /** Its reader has taken it. `seq` is undefined where the server knows no window. */
  consumed(processId: string, bytes: number, seq: number | undefined): void {
    if (seq !== undefined) {
      const taken = this.#taken.get(processId) ?? { bytes: 0, seq: 0 };
      taken.bytes += bytes;
      taken.seq = Math.max(taken.seq, seq);
      this.#taken.set(processId, taken);
      if (taken.bytes < this.bytes / PART) return;
      taken.bytes = 0;
      this.#acknowledge(processId, taken.seq);
      return;
    }
    // Output that a read has brought was not counted.
    this.#waiting = Math.max(0, this.#waiting - bytes);
    if (!this.#paused || this.#waiting > this.bytes) return;
    this.#paused = false;
    this.#peer?.resume();
  }

  #acknowledge(processId: string, seq: number): void {
    this.#peer?.notify("process/consumed", { processId, seq });
  }
}
