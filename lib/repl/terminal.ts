/** The user's terminal: its modes, its size, what is typed; restored whatever happens. */

import { spawnSync } from "node:child_process";
import process from "node:process";
import type { ByteSource, TerminalSize } from "../runtime/runtime.ts";

/** The part of `process.stdin` that we need: its mode. Bytes are read through the runtime's source. */
interface RawModeStream {
  setRawMode?(mode: boolean): unknown;
}

export class Terminal implements Disposable {
  readonly #source: ByteSource;
  #pushedBack: Uint8Array | undefined;
  #pending: Promise<void> | undefined;
  #ended = false;
  #raw = false;
  #output = true;
  readonly #listeners: [string, () => void][] = [];
  /** Called when the size has changed. */
  onResize: (() => void) | undefined;
  /** Called when somebody else stopped and continued us. */
  onContinue: (() => void) | undefined;
  /** Called when we are told to end. */
  onEnd: ((signal: "SIGTERM" | "SIGHUP") => void) | undefined;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#listen("exit", () => this.restore());
    // On Bun the stream learns of its size from a listener of its own, which has to come first.
    process.stdout.getWindowSize?.();
    this.#listen("SIGWINCH", () => void setImmediate(() => this.onResize?.()));
    this.#listen("SIGTERM", () => this.onEnd?.("SIGTERM"));
    this.#listen("SIGHUP", () => this.onEnd?.("SIGHUP"));
    // Typed ones come as bytes; one that is sent from outside is the same to us.
    this.#listen("SIGINT", () => this.unread(Uint8Array.of(3)));
    this.#listen("SIGCONT", () => {
      if (!this.#raw) return;
      const outputOff = !this.#output;
      this.#raw = false;
      this.raw();
      if (outputOff) setOutputProcessing(false);
      this.onContinue?.();
    });
  }

  get size(): TerminalSize {
    const [columns = 0, rows = 0] = process.stdout.getWindowSize?.() ?? [];
    return { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 };
  }

  /** Every key comes at once and is not echoed; a newline that we write still returns the carriage. */
  raw(): void {
    if (this.#raw) return;
    this.#raw = true;
    setRawMode(true);
  }

  /** Nothing that we write is touched either: what comes from another terminal was treated there. */
  passThrough(on: boolean): void {
    if (this.#output !== on) return;
    this.#output = !on;
    setOutputProcessing(!on);
  }

  /** As we found it. */
  restore(): void {
    this.passThrough(false);
    if (!this.#raw) return;
    this.#raw = false;
    setRawMode(false);
  }

  /** Settles when `take` has something to give. May be given up: the next who asks gets the same bytes. */
  readable(): Promise<void> {
    if (this.#pushedBack || this.#ended) return Promise.resolve();
    this.#wake ??= Promise.withResolvers<void>();
    const { promise } = this.#wake;
    this.#pending ??= this.#source.read().then((bytes) => {
      this.#pending = undefined;
      if (bytes === null) this.#ended = true;
      else this.#append(bytes);
      this.#wake?.resolve();
      this.#wake = undefined;
    });
    return promise;
  }
  #wake: PromiseWithResolvers<void> | undefined;

  /** What was typed; null at the end, undefined when there is nothing yet. */
  take(): Uint8Array | null | undefined {
    const bytes = this.#pushedBack;
    this.#pushedBack = undefined;
    return bytes ?? (this.#ended ? null : undefined);
  }

  /** Gives bytes back, for whoever reads next. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const later = this.#pushedBack;
    this.#pushedBack = bytes;
    if (later) this.#append(later);
    this.#wake?.resolve();
    this.#wake = undefined;
  }

  [Symbol.dispose](): void {
    this.restore();
    for (const [name, listener] of this.#listeners) process.removeListener(name, listener);
    this.#source.cancel();
  }

  #append(bytes: Uint8Array): void {
    const before = this.#pushedBack;
    if (!before) {
      this.#pushedBack = bytes;
      return;
    }
    this.#pushedBack = new Uint8Array(before.length + bytes.length);
    this.#pushedBack.set(before);
    this.#pushedBack.set(bytes, before.length);
  }

  #listen(name: string, listener: () => void): void {
    try {
      process.on(name, listener);
      this.#listeners.push([name, listener]);
    } catch {
      // No such signal on this system.
    }
  }
}

function setRawMode(on: boolean): void {
  try {
    (process.stdin as RawModeStream).setRawMode?.(on);
  } catch {
    // The terminal has gone.
  }
}

/** `setRawMode` leaves output processing on, which would move the cursor of a full-screen program. */
function setOutputProcessing(on: boolean): void {
  spawnSync("stty", [on ? "opost" : "-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}
