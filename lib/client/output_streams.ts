/** Gives the output of a process out as byte streams, each as fast as it is read. */

import { ExecServerError } from "../protocol/errors.ts";
import type { ProcessEvent } from "./sequencer.ts";

/** `output` is both of the others, in order. */
export type StreamName = "stdout" | "stderr" | "output";

/** What the streams need of their process. */
export interface OutputStreamsOptions {
  processId: string;
  isTerminal: boolean;
  /** Output was taken by the user, and so was all before it. */
  consumed(bytes: number, seq: number): void;
}

/** Output on its way to a reader. */
interface Piece {
  readonly seq: number;
  readonly bytes: Uint8Array;
  taken: boolean;
}

export class OutputStreams {
  readonly #options: OutputStreamsOptions;
  readonly #outlets = new Map<StreamName, Outlet>();
  /** Events that wait until all streams that are wanted were taken; undefined from then on. */
  #early: ProcessEvent[] | undefined = [];
  /** In the order of their numbers. One number acknowledges all lower ones, so none may overtake another. */
  #pieces: Piece[] = [];

  /** Goes to work when the running turn is over, so that several streams can be taken. */
  constructor(options: OutputStreamsOptions) {
    this.#options = options;
    queueMicrotask(() => {
      const early = this.#early!;
      this.#early = undefined;
      for (const event of early) this.#route(event);
    });
  }

  /** @throws {ExecServerError} `ERR_CLOSED`: what it would hold is dropped, or goes to another stream. */
  take(name: StreamName): ReadableStream<Uint8Array<ArrayBuffer>> {
    const taken = this.#outlets.get(name);
    if (taken) return taken.stream;
    const outlet = new Outlet((piece) => this.#onTaken(piece));
    if (name === "stderr" && this.#options.isTerminal) {
      outlet.end();
    } else if (!this.#early) {
      throw this.#refusal(
        name,
        "it is dropped, as only another stream was taken: take both at the same time",
      );
    } else if (name === "output" ? this.#outlets.size > 0 : this.#outlets.has("output")) {
      throw this.#refusal(name, 'take "output", or "stdout" and "stderr"');
    }
    this.#outlets.set(name, outlet);
    return outlet.stream;
  }

  /** The next event of the process. */
  accept(event: ProcessEvent): void {
    if (this.#early) this.#early.push(event);
    else this.#route(event);
  }

  /** Ends the streams that have not come to their end, at once. */
  destroy(error: ExecServerError): void {
    for (const outlet of this.#outlets.values()) outlet.destroy(error);
  }

  #route(event: ProcessEvent): void {
    if (event.kind === "output") {
      const { seq, bytes, stream } = event;
      const piece: Piece = { seq, bytes, taken: false };
      this.#pieces.push(piece);
      const outlet =
        this.#outlets.get("output") ?? this.#outlets.get(stream === "stderr" ? stream : "stdout");
      if (outlet) outlet.push(piece);
      else this.#onTaken(piece);
    } else if (event.kind !== "exited") {
      const error = this.#errorOf(event);
      for (const outlet of this.#outlets.values()) outlet.end(error);
    }
  }

  #onTaken(piece: Piece): void {
    piece.taken = true;
    let count = this.#pieces.findIndex(({ taken }) => !taken);
    if (count < 0) count = this.#pieces.length;
    for (const { bytes, seq } of this.#pieces.splice(0, count)) this.#options.consumed(bytes.length, seq);
  }

  #errorOf(event: Exclude<ProcessEvent, { kind: "output" | "exited" }>): ExecServerError | undefined {
    const { processId } = this.#options;
    if (event.kind === "closed") return undefined;
    if (event.kind === "failed") {
      return new ExecServerError(
        "ERR_DISCONNECTED",
        `Cannot read on from process "${processId}": ${event.message}`,
      );
    }
    const lost = event.lostBytes === undefined ? "output" : `${event.lostBytes} bytes of output`;
    return new ExecServerError(
      "ERR_OUTPUT_GAP",
      `Cannot read on from process "${processId}": ${lost} can not be had any more`,
    );
  }

  #refusal(name: StreamName, why: string): ExecServerError {
    return new ExecServerError(
      "ERR_CLOSED",
      `Cannot take "${name}" of process "${this.#options.processId}": ${why}`,
    );
  }
}

/** One stream. It holds nothing itself: a piece leaves our queue when a read asks for it. */
class Outlet {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #onTaken: (piece: Piece) => void;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #queue: Piece[] = [];
  #wanted = false;
  #flowing = false;
  /** What comes behind the queue. */
  #end: { error: ExecServerError | undefined } | undefined;
  /** The reader has got the end, or has gone. */
  #over = false;

  constructor(onTaken: (piece: Piece) => void) {
    this.#onTaken = onTaken;
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#wanted = true;
          this.#flow();
        },
        // Whoever stops reading must not stop the process.
        cancel: () => this.#drop(),
      },
      { highWaterMark: 0 },
    );
  }

  push(piece: Piece): void {
    if (this.#over || this.#end) {
      this.#onTaken(piece);
      return;
    }
    this.#queue.push(piece);
    this.#flow();
  }

  /** Closes the stream, or fails it, behind what is queued. The first end holds. */
  end(error?: ExecServerError): void {
    this.#end ??= { error };
    this.#flow();
  }

  destroy(error: ExecServerError): void {
    if (this.#over) return;
    this.#drop();
    this.#controller.error(error);
  }

  #flow(): void {
    // To enqueue makes the stream pull again when more reads wait.
    if (this.#flowing || this.#over) return;
    this.#flowing = true;
    while (this.#wanted && this.#queue.length > 0) {
      const piece = this.#queue.shift()!;
      this.#wanted = false;
      // What was decoded is never shared memory, which web streams such as TextDecoderStream do not take.
      this.#controller.enqueue(piece.bytes as Uint8Array<ArrayBuffer>);
      this.#onTaken(piece);
    }
    this.#flowing = false;
    if (!this.#end || this.#queue.length > 0) return;
    this.#over = true;
    if (this.#end.error) this.#controller.error(this.#end.error);
    else this.#controller.close();
  }

  #drop(): void {
    this.#over = true;
    const dropped = this.#queue;
    this.#queue = [];
    for (const piece of dropped) this.#onTaken(piece);
  }
}
