/** A child that gives nothing away before its program runs: neither output nor its end. */

import type { ByteSink, ByteSource, Child, ExitStatus, TerminalSize } from "../runtime/runtime.ts";

export class GatedChild implements Child {
  readonly pid: number;
  readonly stdin: ByteSink | null;
  readonly stdout: ByteSource;
  readonly stderr: ByteSource | null;
  readonly exited: Promise<ExitStatus>;
  readonly #child: Child;

  /** @param ended The end of the child, which may be told later than it is. */
  constructor(child: Child, launched: Promise<void>, ended: Promise<ExitStatus>) {
    this.#child = child;
    this.pid = child.pid;
    this.stdin = child.stdin;
    const open = launched.then(
      () => true,
      () => false,
    );
    this.stdout = new GatedSource(child.stdout, open);
    this.stderr = child.stderr && new GatedSource(child.stderr, open);
    this.exited = open.then(() => ended);
  }

  signalGroup(signal: number): boolean {
    return this.#child.signalGroup(signal);
  }

  resize(size: TerminalSize): void {
    this.#child.resize(size);
  }

  outputFiles(): string[] {
    return this.#child.outputFiles();
  }
}

class GatedSource implements ByteSource {
  readonly #source: ByteSource;
  readonly #open: Promise<boolean>;
  readonly #cancelled = Promise.withResolvers<false>();

  constructor(source: ByteSource, open: Promise<boolean>) {
    this.#source = source;
    this.#open = open;
  }

  async read(): Promise<Uint8Array | null> {
    const open = await Promise.race([this.#open, this.#cancelled.promise]);
    return open ? await this.#source.read() : null;
  }

  async lendAll(take: (bytes: Uint8Array) => Promise<unknown> | undefined): Promise<void> {
    const open = await Promise.race([this.#open, this.#cancelled.promise]);
    if (!open) return;
    if (this.#source.lendAll) return await this.#source.lendAll(take);
    for (let bytes = await this.#source.read(); bytes; bytes = await this.#source.read()) await take(bytes);
  }

  cancel(): void {
    this.#cancelled.resolve(false);
    this.#source.cancel();
  }
}
