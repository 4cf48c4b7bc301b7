/** The text being edited, and what the editing keys do to it. */

import { graphemes } from "./width.ts";

export class LineBuffer {
  #text = "";
  #cursor = 0;
  #killed = "";
  #lastWasKill = false;

  get text(): string {
    return this.#text;
  }

  /** Index in `text`. */
  get cursor(): number {
    return this.#cursor;
  }

  set(text: string, cursor: number = text.length): void {
    this.#text = text;
    this.#cursor = cursor;
    this.#lastWasKill = false;
  }

  insert(text: string): void {
    this.#text = this.#text.slice(0, this.#cursor) + text + this.#text.slice(this.#cursor);
    this.#cursor += text.length;
    this.#lastWasKill = false;
  }

  /** Puts `text` in place of what is between `from` and the cursor. */
  replace(from: number, text: string): void {
    this.#text = this.#text.slice(0, from) + text + this.#text.slice(this.#cursor);
    this.#cursor = from + text.length;
    this.#lastWasKill = false;
  }

  /** Does what a key means; false if it means nothing here. */
  edit(key: string): boolean {
    const action = actions[key];
    if (!action) return false;
    const kill = key in kills;
    if (kill) this.#kill(kills[key as keyof typeof kills](this));
    else action(this);
    this.#lastWasKill = kill;
    return true;
  }

  moveTo(cursor: number): void {
    this.#cursor = Math.max(0, Math.min(cursor, this.#text.length));
  }

  /** Removes what is between the cursor and another place. */
  removeTo(place: number): string {
    const [from, to] = place < this.#cursor ? [place, this.#cursor] : [this.#cursor, place];
    const removed = this.#text.slice(from, to);
    this.#text = this.#text.slice(0, from) + this.#text.slice(to);
    this.#cursor = from;
    return removed;
  }

  yank(): void {
    this.insert(this.#killed);
  }

  get before(): string {
    return this.#text.slice(0, this.#cursor);
  }

  get after(): string {
    return this.#text.slice(this.#cursor);
  }

  get previous(): number {
    return this.#cursor - (graphemes(lastLine(this.before)).at(-1)?.length ?? (this.#cursor > 0 ? 1 : 0));
  }

  get next(): number {
    return this.#cursor + (graphemes(this.after.slice(0, 64))[0]?.length ?? 0);
  }

  get lineStart(): number {
    return this.before.lastIndexOf("\n") + 1;
  }

  get lineEnd(): number {
    const end = this.#text.indexOf("\n", this.#cursor);
    return end < 0 ? this.#text.length : end;
  }

  get previousWord(): number {
    return this.#cursor - /[\p{L}\p{N}_]*[^\p{L}\p{N}_]*$/u.exec(this.before)![0].length;
  }

  get nextWord(): number {
    return this.#cursor + /^[^\p{L}\p{N}_]*[\p{L}\p{N}_]*/u.exec(this.after)![0].length;
  }

  /** Back over blanks and what stands before them, as Ctrl-W does. */
  get previousBlank(): number {
    return this.#cursor - /\S*\s*$/.exec(this.before)![0].length;
  }

  transpose(): void {
    const { text, cursor } = this;
    if (cursor === text.length) this.moveTo(this.previous);
    const at = this.#cursor;
    const [from, to] = [this.previous, this.next];
    if (from === at) this.moveTo(cursor);
    else this.set(text.slice(0, from) + text.slice(at, to) + text.slice(from, at) + text.slice(to), to);
  }

  #kill(place: number): void {
    const before = place < this.#cursor;
    const removed = this.removeTo(place);
    if (!this.#lastWasKill) this.#killed = removed;
    else this.#killed = before ? removed + this.#killed : this.#killed + removed;
  }
}

/** Only what is on the line counts for the last character, which keeps long texts fast. */
function lastLine(text: string): string {
  const line = text.slice(text.lastIndexOf("\n") + 1);
  return line.length <= 64 || /^[\x20-\x7e]$/.test(line.at(-1)!) ? line.slice(-64) : line.slice(-256);
}

const kills = {
  "ctrl-k": (line: LineBuffer): number => (line.cursor === line.lineEnd ? line.next : line.lineEnd),
  "ctrl-u": (line: LineBuffer): number => (line.cursor === line.lineStart ? line.previous : line.lineStart),
  "ctrl-w": (line: LineBuffer): number => line.previousBlank,
  "alt-backspace": (line: LineBuffer): number => line.previousWord,
  "alt-d": (line: LineBuffer): number => line.nextWord,
};

const actions: Record<string, (line: LineBuffer) => void> = {
  "ctrl-a": (line) => line.moveTo(line.lineStart),
  home: (line) => line.moveTo(line.lineStart),
  "ctrl-e": (line) => line.moveTo(line.lineEnd),
  end: (line) => line.moveTo(line.lineEnd),
  "ctrl-b": (line) => line.moveTo(line.previous),
  left: (line) => line.moveTo(line.previous),
  "ctrl-f": (line) => line.moveTo(line.next),
  right: (line) => line.moveTo(line.next),
  "alt-b": (line) => line.moveTo(line.previousWord),
  "ctrl-left": (line) => line.moveTo(line.previousWord),
  "alt-left": (line) => line.moveTo(line.previousWord),
  "alt-f": (line) => line.moveTo(line.nextWord),
  "ctrl-right": (line) => line.moveTo(line.nextWord),
  "alt-right": (line) => line.moveTo(line.nextWord),
  backspace: (line) => void line.removeTo(line.previous),
  delete: (line) => void line.removeTo(line.next),
  "ctrl-d": (line) => void line.removeTo(line.next),
  "ctrl-t": (line) => line.transpose(),
  "ctrl-y": (line) => line.yank(),
  "alt-enter": (line) => line.insert("\n"),
  ...Object.fromEntries(Object.keys(kills).map((key) => [key, () => {}])),
};
