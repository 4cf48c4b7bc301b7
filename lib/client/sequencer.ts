/** Puts the events of one process in order, fills holes from a read, and says what cannot be filled. */

import type { OutputStream, ReadResult } from "../protocol/process.ts";
import type { LimitName } from "../protocol/process_limits.ts";

/** What a process tells its user, in order. */
export type ProcessEvent =
  /** Output. */
  | { kind: "output"; seq: number; stream: OutputStream; bytes: Uint8Array }
  /**
   * Output is missing here and cannot be had any more; how many bytes, where the server knows. `overLimit`: what was
   * above the limit of output, and has no number but that of the end behind it.
   */
  | { kind: "gap"; firstSeq: number; lastSeq: number; lostBytes?: number; overLimit?: boolean }
  /**
   * The program has ended; output may follow. 128 + n after signal n, which has a name where the server tells it.
   * `endedBy` is the limit that ended it.
   */
  | {
      kind: "exited";
      seq: number;
      exitCode: number;
      sandboxDenied: boolean;
      signal?: string;
      endedBy?: LimitName;
    }
  /** Nothing more will come. `endedBy` is the limit that was hit, also after the exit. */
  | { kind: "closed"; seq: number; endedBy?: LimitName }
  /** The connection was lost, and with it the rest; how the program ended is not known. */
  | { kind: "failed"; message: string };

/** An event with a number. */
export type NumberedEvent = Extract<ProcessEvent, { seq: number }>;

/** An exit as the wire tells it. Without a code, as from a server that does not know it, it is -1. */
export function exitedEvent(
  seq: number,
  exit: Pick<ReadResult, "exitCode" | "sandboxDenied" | "signal" | "endedBy">,
): Extract<ProcessEvent, { kind: "exited" }> {
  const { exitCode, sandboxDenied = false, signal, endedBy } = exit;
  return {
    kind: "exited",
    seq,
    exitCode: exitCode ?? -1,
    sandboxDenied,
    ...(signal === undefined ? {} : { signal }),
    ...(endedBy === undefined ? {} : { endedBy }),
  };
}

export class Sequencer {
  readonly #deliver: (event: ProcessEvent) => void;
  readonly #held = new Map<number, NumberedEvent>();
  #next = 1;
  #exited = false;
  #closed = false;

  constructor(deliver: (event: ProcessEvent) => void) {
    this.#deliver = deliver;
  }

  /** The number that was delivered last, 0 before the first. */
  get lastSeq(): number {
    return this.#next - 1;
  }

  /** Events wait for one that has not come. */
  get stalled(): boolean {
    return this.#held.size > 0 && !this.#closed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Takes an event; delivers it and what waited for it. Repeated ones are dropped. */
  accept(event: NumberedEvent): void {
    if (this.#closed || event.seq < this.#next || this.#held.has(event.seq)) return;
    this.#held.set(event.seq, event);
    this.#release();
  }

  /**
   * Merges the answer of `process/read` with this `afterSeq`, which was `lastSeq`, and no `maxBytes`. False when it
   * speaks of an end whose number it does not give, so that another one is needed.
   */
  fill(result: ReadResult, afterSeq: number): boolean {
    if (this.#closed) return true;
    const first = this.#next;
    const last = result.nextSeq - 1;
    const lostBytes = this.#lostTo(result, afterSeq);
    for (const { seq, stream, chunk } of result.chunks) {
      if (seq >= first) this.#held.set(seq, { kind: "output", seq, stream, bytes: chunk });
    }
    // Up to 0.138.0 `nextSeq` follows the last chunk of the answer, and says nothing of the end.
    if (result.closed && last >= first && !this.#held.has(last)) {
      const { endedBy } = result;
      this.#held.set(last, { kind: "closed", seq: last, ...(endedBy === undefined ? {} : { endedBy }) });
    }
    if (result.exited && !this.#exited && ![...this.#held.values()].some(({ kind }) => kind === "exited")) {
      // The answer does not number the exit; it is the slot that no output has. Given-up output is older than
      // everything retained, so of several free slots the exit has the newest.
      const seq = this.#lastFree(first, last);
      if (seq !== undefined) {
        this.#held.set(seq, exitedEvent(seq, result));
      }
    }
    this.#release();
    // What the server did not send now it does not have.
    const gaps: Extract<ProcessEvent, { kind: "gap" }>[] = [];
    for (let next = this.#next; next <= last && !this.#closed; next++) {
      if (this.#held.has(next)) continue;
      const gap = { kind: "gap", firstSeq: next, lastSeq: next } as const;
      while (next < last && !this.#held.has(next + 1)) next++;
      gaps.push({ ...gap, lastSeq: next });
    }
    if (gaps.length === 1 && lostBytes !== undefined) gaps[0]!.lostBytes = lostBytes;
    for (const gap of gaps) {
      this.#deliver(gap);
      this.#next = gap.lastSeq + 1;
      this.#release();
    }
    return (this.#exited || !result.exited) && (this.#closed || !result.closed);
  }

  /** Gives up what is missing before the events that wait for it. */
  skip(): void {
    while (this.stalled) {
      const firstSeq = this.#next;
      this.#next = Math.min(...this.#held.keys());
      this.#deliver({ kind: "gap", firstSeq, lastSeq: this.#next - 1 });
      this.#release();
    }
  }

  /** How much of what the server gave up we lack too, if that is known. */
  #lostTo(result: ReadResult, afterSeq: number): number | undefined {
    // Some of it may have come since.
    if (result.lostBytes === undefined || result.lostBytesIsMinimum || afterSeq !== this.lastSeq)
      return undefined;
    const firstKept = result.chunks[0]?.seq ?? result.nextSeq;
    let lost = result.lostBytes;
    for (const event of this.#held.values()) {
      if (event.kind === "output" && event.seq < firstKept) lost -= event.bytes.length;
    }
    return lost;
  }

  #lastFree(first: number, last: number): number | undefined {
    for (let seq = last; seq >= first; seq--) if (!this.#held.has(seq)) return seq;
    return undefined;
  }

  #release(): void {
    for (let event = this.#held.get(this.#next); event; event = this.#held.get(this.#next)) {
      this.#held.delete(this.#next++);
      if (event.kind === "exited") this.#exited = true;
      if (event.kind === "closed") this.#closed = true;
      this.#deliver(event);
      if (this.#closed) this.#held.clear();
    }
  }
}
