/** Puts the events of one process in order, fills holes from a read, and says what cannot be filled. */

import type { OutputStream, ReadResult } from "../protocol/process.ts";

/** What a process tells its user, in order. */
export type ProcessEvent =
  /** Output. */
  | { kind: "output"; seq: number; stream: OutputStream; bytes: Uint8Array }
  /** Output is missing here and cannot be had any more; how many bytes, where the server knows. */
  | { kind: "gap"; firstSeq: number; lastSeq: number; lostBytes?: number }
  /** The program has ended; output may follow. 128 + n after signal n. */
  | { kind: "exited"; seq: number; exitCode: number; sandboxDenied: boolean }
  /** Nothing more will come. */
  | { kind: "closed"; seq: number }
  /** The connection was lost, and with it the rest; how the program ended is not known. */
  | { kind: "failed"; message: string };

/** An event with a number. */
export type NumberedEvent = Extract<ProcessEvent, { seq: number }>;

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

  /** Merges the answer of `process/read` with `afterSeq: lastSeq` and no `maxBytes`. */
  fill(result: ReadResult): void {
    if (this.#closed) return;
    const first = this.#next;
    const found = new Map<number, NumberedEvent>();
    for (const { seq, stream, chunk } of result.chunks) {
      found.set(seq, { kind: "output", seq, stream, bytes: chunk });
    }
    const last = result.nextSeq - 1;
    if (result.closed && last >= first) found.set(last, { kind: "closed", seq: last });
    for (const [seq, event] of this.#held) found.set(seq, event);
    if (result.exited && !this.#exited && ![...found.values()].some((event) => event.kind === "exited")) {
      // The answer does not number the exit; it is the slot that no output has. Given-up output is older than
      // everything retained, so of several free slots the exit has the newest.
      const seq = lastFree(found, first, last);
      if (seq !== undefined) {
        found.set(seq, {
          kind: "exited",
          seq,
          exitCode: result.exitCode ?? -1,
          sandboxDenied: result.sandboxDenied ?? false,
        });
      }
    }
    const missing = firstHole(found, first, last);
    if (missing) {
      const gap: ProcessEvent = { kind: "gap", firstSeq: missing[0], lastSeq: missing[1] };
      if (result.lostBytes !== undefined && !result.lostBytesIsMinimum) gap.lostBytes = result.lostBytes;
      this.#deliver(gap);
      this.#next = missing[1] + 1;
    }
    for (const event of [...found.values()].sort((a, b) => a.seq - b.seq)) this.accept(event);
    this.#release();
    // A hole behind the first is declared too: what the server did not send now it does not have.
    if (this.#held.size > 0 && this.#next <= last) this.fill({ ...result, lostBytesIsMinimum: true });
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

function lastFree(found: Map<number, unknown>, first: number, last: number): number | undefined {
  for (let seq = last; seq >= first; seq--) if (!found.has(seq)) return seq;
  return undefined;
}

function firstHole(found: Map<number, unknown>, first: number, last: number): [number, number] | undefined {
  let start = first;
  while (start <= last && found.has(start)) start++;
  if (start > last) return undefined;
  let end = start;
  while (end < last && !found.has(end + 1)) end++;
  return [start, end];
}
