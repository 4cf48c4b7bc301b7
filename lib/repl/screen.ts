/** What the user sees: output of commands and what the REPL says itself, in order. */

import type { OutputStream } from "../protocol/process.ts";
import type { ByteSink } from "../runtime/runtime.ts";
import type { Style } from "./style.ts";

/** Something that is drawn below the output, like the line being edited. */
export interface Overlay {
  /** What takes it off the screen. */
  hide(): string;
  /** What draws it again. */
  show(): string;
}

export interface ScreenOptions {
  stdout: ByteSink;
  stderr: ByteSink;
  /** Both are the same terminal: everything goes one way, so that it stays in order. */
  isTerminal: boolean;
  /** Standard error goes somewhere else all the same. @default {false} */
  stderrElsewhere?: boolean;
  style: Style;
  /** Width of the terminal. */
  columns(): number;
}

const redOn = "\x1b[31m";
const redOff = "\x1b[39m";

export class Screen {
  readonly style: Style;
  readonly isTerminal: boolean;
  /** What is output cannot be written: its reader is gone, as after `| head`, or there is no room. */
  broken = false;
  /** Called when it is. */
  onBroken: ((stream: "stdout" | "stderr", error: Error) => void) | undefined;
  overlay: Overlay | undefined;
  readonly #options: ScreenOptions;
  readonly #encoder = new TextEncoder();
  #inRed = false;
  /** The last bytes, to know whether the cursor is at the begin of a line. */
  #tail = "\n";
  /** Output may have changed how the terminal shows things. */
  #tainted = false;
  #last: Promise<void> = Promise.resolve();

  constructor(options: ScreenOptions) {
    this.#options = options;
    this.style = options.style;
    this.isTerminal = options.isTerminal;
  }

  /** Width of the terminal. */
  get columns(): number {
    return this.#options.columns();
  }

  /** Output of a command, byte for byte. Settles when it has been taken. */
  output(stream: OutputStream, bytes: Uint8Array): Promise<void> {
    if (stream === "stderr" && (!this.isTerminal || this.#options.stderrElsewhere))
      return this.#write("stderr", bytes, true);
    if (!this.isTerminal) return this.#write("stdout", bytes);
    const red = stream === "stderr" && this.style.colours;
    if (red !== this.#inRed) this.#write("stdout", this.#encoder.encode(red ? redOn : redOff));
    this.#inRed = red;
    if (bytes.includes(0x1b) || bytes.includes(0x0e)) this.#tainted = true;
    this.#tail = String.fromCharCode(...bytes.subarray(-32));
    return this.#write("stdout", bytes);
  }

  /** Output of a terminal program, with nothing added. */
  passThrough(bytes: Uint8Array): Promise<void> {
    this.#tail = String.fromCharCode(...bytes.subarray(-32));
    return this.#write("stdout", bytes);
  }

  /** The REPL says something: one or more whole lines; to standard error when that is not the terminal. */
  say(text: string): void {
    const lines = `${text}\n`;
    if (!this.isTerminal) {
      this.#write("stderr", this.#encoder.encode(`exec-server: ${lines}`));
      return;
    }
    if (this.overlay) {
      this.draw(this.overlay.hide() + lines + this.overlay.show());
      return;
    }
    this.freshLine();
    this.draw(lines);
    this.#tail = "\n";
  }

  /** What a `:command` answers: output, so to standard output everywhere. */
  answer(text: string): void {
    if (this.isTerminal) this.say(text);
    else this.#write("stdout", this.#encoder.encode(`${text}\n`));
  }

  /** Puts the cursor at the begin of a line; marks output that did not end with a newline. */
  freshLine(): void {
    if (!this.isTerminal) return;
    let text = this.#inRed ? redOff : "";
    this.#inRed = false;
    if (this.#tainted) text += "\x1b[0m\x1b(B\x0f\x1b[?25h";
    this.#tainted = false;
    if (!/\n(\x1b\[[0-9;]*[mK])*$/.test(this.#tail)) {
      // Fills the line: from its begin the mark is written over, from elsewhere we get to the next line.
      text += `${this.style.dim("⏎")}${" ".repeat(Math.max(0, this.#options.columns() - 1))}\r\x1b[K`;
    }
    this.#tail = "\n";
    if (text) this.draw(text);
  }

  /** Escape sequences and texts of the REPL, to the terminal. */
  draw(text: string): void {
    this.#write("stdout", this.#encoder.encode(text));
  }

  /** The user's own echo has moved the cursor. */
  echo(text: string): void {
    this.#tail = text.slice(-32);
    this.draw(text);
  }

  /** Settles when everything has been taken. */
  async flush(): Promise<void> {
    await this.#last;
  }

  /** @param isOutput Of a command: the loss of what we say ourselves is not told, as there is nowhere to tell it. */
  #write(where: "stdout" | "stderr", bytes: Uint8Array, isOutput = where === "stdout"): Promise<void> {
    const written = this.#options[where].write(bytes).catch((error) => {
      if (!isOutput || this.broken) return;
      this.broken = true;
      this.onBroken?.(where, error);
    });
    // Not `all`: its result would keep that of the one before, and so those of all writes that there were.
    this.#last = this.#last.then(() => written);
    return written;
  }
}
