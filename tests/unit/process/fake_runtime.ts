/** A runtime whose children are the test's: their output, their end, and what is done to them. */

import {
  type Child,
  type ExitStatus,
  type Runtime,
  SpawnError,
  type SpawnOptions,
  type TerminalSize,
} from "../../../lib/runtime/runtime.ts";
import { FakeSink, FakeSource } from "../transport/support.ts";

let lastPid = 2 ** 30;

export class FakeChild implements Child {
  /** Above the highest number that Linux gives: what kills trees by number must find nobody. */
  readonly pid: number = ++lastPid;
  readonly options: SpawnOptions;
  readonly stdin: FakeSink | null;
  readonly stdout = new FakeSource();
  readonly stderr: FakeSource | null;
  readonly exited: Promise<ExitStatus>;
  readonly signals: number[] = [];
  readonly sizes: TerminalSize[] = [];
  /** Signals that end it at once, as most programs have it. */
  mortal = false;
  readonly #exit = Promise.withResolvers<ExitStatus>();

  constructor(options: SpawnOptions) {
    this.options = options;
    this.stdin = options.terminal || options.stdin === "pipe" ? new FakeSink() : null;
    this.stderr = options.terminal ? null : new FakeSource();
    this.exited = this.#exit.promise;
  }

  signalGroup(signal: number): boolean {
    this.signals.push(signal);
    if (this.mortal) this.end({ code: null, signal });
    return true;
  }
  resize(size: TerminalSize): void {
    this.sizes.push(size);
  }
  outputFiles(): string[] {
    return [];
  }
  /** The program ends; others may hold its streams. */
  exit(status: ExitStatus): void {
    this.#exit.resolve(status);
  }
  endOutput(): void {
    this.stdout.push(null);
    this.stderr?.push(null);
  }
  end(status: ExitStatus): void {
    this.exit(status);
    this.endOutput();
  }
}

/** Only `spawn` works. */
export class FakeRuntime {
  readonly children: FakeChild[] = [];
  /** Shells that the process table starts for itself, where they are let. */
  readonly guardians: FakeChild[] = [];
  letsGuard = false;
  /** Given to each new child. */
  mortal = false;
  failure: Error | undefined;

  readonly runtime = {
    spawn: (options: SpawnOptions) => this.#spawn(options),
    kernel: () => undefined,
  } as unknown as Runtime;

  get last(): FakeChild {
    return this.children.at(-1)!;
  }
  #spawn(options: SpawnOptions): Child {
    const child = new FakeChild(options);
    if (options.argv[0] === "exec-server-guardian") {
      if (!this.letsGuard) throw new SpawnError(13, "no guard here");
      this.guardians.push(child);
      return child;
    }
    if (this.failure) throw this.failure;
    child.mortal = this.mortal;
    this.children.push(child);
    return child;
  }
}
