/** A process that runs somewhere else: its events in order, its input, its end. */

import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import type { ReadResult, SignalName, TerminalSizeParams, WriteStatus } from "../protocol/process.ts";
import { Ending, type EndingOptions, type ProcessEnd } from "./ending.ts";
import { inputStream } from "./input_stream.ts";
import { OutputStreams, type StreamName } from "./output_streams.ts";
import { type NumberedEvent, type ProcessEvent, Sequencer } from "./sequencer.ts";

export type { ProcessEnd } from "./ending.ts";

/** What the handle needs of its client. */
export interface ProcessLink {
  /** One call; `method` without the `process/`. */
  write(bytes: Uint8Array): Promise<WriteStatus>;
  closeStdin(): Promise<WriteStatus>;
  signal(signal: SignalName): Promise<void>;
  terminate(graceMs?: number): Promise<boolean>;
  /** The client only looks on at the session. */
  readonly isObserved: boolean;
  /** Of what is observed, no more is to come. */
  leave(): Promise<void>;
  resize(size: TerminalSizeParams): Promise<void>;
  /** So much output waits for the user. */
  received(bytes: number): void;
  /** So much of it, the piece with this number, was taken. */
  consumed(bytes: number, seq: number): void;
  /** The user has chosen a way of reading. */
  reads(): void;
  /** So much waits for the user that no more should be kept. Only of servers that cannot be held back by process. */
  readonly isFull: boolean;
  /** So little waits that more should be fetched. */
  readonly isLow: boolean;
  /** Asks for what is missing after a number; undefined when the connection has ended. */
  readAfter(seq: number): Promise<ReadResult | undefined>;
}

/** What the start of a process said of its handle. */
export interface ProcessOptions extends EndingOptions {
  /** It has a terminal. */
  terminal?: TerminalSizeParams;
}

/** A missing number is asked for after this time. */
const FILL_AFTER_MS = 250;

/**
 * A process handle. Its output is read in one of these ways, once; output that is not read holds the process back.
 *
 * - `for await (const event of process)`: all events in order, up to `closed` or `failed`.
 * - {@link stdout} and {@link stderr}, or {@link output}: streams of bytes.
 * - {@link wait} alone: the output is dropped.
 */
