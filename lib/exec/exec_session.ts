/** One command of a `UnifiedExec`: what it has put out since somebody looked, and how it stands. */

import { writeInput } from "../client/input_stream.ts";
import type { Process } from "../client/process.ts";
import type { ProcessEvent } from "../client/sequencer.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { settlesWithin } from "./deadline.ts";
import { HeadTailBuffer, type Rendered } from "./head_tail_buffer.ts";
import { type ProcessState, processExited, processFailed, processRunning } from "./process_state.ts";

/** What is needed of a process. Its events are read to the end. */
export type ExecProcess = AsyncIterable<ProcessEvent> & Pick<Process, "write" | "signal" | "terminate">;

/** What a session is made with. */
export interface ExecSessionOptions {
  readonly id: number;
  readonly command: string | readonly string[];
  readonly tty: boolean;
  /** Output that is kept until somebody looks, in bytes. */
  readonly maxBytes: number;
  /** How long an ended program may take to put its last output out. */
  readonly trailingOutputMs: number;
}

const INTERRUPT = "\u0003";
/** How long a failed call waits for the news that explains it. */
const NEWS_MS = 250;

export class ExecSession {
  readonly options: ExecSessionOptions;
  readonly startedAt: number = performance.now();
  readonly #process: ExecProcess;
  readonly #buffer: HeadTailBuffer;
  readonly #exited = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  #state: ProcessState = processRunning;
  #exitedAt = 0;
  #isOver = false;

  constructor(process: ExecProcess, options: ExecSessionOptions) {
    this.options = options;
    this.#process = process;
    this.#buffer = new HeadTailBuffer(options.maxBytes);
    this.#collect();
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** The program has ended, and all its output is here or lost. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Output that waits to be taken, held or not. */
  get unreadBytes(): number {
    return this.#buffer.totalBytes;
  }

  /** Waits for the end, then a while more for output that comes behind it. */
  async settle(waitMs: number): Promise<void> {
    const start = performance.now();
    if (!(await settlesWithin(this.#exited.promise, waitMs))) return;
    const now = performance.now();
    // When something else still holds the output, one who waits for it gets all of his time.
    const hadEnded = this.#exitedAt < start;
    const trailingMs = this.#exitedAt + this.options.trailingOutputMs - now;
    await settlesWithin(this.#over.promise, Math.max(trailingMs, hadEnded ? waitMs : 0));
  }

  /** The output since the last time. */
  take(maxBytes: number): Rendered {
    return this.#buffer.drain({ maxBytes: Math.min(maxBytes, this.options.maxBytes), final: this.#isOver });
  }

  /**
   * Types into the terminal. Ctrl-C alone also reaches a program without one, as a signal. Does nothing when the
   * program has ended, also when that is why it failed.
   * @throws {ExecServerError} `ERR_STDIN_CLOSED`, `ERR_DISCONNECTED`, `ERR_CALL_TIMEOUT`. Output is kept.
   * @throws {RpcError} The server refused. Output is kept.
   */
  async write(chars: string, withinMs: number): Promise<void> {
    if (this.#state.hasExited) return;
    if (!this.options.tty && chars !== INTERRUPT) {
      const message = `Cannot write to session ${this.options.id}: its input is empty, as it has no terminal`;
      throw new ExecServerError("ERR_STDIN_CLOSED", message);
    }
    try {
      const settled = Promise.race([this.#send(chars), this.#exited.promise]);
      if (!(await settlesWithin(settled, withinMs))) {
        const message = `Cannot write to session ${this.options.id}: no answer in ${withinMs} ms`;
        throw new ExecServerError("ERR_CALL_TIMEOUT", message);
      }
      await settled;
    } catch (error) {
      await settlesWithin(this.#exited.promise, NEWS_MS);
      if (!this.#state.hasExited) throw error;
    }
  }

  /**
   * Kills it and waits for its end, up to a time.
   * @throws {ExecServerError} `ERR_DISCONNECTED`; not when it has ended all the same.
   */
  async terminate(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    let failure: { error: unknown } | undefined;
    const asked = this.#process.terminate().catch((error: unknown) => {
      failure = { error };
    });
    // Its answer does not matter once the end is known.
    await settlesWithin(Promise.race([asked, this.#exited.promise]), withinMs);
    await settlesWithin(this.#exited.promise, failure ? NEWS_MS : end - performance.now());
    if (failure && !this.#state.hasExited) throw failure.error;
  }

  async #send(chars: string): Promise<void> {
    if (this.options.tty) await writeInput(this.#process, new TextEncoder().encode(chars));
    else await this.#process.signal("interrupt");
  }

  async #collect(): Promise<void> {
    try {
      for await (const event of this.#process) this.#onEvent(event);
      if (!this.#isOver) this.#onEvent({ kind: "failed", message: "the process was given up" });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#onEvent({ kind: "failed", message });
    }
  }

  #onEvent(event: ProcessEvent): void {
    switch (event.kind) {
      case "output":
        this.#buffer.push(event.bytes);
        return;
      case "gap": {
        const lost = event.lostBytes === undefined ? "output" : `${event.lostBytes} bytes of output`;
        this.#buffer.push(new TextEncoder().encode(`\n[... ${lost} lost ...]\n`));
        return;
      }
      case "exited":
        this.#state = processExited(this.#state, event.exitCode);
        break;
      case "failed":
        this.#state = processFailed(this.#state, event.message);
        this.#isOver = true;
        break;
      case "closed":
        if (!this.#state.hasExited)
          this.#state = processFailed(this.#state, "it has ended, but its exit code was lost");
        this.#isOver = true;
    }
    if (this.#exitedAt === 0) this.#exitedAt = performance.now();
    this.#exited.resolve();
    if (this.#isOver) this.#over.resolve();
  }
}
