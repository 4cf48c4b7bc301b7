/** One process of a session, from its start to the end of its output. */

import { giveBack } from "../jsonrpc/reusable_memory.ts";
import type { OutputStream, WriteStatus } from "../protocol/process.ts";
import type { LimitName, StartLimits } from "../protocol/process_limits.ts";
import type { ByteSource, Child, ExitStatus, TerminalSize } from "../runtime/runtime.ts";
import { signalName } from "../runtime/signal_name.ts";
import { DenialWatch } from "../sandbox/denial.ts";
import type { Cgroup } from "./cgroups.ts";
import type { ProcessEvent, ProcessObserver } from "./events.ts";
import { GracefulEnd } from "./graceful_end.ts";
import { killTogether, leads } from "./kill_together.ts";
import { endKilled } from "./killed_end.ts";
import { LimitWatch } from "./limit_watch.ts";
import { OutputLog, type RetentionLimits } from "./output.ts";
import { settledWithin } from "./settled_within.ts";
import type { TreeRoot } from "./tree_search.ts";

export type { ProcessEvent, ProcessObserver } from "./events.ts";

/** Settings of a process. */
export interface ProcessOptions {
  retention: RetentionLimits;
  /** Bytes of input that may wait for the child. */
  maxStdinBytes: number;
  /** Output that may be sent and not acknowledged; no limit when absent. */
  outputWindowBytes?: number | undefined;
  limits?: StartLimits | undefined;
  /** Where it and all that it starts is. */
  cgroup?: Cgroup | undefined;
  /** It runs in a sandbox, which may be why it fails. @default {false} */
  isConfined?: boolean;
  /** Whether its sandbox is known to have refused something. */
  wasDenied?: (() => boolean) | undefined;
}

/** Larger pieces are cut, so that others on the connection get their turn. */
const MAX_CHUNK_BYTES = 128 * 1024;
/** Below the retention by what readers may add to it, so that nothing unacknowledged is given up. */
const WINDOW_PART = 0.75;
/** Input that may wait for the child while writes are still answered at once. */
const ANSWER_BELOW_BYTES = 1024 * 1024;
/** How long the end of a confined process waits for its output to be read. */
const LAST_WORDS_MS = 500;
const SIGKILL = 9;
const SIGTERM = 15;

/** Input for a child whose queue is full. */
export class StdinFull extends Error {
  override readonly name = "StdinFull";
}