export class Process implements AsyncIterable<ProcessEvent>, AsyncDisposable {
  /** Handle on the wire. */
  readonly id: string;
  readonly #link: ProcessLink;
  readonly #sequencer = new Sequencer((event) => this.#onEvent(event));
  readonly #options: ProcessOptions;
  readonly #ending = new Ending(() => this.terminate());
  readonly #ended = Promise.withResolvers<void>();
  #queue: ProcessEvent[] = [];
  #wake: PromiseWithResolvers<void> | undefined;
  #reader: "none" | "iterator" | "streams" | "discard" = "none";
  #streams: OutputStreams | undefined;
  #stdin: WritableStream<Uint8Array> | undefined;
  #over = false;
  /** Output was dropped, as too much waits here. It is fetched again, as far as the server still has it. */
  #lagging = false;
  #fillTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string, link: ProcessLink, options: ProcessOptions = {}) {
    this.id = id;
    this.#link = link;
    this.#options = options;
  }

  /**
   * What the program writes to its standard output, or all output of a terminal. Read as fast as the reader takes
   * it: output that waits here holds the process back.
   *
   * To take a stream is to choose this way of reading. Of `stdout` and `stderr`, the one that is not taken in the
   * same turn as the other is dropped, and can not be taken later. Who takes both must read both. A cancelled stream
   * drops its output and lets the process run. The stream closes when nothing more will come; what is missing is an
   * error of the stream, behind all that came before it:
   *
   * - `ERR_OUTPUT_GAP`: output is missing that the server has given up (which stream's is not known: both fail).
   * - `ERR_DISCONNECTED`: the connection was lost.
   * - `ERR_CLOSED`: the handle was disposed of.
   *
   * ```ts
   * for await (const line of process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()))
   * ```
   *
   * @throws {ExecServerError} `ERR_CLOSED`: the output is read in another way, or is dropped.
   */
  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#take("stdout");
  }

  /** What the program writes to its standard error, as {@link stdout}. Of a terminal it is empty and closed. */
  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#take("stderr");
  }

  /** {@link stdout} and {@link stderr} in one stream, in the order in which the server saw them; instead of both. */
  get output(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#take("output");
  }

  /**
   * The input of a process that was started with `stdin: "pipe"` or a terminal. A write settles when the server has
   * answered, which it does not while much waits for the program. Large chunks are sent in pieces of 64 KiB, up to 16
   * at a time, so over a slow line they go faster than small ones.
   *
   * To close it is {@link closeStdin}. To abort it kills the process, as a program must not take half of its input
   * for the whole: with `pipeTo(process.stdin, { preventAbort: true })` a failing source does not. A failed write is
   * the error of the stream: `ERR_STDIN_CLOSED`, `ERR_DISCONNECTED` (how much arrived is not known), or an `RpcError`.
   */
  get stdin(): WritableStream<Uint8Array> {
    this.#stdin ??= inputStream(this);
    return this.#stdin;
  }

  /**
   * The events, in order. A second reader is an error. When the handle is disposed of, they end where they are.
   * @throws {ExecServerError} `ERR_CLOSED`: the output is read already, or is dropped.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ProcessEvent, void> {
    if (this.#reader !== "none") throw this.#notReadable();
    this.#reader = "iterator";
    this.#link.reads();
    try {
      for (;;) {
        const event = this.#queue.shift();
        if (event) {
          try {
            yield event;
          } finally {
            // Also when the loop ends with this one.
            if (event.kind === "output") this.#consumed(event.bytes.length, event.seq);
          }
          continue;
        }
        if (this.#isHandedOut) return;
        this.#wake = Promise.withResolvers<void>();
        await this.#wake.promise;
      }
    } finally {
      // Whoever stops reading must not stop the process.
      this.#discard();
    }
  }

  /**
   * Waits for the end of the program; output may still follow. Never rejects. Output that nobody has begun to read
   * is dropped from here on, so that it cannot hold the process back.
   */
  wait(): Promise<ProcessEnd> {
    if (this.#reader === "none") this.#discard();
    return this.#ending.promise;
  }

  /** Settles after the last event: `closed`, or `failed`. */
  get closed(): Promise<void> {
    return this.#ended.promise;
  }

  /**
   * Queues bytes for stdin or the terminal.
   * @throws {RpcError} The server refused, as when too much waits already.
   * When the connection is lost meanwhile, servers since 0.169.0 are sent them again, and write them once.
   * @throws {ExecServerError} `ERR_DISCONNECTED`: whether they arrived is not known. `ERR_UNSUPPORTED`: more than some 47
   * MiB, which no message carries; {@link stdin} takes any number.
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

  /**
   * Kills the process with all that it has started; answers whether it was running. With `graceMs` all of it is asked
   * to end first (SIGTERM) and killed after so long; servers without `processTerminateGrace` kill at once.
   */
  terminate({ graceMs }: { graceMs?: number } = {}): Promise<boolean> {
    return this.#link.terminate(graceMs);
  }

  /** Sets the size of the terminal. @throws {ExecServerError} `ERR_UNSUPPORTED` */
  resize(size: TerminalSizeParams): Promise<void> {
    return this.#link.resize(size);
  }

  /** Kills the process if it runs and waits for its end. One that is only observed runs on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#discard();
    if (this.#link.isObserved) {
      if (!this.#over) await this.#link.leave().catch(() => {});
      this.fail("it is not observed any more");
      return;
    }
    if (!this.#over) await this.terminate().catch(() => {});
    await this.#ended.promise;
  }

  /** The server says that it runs. */
  started(): void {
    this.#ending.watch(this.#options);
  }

  /** A notification came. */
  accept(event: NumberedEvent): void {
    if (event.kind === "output") {
      if (this.#link.isFull) this.#lagging = true;
      if (this.#lagging) return;
    }
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
    let result: ReadResult | undefined;
    let refusal: RpcError | undefined;
    try {
      result = await this.#link.readAfter(afterSeq);
    } catch (error) {
      if (error instanceof RpcError) refusal = error;
    }
    this.#fillTimer = undefined;
    if (this.#over) return;
    if (refusal) this.#onNotFilled(refusal);
    else if (result) this.fill(result, afterSeq);
    // Without a connection, or an answer that can be used: what is missing is still missing.
    else this.#fillTimer = setTimeout(() => this.#fill(), FILL_AFTER_MS);
  }

  /** The server will not give what is missing, so nobody must wait for it. */
  #onNotFilled(refusal: RpcError): void {
    this.#sequencer.skip();
    if (this.#over || refusal.code !== rpcCode.invalidRequest) return;
    this.fail(`the server does not know the process any more: ${refusal.message}`);
  }

  #onEvent(event: ProcessEvent): void {
    if (event.kind === "closed" && event.endedBy === "outputBytes") {
      this.#onEvent({ kind: "gap", firstSeq: event.seq, lastSeq: event.seq, overLimit: true });
    }
    if (event.kind === "exited") this.#ending.exited(event);
    if (event.kind === "failed") this.#ending.lost(event.message);
    if (event.kind === "closed") this.#ending.closed();
    if (event.kind === "closed" || event.kind === "failed") {
      this.#over = true;
      clearTimeout(this.#fillTimer);
      this.#ended.resolve();
    }
    if (event.kind === "output") this.#link.received(event.bytes.length);
    if (this.#reader === "discard") {
      if (event.kind === "output") this.#consumed(event.bytes.length, event.seq);
      return;
    }
    if (this.#streams) {
      this.#streams.accept(event);
      return;
    }
    this.#queue.push(event);
    this.#wake?.resolve();
  }

  #consumed(bytes: number, seq: number): void {
    this.#link.consumed(bytes, seq);
    if (!this.#lagging || this.#over || !this.#link.isLow) return;
    this.#lagging = false;
    this.#fillTimer ??= setTimeout(() => this.#fill(), 0);
  }

  #take(name: StreamName): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.#reader === "none") {
      this.#reader = "streams";
      this.#link.reads();
      this.#streams = new OutputStreams({
        processId: this.id,
        isTerminal: this.#options.terminal !== undefined,
        consumed: (bytes, seq) => this.#consumed(bytes, seq),
      });
      for (const event of this.#queue) this.#streams.accept(event);
      this.#queue = [];
    }
    if (!this.#streams) throw this.#notReadable();
    return this.#streams.take(name);
  }

  /** Behind the queue nothing will come: there is no more, or it is dropped. */
  get #isHandedOut(): boolean {
    return this.#over || this.#reader === "discard";
  }

  #notReadable(): ExecServerError {
    const why = this.#reader === "discard" ? "is dropped" : "is being read already";
    return new ExecServerError("ERR_CLOSED", `Cannot read the output of process "${this.id}": it ${why}`);
  }

  #discard(): void {
    this.#reader = "discard";
    this.#streams?.destroy(
      new ExecServerError("ERR_CLOSED", `Cannot read on from process "${this.id}": it was disposed of`),
    );
    this.#link.reads();
    const queue = this.#queue;
    this.#queue = [];
    for (const event of queue) if (event.kind === "output") this.#consumed(event.bytes.length, event.seq);
    this.#wake?.resolve();
  }
}
