/** One line that was started: its output, its report, its end, and whether somebody looks at it. */

import type { Process } from "../client/process.ts";
import type { OutputStream } from "../protocol/process.ts";
import { MarkerStripper } from "./marker.ts";
import { type LineReport, parseReport } from "./shell_script.ts";
import { TailBuffer } from "./tail_buffer.ts";

/**
 * `running`; `left`: the shell has ended but something that it started holds its output open; `done`; `lost`:
 * the connection has gone, and whether it still runs is not known.
 */
export type JobState = "running" | "left" | "done" | "lost";

/** Takes output; a promise holds the program back until it settles. */
export type OutputSink = (stream: OutputStream, bytes: Uint8Array) => Promise<void> | void;

export interface JobOptions {
  process: Process;
  nonce: string;
  text: string;
  environmentId: string;
  terminal: boolean;
}

/** Output of a job in the background that is kept. */
const KEPT_BYTES = 256 * 1024;
/** After the shell has ended and reported, how long the end of all output is waited for. */
const CLOSE_GRACE_MS = 100;
/** After the shell has ended, how long its report is waited for. */
const REPORT_GRACE_MS = 1500;

export class Job {
  readonly process: Process;
  readonly text: string;
  readonly environmentId: string;
  readonly terminal: boolean;
  readonly startedAt = Date.now();
  /** Number in the list of jobs, from when it went into the background. */
  id: number | undefined;
  state: JobState = "running";
  exitCode: number | undefined;
  report: LineReport | undefined;
  /** Output so far. */
  bytes = 0;
  /** The terminal program has switched to the alternate screen. */
  inAlternateScreen = false;
  /** Somebody asked for its end. */
  killed = false;
  /** Bytes that came since the user was last told. */
  unseenBytes = 0;
  readonly #stripper: MarkerStripper;
  readonly #kept = new TailBuffer(KEPT_BYTES);
  readonly #settled = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  #sink: OutputSink | undefined;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #controls = "";

  constructor({ process, nonce, text, environmentId, terminal }: JobOptions) {
    this.process = process;
    this.text = text;
    this.environmentId = environmentId;
    this.terminal = terminal;
    this.#stripper = new MarkerStripper(nonce);
  }

  /** Number of its process group on the other side, where the shell has told. */
  get pid(): number | undefined {
    return this.#stripper.pid;
  }

  /** Settles when the prompt may come back: the shell has ended and has had the time to report. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Settles when nothing more will come. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  get isOver(): boolean {
    return this.state === "done" || this.state === "lost";
  }

  /** Shows the output from here on, what was kept first; gives how much of it is missing. */
  attach(sink: OutputSink): number {
    const dropped = this.#kept.droppedBytes;
    this.#kept.droppedBytes = 0;
    this.#sink = sink;
    this.unseenBytes = 0;
    for (const { stream, bytes } of this.#kept.drain()) sink(stream, bytes);
    return dropped;
  }

  /** Keeps the output from here on. */
  detach(): void {
    this.#sink = undefined;
  }

  /** Reads the events to the end. Called once. */
  async run(): Promise<void> {
    for await (const event of this.process) {
      if (event.kind === "output") {
        const mine = event.stream === "stderr" ? [event.bytes] : this.#strip(event.bytes);
        for (const piece of mine) await this.#take(event.stream, piece);
      } else if (event.kind === "gap") {
        const lost = event.lostBytes === undefined ? "some" : String(event.lostBytes);
        await this.#take("stderr", new TextEncoder().encode(`[${lost} bytes of output are missing here]\n`));
      } else if (event.kind === "exited") {
        this.exitCode = event.exitCode;
        this.state = "left";
        this.#later(() => this.#settled.resolve(), this.report ? CLOSE_GRACE_MS : REPORT_GRACE_MS);
      } else {
        for (const piece of this.#stripper.finish())
          await this.#take(this.terminal ? "pty" : "stdout", piece);
        this.state = event.kind === "closed" ? "done" : "lost";
      }
    }
    for (const timer of this.#timers) clearTimeout(timer);
    this.#settled.resolve();
    this.#over.resolve();
  }

  #strip(bytes: Uint8Array): Uint8Array[] {
    const output = this.#stripper.push(bytes);
    if (this.report === undefined && this.#stripper.report) {
      this.report = parseReport(this.#stripper.report);
      if (this.state === "left") this.#later(() => this.#settled.resolve(), CLOSE_GRACE_MS);
    }
    return output;
  }

  #take(stream: OutputStream, bytes: Uint8Array): Promise<void> | void {
    this.bytes += bytes.length;
    if (this.terminal) this.#watchAlternateScreen(bytes);
    if (this.#sink) return this.#sink(stream, bytes);
    this.unseenBytes += bytes.length;
    this.#kept.push(stream, bytes);
  }

  #watchAlternateScreen(bytes: Uint8Array): void {
    if (this.#controls === "" && !bytes.includes(0x1b)) return;
    const text = this.#controls + new TextDecoder("latin1").decode(bytes);
    for (const [, onOff] of text.matchAll(/\x1b\[\?(?:1049|1047|47)([hl])/g))
      this.inAlternateScreen = onOff === "h";
    const last = text.lastIndexOf("\x1b", text.length);
    this.#controls = last >= text.length - 8 && last >= 0 ? text.slice(last) : "";
  }

  #later(act: () => void, ms: number): void {
    this.#timers.push(setTimeout(act, ms));
  }
}
