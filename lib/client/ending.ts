/** How a process ended, and what its user said beforehand would end it: a signal, or the time. */

import type { LimitName } from "../protocol/process_limits.ts";
import { MAX_TIMER_MS } from "../protocol/timer.ts";

/** How a process ended, as far as we know. */
export type ProcessEnd =
  /** It ended by itself, or by a signal (128 + n), which has a name like `SIGKILL` where the server tells it. */
  | { kind: "exited"; exitCode: number; sandboxDenied: boolean; signal?: string }
  /**
   * It still ran `timeoutMs` after its start and was killed. `killConfirmed` says that its end was seen, and then
   * there is its exit code; else it may run on.
   */
  | { kind: "timeout"; timeoutMs: number; killConfirmed: boolean; exitCode?: number }
  /** A limit of its start ended it; the server has seen to that. */
  | { kind: "limit"; limit: LimitName; exitCode: number; signal?: string }
  /** The connection was lost first: the process may have ended or may run on. */
  | { kind: "lost"; message: string }
  /** It has ended, but the news of how is in a gap. */
  | { kind: "unknown"; message: string };

type ProcessExit = Extract<ProcessEnd, { kind: "exited" | "limit" }>;

/** What is told of an exit. */
export interface ExitNews {
  exitCode: number;
  sandboxDenied: boolean;
  signal?: string;
  endedBy?: LimitName;
}

/** What ends a process. */
export interface EndingOptions {
  /** Kills the process when it is aborted. */
  signal?: AbortSignal;
  /** Kills the process when it has run for so long. */
  timeoutMs?: number;
}

/** How long the end of a killed process is waited for. */
const KILL_CONFIRM_MS = 5000;

export class Ending {
  readonly #terminate: () => Promise<boolean>;
  readonly #end = Promise.withResolvers<ProcessEnd>();
  readonly #onAbort = (): void => void this.#terminate().catch(() => {});
  /** `asked`: the time is up and the kill not yet answered. */
  #phase: "running" | "asked" | "killed" | "settled" = "running";
  #exit: ProcessExit | undefined;
  #timeoutMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #signal: AbortSignal | undefined;

  /** @param terminate Kills the process; answers whether it was running. */
  constructor(terminate: () => Promise<boolean>) {
    this.#terminate = terminate;
  }

  /** Settles with the end; never rejects. */
  get promise(): Promise<ProcessEnd> {
    return this.#end.promise;
  }

  /** The program runs: from here on the signal and the time count. */
  watch({ signal, timeoutMs = Number.POSITIVE_INFINITY }: EndingOptions): void {
    if (this.#phase === "settled") return;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
    if (timeoutMs <= MAX_TIMER_MS) this.#timer = setTimeout(() => this.#expire(timeoutMs), timeoutMs);
  }

  /** The program has ended. */
  exited({ exitCode, sandboxDenied, signal, endedBy }: ExitNews): void {
    const bySignal = signal === undefined ? {} : { signal };
    this.#exit =
      endedBy === undefined
        ? { kind: "exited", exitCode, sandboxDenied, ...bySignal }
        : { kind: "limit", limit: endedBy, exitCode, ...bySignal };
    this.#decide();
  }

  /** It has ended and nothing more will come; how it ended should be known by now. */
  closed(): void {
    const message = "it has ended, but its exit code was lost";
    if (this.#phase === "running" && !this.#exit) this.#settle({ kind: "unknown", message });
    else if (this.#phase === "killed" && !this.#exit) this.#giveUp();
  }

  /** Nothing more will be known. */
  lost(message: string): void {
    if (this.#phase === "running") this.#settle({ kind: "lost", message });
    else this.#giveUp();
  }

  async #expire(timeoutMs: number): Promise<void> {
    this.#phase = "asked";
    this.#timeoutMs = timeoutMs;
    this.#timer = setTimeout(() => this.#giveUp(), KILL_CONFIRM_MS);
    const wasRunning = await this.#terminate().catch(() => true);
    if (this.#phase !== "asked") return;
    // One that had ended by itself was faster than its time; the news of it is here or on its way.
    this.#phase = wasRunning ? "killed" : "running";
    this.#decide();
  }

  #decide(): void {
    if (!this.#exit || this.#phase === "asked") return;
    if (this.#phase === "running") this.#settle(this.#exit);
    else this.#giveUp();
  }

  /** The time was up: with what is known now. */
  #giveUp(): void {
    const timeoutMs = this.#timeoutMs;
    if (!this.#exit) this.#settle({ kind: "timeout", timeoutMs, killConfirmed: false });
    else {
      const { exitCode } = this.#exit;
      this.#settle({ kind: "timeout", timeoutMs, killConfirmed: true, exitCode });
    }
  }

  #settle(end: ProcessEnd): void {
    this.#phase = "settled";
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#end.resolve(end);
  }
}
