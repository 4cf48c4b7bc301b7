/** A process that runs somewhere else: its events in order, its input, its end. */

import { ExecServerError } from "../protocol/errors.ts";
import type { ReadResult, SignalName, TerminalSizeParams, WriteStatus } from "../protocol/process.ts";
import { type NumberedEvent, type ProcessEvent, Sequencer } from "./sequencer.ts";

/** How a process ended, as far as we know. */
export type ProcessEnd =
  /** It ended by itself or by a signal (128 + n). */
  | { kind: "exited"; exitCode: number; sandboxDenied: boolean }
  /** The connection was lost first: the process may have ended or may run on. */
  | { kind: "lost"; message: string };

/** What the handle needs of its client. */
export interface ProcessLink {
  /** One call; `method` without the `process/`. */
  write(bytes: Uint8Array): Promise<WriteStatus>;
  closeStdin(): Promise<WriteStatus>;
  signal(signal: SignalName): Promise<void>;
  terminate(): Promise<boolean>;
  resize(size: TerminalSizeParams): Promise<void>;
  /** This much output, the piece with this number, was taken by the user. */
  consumed(bytes: number, seq: number): void;
  /** Asks for what is missing after a number; undefined when the connection has ended. */
  readAfter(seq: number): Promise<ReadResult | undefined>;
}

/** A missing number is asked for after this time. */
const FILL_AFTER_MS = 250;

/**
 * A process handle. Its events are read by `for await (const event of process)`, once; output that is not read
 * holds the process back. It ends with the `closed` or the `failed` event.
 */
export class Process implements AsyncIterable<ProcessEvent>, AsyncDisposable {
  /** Handle on the wire. */
  readonly id: string;
  readonly #link: ProcessLink;
  readonly #sequencer = new Sequencer((event) => this.#onEvent(event));
  readonly #exit = Promise.withResolvers<ProcessEnd>();
  readonly #ended = Promise.withResolvers<void>();
  #queue: ProcessEvent[] = [];
  #wake: PromiseWithResolvers<void> | undefined;
  #reader: "none" | "iterator" | "discard" = "none";
  #over = false;
  #fillTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string, link: ProcessLink) {
    this.id = id;
    this.#link = link;
  }

  /**
   * The events, in order. A second reader is an error.
   * @throws {ExecServerError} `ERR_CLOSED`
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ProcessEvent, void> {
    if (this.#reader === "iterator") {
      throw new ExecServerError("ERR_CLOSED", `The events of process "${this.id}" are being read already`);
    }
    this.#reader = "iterator";
    try {
      for (;;) {
        const event = this.#queue.shift();
        if (event) {
          try {
            yield event;
          } finally {
            // Also when the loop ends with this one.
            if (event.kind === "output") this.#link.consumed(event.bytes.length, event.seq);
          }
          continue;
        }
        if (this.#over) return;
        this.#wake = Promise.withResolvers<void>();
        await this.#wake.promise;
      }
    } finally {
      // Whoever stops reading must not stop the process.
      this.#discard();
    }
  }

  /**
   * Waits for the end of the program; output may still follow. Never rejects. Output that nobody reads is
   * dropped from here on, so that it cannot hold the process back.
   */
  wait(): Promise<ProcessEnd> {
    if (this.#reader === "none") this.#discard();
    return this.#exit.promise;
  }

  /** Settles after the last event: `closed`, or `failed`. */
  get closed(): Promise<void> {
    return this.#ended.promise;
  }

  /**
   * Queues bytes for stdin or the terminal.
   * @throws {RpcError} The server refused, as when too much waits already.
   * @throws {ExecServerError} `ERR_DISCONNECTED`: whether they arrived is not known.
   */
  write(bytes: Uint8Array): Promise<WriteStatus> {
    return this.#link.write(bytes);
  }

  /**
   * The program sees the end of its input after what was written.
   * @throws {ExecServerError} `ERR_UNSUPPORTED`: the server has no such call.
   */
  closeStdin(): Promise<WriteStatus> {
    return this.#link.closeStdin();
  }

  /**
   * Signals the process group.
   * @throws {ExecServerError} `ERR_UNSUPPORTED`: the server knows `interrupt` only, or no signals.
   */
  signal(signal: SignalName): Promise<void> {
    return this.#link.signal(signal);
  }

  /** Kills the process group; answers whether it was running. */
  terminate(): Promise<boolean> {
    return this.#link.terminate();
  }

  /** Sets the size of the terminal. @throws {ExecServerError} `ERR_UNSUPPORTED` */
  resize(size: TerminalSizeParams): Promise<void> {
    return this.#link.resize(size);
  }

  /** Kills the process if it runs and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#discard();
    if (!this.#over) await this.terminate().catch(() => {});
    await this.#ended.promise;
  }

  /** A notification came. */
  accept(event: NumberedEvent): void {
    this.#sequencer.accept(event);
    if (this.#sequencer.stalled) {
      this.#fillTimer ??= setTimeout(() => this.#fill(), FILL_AFTER_MS);
    } else {
      clearTimeout(this.#fillTimer);
      this.#fillTimer = undefined;
    }
  }

  /** The number of the last event that was delivered, 0 before the first. */
  get lastSeq(): number {
    return this.#sequencer.lastSeq;
  }

  /** Merges what `process/read` has given after a number that was {@link lastSeq}. */
  fill(result: ReadResult, afterSeq: number): void {
    if (this.#over) return;
    const complete = this.#sequencer.fill(result, afterSeq);
    if (this.#over || (complete && !this.#sequencer.stalled)) return;
    this.#fillTimer ??= setTimeout(() => this.#fill(), FILL_AFTER_MS);
  }

  /** The connection has ended for good. */
  fail(message: string): void {
    if (!this.#over) this.#onEvent({ kind: "failed", message });
  }

  async #fill(): Promise<void> {
    const afterSeq = this.#sequencer.lastSeq;
    const result = await this.#link.readAfter(afterSeq).catch(() => undefined);
    this.#fillTimer = undefined;
    if (result) this.fill(result, afterSeq);
  }

  #onEvent(event: ProcessEvent): void {
    if (event.kind === "exited") {
      this.#exit.resolve({ kind: "exited", exitCode: event.exitCode, sandboxDenied: event.sandboxDenied });
    }
    if (event.kind === "failed") this.#exit.resolve({ kind: "lost", message: event.message });
    if (event.kind === "closed" || event.kind === "failed") {
      this.#over = true;
      clearTimeout(this.#fillTimer);
      this.#ended.resolve();
    }
    if (this.#reader === "discard") {
      if (event.kind === "output") this.#link.consumed(event.bytes.length, event.seq);
      return;
    }
    this.#queue.push(event);
    this.#wake?.resolve();
  }

  #discard(): void {
    this.#reader = "discard";
    for (const event of this.#queue)
      if (event.kind === "output") this.#link.consumed(event.bytes.length, event.seq);
    this.#queue = [];
    this.#wake?.resolve();
  }
}
