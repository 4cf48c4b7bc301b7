/** Keeps what waits for its readers bounded: by acknowledgement where the server knows it, else by not reading on. */

import type { Peer } from "../jsonrpc/peer.ts";
import { Backlog } from "./backlog.ts";

/** Acknowledged in pieces of this part of the window, so that the server never runs dry. */
const PART = 4;
/** And after so many pieces, however small: the server bounds those too. */
const PIECES = 4096;

/** What has been taken since the last acknowledgement. */
interface Taken {
  bytes: number;
  pieces: number;
  seq: number;
}

export class ReceiveWindow {
  /** Output of one process that may wait. */
  readonly bytes: number;
  /** Of servers that know no window. */
  readonly backlog: Backlog;
  #peer: Peer | undefined;
  readonly #taken = new Map<string, Taken>();

  constructor(bytes: number) {
    this.bytes = bytes;
    this.backlog = new Backlog(bytes);
  }

  /** A connection has come into use, the first or the next. What was acknowledged over the last may be lost. */
  use(peer: Peer): void {
    this.#peer = peer;
    for (const [processId, { seq }] of this.#taken) this.#acknowledge(processId, seq);
    this.backlog.use(peer);
  }

  /** The process has ended; nothing of it will be acknowledged any more. */
  forget(processId: string): void {
    this.#taken.delete(processId);
    this.backlog.forget(processId);
  }

  /** The reader of a process has taken so much output, the piece with this number last. */
  consumed(processId: string, bytes: number, seq: number): void {
    const taken = this.#taken.get(processId) ?? { bytes: 0, pieces: 0, seq: 0 };
    taken.bytes += bytes;
    taken.pieces++;
    taken.seq = Math.max(taken.seq, seq);
    this.#taken.set(processId, taken);
    if (taken.bytes < this.bytes / PART && taken.pieces < PIECES) return;
    taken.bytes = 0;
    taken.pieces = 0;
    this.#acknowledge(processId, taken.seq);
  }

  #acknowledge(processId: string, seq: number): void {
    this.#peer?.notify("process/consumed", { processId, seq });
  }
}