/** Runs a started child: reads its output, keeps what the bounds allow, tells the observer. */
export class ManagedProcess {
  readonly id: string;
  readonly log: OutputLog;
  readonly #child: Child;
  readonly #observer: ProcessObserver;
  readonly #options: ProcessOptions;
  readonly #sources: ByteSource[];
  /** Called at the next event, then forgotten. */
  readonly #waiters = new Set<() => void>();
  #exitCode: number | null = null;
  #denial: DenialWatch | undefined;
  #sandboxDenied = false;
  #signal: string | undefined;
  #closed = false;
  #killed = false;
  #stdinClosed: boolean;
  /** Output up to here, in bytes, has been acknowledged, and up to this number. */
  #acknowledged = 0;
  #acknowledgedSeq = 0;
  /** Held back above so much, or so many pieces, that is not acknowledged. */
  #windowBytes = Number.POSITIVE_INFINITY;
  #windowPieces = Number.POSITIVE_INFINITY;
  #windowOpened: PromiseWithResolvers<void> | undefined;
  /** Sources that wait for the child rather than for the observer. */
  #reading = 0;
  #openSources: number;
  #lastOutputAt = performance.now();
  #lastInputAt = 0;
  #inputBytes = 0;
  readonly #watch: LimitWatch | undefined;
  #endedBy: LimitName | undefined;
  /** What came besides output: the exit and the end. */
  readonly ends: ProcessEvent[] = [];
  /** Settles when it has ended and all its output has been read. */
  readonly whenClosed: Promise<void>;
  readonly #gracefulEnd = new GracefulEnd({
    root: () => this.root,
    heldFiles: () => this.outputFiles,
    ask: () => this.signal(SIGTERM),
    kill: () => this.#kill(),
  });

  constructor(id: string, child: Child, observer: ProcessObserver, options: ProcessOptions) {
    this.id = id;
    this.#child = child;
    this.#observer = observer;
    this.#options = options;
    this.log = new OutputLog(options.retention);
    const { outputWindowBytes, retention } = options;
    if (outputWindowBytes !== undefined) {
      this.#windowBytes = Math.min(outputWindowBytes, retention.maxBytes * WINDOW_PART);
      this.#windowPieces = this.log.maxChunks * WINDOW_PART;
    }
    if (options.isConfined) this.#denial = new DenialWatch(options.wasDenied);
    this.#stdinClosed = child.stdin === null;
    const { limits } = options;
    if (limits) {
      this.#watch = new LimitWatch(limits, (name) => this.#onLimit(name, limits.graceMs));
      this.#watch.start(() => this.idleMs());
    }
    this.#sources = child.stderr ? [child.stdout, child.stderr] : [child.stdout];
    this.#openSources = this.#sources.length;
    const first: OutputStream = child.stderr ? "stdout" : "pty";
    const ended = [this.#pump(child.stdout, first)];
    if (child.stderr) ended.push(this.#pump(child.stderr, "stderr"));
    const leadsNoMore = leads(child.pid);
    const exited = child.exited.then((status) => {
      leadsNoMore();
      if (!this.#denial || status.code === 0) return this.#onExit(status);
      // Whether it was denied is judged by what it said, and nobody of its namespace is left to hold the pipes.
      return settledWithin(Promise.all(ended), LAST_WORDS_MS).then(() => this.#onExit(status));
    });
    this.whenClosed = Promise.all([exited, ...ended]).then(() => this.#onClosed());
  }

  get pid(): number {
    return this.#child.pid;
  }

  get cgroup(): Cgroup | undefined {
    return this.#options.cgroup;
  }

  get isTerminal(): boolean {
    return this.#child.stderr === null;
  }

  get exited(): boolean {
    return this.#exitCode !== null;
  }

  get exitCode(): number | null {
    return this.#exitCode;
  }

  /** The signal that ended it, by name. */
  get exitSignal(): string | undefined {
    return this.#signal;
  }

  /** The limit that was hit first. */
  get endedBy(): LimitName | undefined {
    return this.#endedBy;
  }

  /** Input taken so far. */
  get inputBytes(): number {
    return this.#inputBytes;
  }

  /** It has failed, and by all signs at its sandbox. */
  get sandboxDenied(): boolean {
    return this.#sandboxDenied;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Settles at the next event; `cancel` gives the wait up. */
  nextEvent(): { happened: Promise<void>; cancel(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add(resolve);
    return {
      happened: promise,
      cancel: () => {
        this.#waiters.delete(resolve);
        resolve();
      },
    };
  }

  /**
   * Queues input; the bytes are not the caller's any more. The answer comes when the child can be given more, so that a
   * writer who waits for answers is held back and needs no other limit.
   * @throws {StdinFull}
   */
  write(bytes: Uint8Array): WriteStatus | Promise<WriteStatus> {
    const { stdin } = this.#child;
    if (stdin === null || this.#stdinClosed || this.exited) return "stdinClosed";
    if (stdin.pendingBytes + bytes.length > this.#options.maxStdinBytes && stdin.pendingBytes > 0) {
      throw new StdinFull(
        `process ${this.id} does not read its input: ${stdin.pendingBytes} bytes wait, the limit is ${this.#options.maxStdinBytes}`,
      );
    }
    this.#inputBytes += bytes.length;
    this.#lastInputAt = performance.now();
    const taken = stdin.write(bytes).then(
      () => giveBack(bytes),
      () => {
        this.#stdinClosed = true;
      },
    );
    if (stdin.pendingBytes <= ANSWER_BELOW_BYTES) return "accepted";
    return Promise.race([taken, this.#child.exited]).then(() => "accepted");
  }

  /** The child sees the end of its input after what was written. */
  closeStdin(): WriteStatus {
    if (this.#stdinClosed || this.exited) return "stdinClosed";
    this.#stdinClosed = true;
    this.#child.stdin!.close();
    return "accepted";
  }

  resize(size: TerminalSize): void {
    this.#child.resize(size);
  }

  /** Signals the group of a running child. */
  signal(signal: number): void {
    if (!this.exited) this.#child.signalGroup(signal);
  }

  /**
   * Kills the group and all other descendants; true when the child was running. Output that is there is still read.
   * With a grace they are asked first, and who is left after it is killed.
   */
  terminate(graceMs = 0): boolean {
    if (this.exited) return false;
    if (graceMs === 0) this.#kill();
    else this.#gracefulEnd.begin(graceMs);
    return true;
  }

  #kill(): void {
    this.#gracefulEnd.stop();
    this.#killed = true;
    killTogether(
      () => [...(this.#closed ? [] : [this.root]), ...this.#gracefulEnd.left],
      () => {
        // Where there is no process table.
        if (!this.#closed) this.#child.signalGroup(SIGKILL);
        if (this.exited) endKilled(this);
      },
    );
  }

  /** Where its tree begins. */
  get root(): TreeRoot {
    return {
      pid: this.#child.pid,
      exited: this.exited,
      isTerminal: this.isTerminal,
      cgroup: this.#options.cgroup,
    };
  }

  /** Output that is not at its end, as the process table names it. */
  get outputFiles(): string[] {
    return this.#child.outputFiles();
  }

  /** It is to end, and nobody will read it: nothing holds its output back any more. */
  release(): void {
    this.#windowBytes = Number.POSITIVE_INFINITY;
    this.#windowPieces = Number.POSITIVE_INFINITY;
    this.acknowledge(0);
  }

  /** Kills whatever is left of the group and stops reading. Who has left the group is for the table. */
  dispose(): void {
    this.#killed = true;
    this.#gracefulEnd.stop();
    this.#watch?.stop();
    // Also when the leader has gone: its group may live on. Not after `closed`: the number may be another's by then.
    if (!this.#closed) this.#child.signalGroup(SIGKILL);
    this.release();
    this.stopReading();
    this.#child.stdin?.destroy();
  }

  /** What is still to come of its output is lost. */
  stopReading(): void {
    for (const source of this.#sources) source.cancel();
  }

  /** Settles when the child itself has ended. */
  get ended(): Promise<unknown> {
    return this.#child.exited;
  }

  /** The client is done with all output up to this number. */
  acknowledge(seq: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, this.log.offsetAfter(seq));
    this.#acknowledgedSeq = Math.max(this.#acknowledgedSeq, Math.min(seq, this.log.nextSeq - 1));
    if (this.#windowIsFull()) return;
    this.#windowOpened?.resolve();
    this.#windowOpened = undefined;
  }

  async #pump(source: ByteSource, stream: OutputStream): Promise<void> {
    this.#reading++;
    const take = (bytes: Uint8Array): Promise<unknown> | undefined => {
      this.#onOutput(stream, bytes);
      const wait = this.#mayGoOn();
      if (!wait) return undefined;
      this.#reading--;
      return wait.then(() => this.#reading++);
    };
    if (source.lendAll) await source.lendAll(take);
    else for (let bytes = await source.read(); bytes; bytes = await source.read()) await take(bytes);
    this.#reading--;
    this.#openSources--;
  }

  #onOutput(stream: OutputStream, read: Uint8Array): void {
    this.#lastOutputAt = performance.now();
    const bytes = this.#watch ? this.#watch.take(read) : read;
    this.#denial?.output(stream, bytes);
    for (let start = 0; start < bytes.length; start += MAX_CHUNK_BYTES) {
      const piece = bytes.length <= MAX_CHUNK_BYTES ? bytes : bytes.subarray(start, start + MAX_CHUNK_BYTES);
      this.#emit({ kind: "output", seq: this.log.append(stream, piece), stream, bytes: piece });
    }
  }

  /** Nothing when more output may come, else a promise for when it may. */
  #mayGoOn(): Promise<unknown> | undefined {
    const ready = this.#observer.ready();
    return ready ? ready.then(() => this.#windowReady()) : this.#windowReady();
  }

  /** Since the last output or input. Not while output waits for its reader: it is not the program that rests. */
  idleMs(): number {
    if (this.#reading < this.#openSources) return 0;
    return performance.now() - Math.max(this.#lastOutputAt, this.#lastInputAt);
  }

  #onLimit(name: LimitName, graceMs?: number): void {
    if (this.#closed) return;
    this.#endedBy ??= name;
    // Whoever holds the output of a program that has ended goes too.
    if (graceMs === undefined || graceMs === 0) this.#kill();
    else this.#gracefulEnd.begin(graceMs);
  }

  #windowIsFull(): boolean {
    const pieces = this.log.nextSeq - 1 - this.#acknowledgedSeq;
    return this.log.totalBytes - this.#acknowledged > this.#windowBytes || pieces > this.#windowPieces;
  }

  #windowReady(): Promise<void> | undefined {
    if (!this.#windowIsFull()) return undefined;
    this.#windowOpened ??= Promise.withResolvers<void>();
    return this.#windowOpened.promise;
  }

  #onExit(status: ExitStatus): void {
    // Without a limit of its own it was another's, such as the machine's, or that of who was in the group before.
    const { limits, cgroup } = this.#options;
    if (limits?.memoryBytes !== undefined && cgroup?.outOfMemory()) this.#endedBy ??= "memory";
    this.#exitCode = status.signal === null ? status.code! : 128 + status.signal;
    if (status.signal !== null) this.#signal = signalName(status.signal);
    this.#child.stdin?.destroy();
    this.#sandboxDenied = this.#denial?.denied(this.#exitCode) ?? false;
    this.#emit({
      kind: "exited",
      seq: this.log.takeSeq(),
      exitCode: this.#exitCode,
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      ...(this.#endedBy === undefined ? {} : { endedBy: this.#endedBy }),
      sandboxDenied: this.#sandboxDenied,
    });
    if (this.#killed) endKilled(this);
  }

  #onClosed(): void {
    this.#closed = true;
    this.#watch?.stop();
    this.#gracefulEnd.closed();
    const endedBy = this.#endedBy;
    this.#emit({ kind: "closed", seq: this.log.takeSeq(), ...(endedBy === undefined ? {} : { endedBy }) });
  }

  #emit(event: ProcessEvent): void {
    if (event.kind !== "output") this.ends.push(event);
    this.#observer.event(this, event);
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}
