/**
 * Reads a line from a terminal, with the usual keys, history, search and completion.
 *
 * Not `node:readline`: measured on Bun 1.4.5 and Deno 2.9.6, a bracketed paste of three lines came as three
 * lines that ran one by one (on Deno with `~` for the brackets), and bytes that were typed while the terminal
 * belonged to a full-screen program were in the next line, as was a Ctrl-C. It also has no search.
 */

import { type Key, KeyDecoder } from "./keys.ts";
import { LineBuffer } from "./line_buffer.ts";
import { LineView } from "./line_view.ts";
import type { Screen } from "./screen.ts";
import { formatTable } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { graphemes, textWidth, withoutHalf } from "./width.ts";

/** What can stand in place of the word before the cursor. */
export interface Completions {
  /** Index in the text where that word begins. */
  from: number;
  candidates: readonly Completion[];
}

export interface Completion {
  /** What is put into the line, quoted as it has to be. */
  text: string;
  /** What is shown in a list. @default text */
  label?: string;
  /** Nothing can follow directly, so a blank does. */
  final: boolean;
}

export interface EditorOptions {
  terminal: Terminal;
  screen: Screen;
  /** Oldest first. */
  history(): readonly string[];
  isIncomplete(text: string): boolean;
  complete(text: string, cursor: number): Promise<Completions>;
}

/** `interrupted`: Ctrl-C. `end`: Ctrl-D on an empty line, or the terminal has gone. */
export type LineResult = { kind: "line"; text: string } | { kind: "interrupted" } | { kind: "end" };

/** Longer lists of completions are cut. */
const MAX_LISTED = 200;

export class LineEditor {
  readonly #options: EditorOptions;
  readonly #line = new LineBuffer();
  readonly #view = new LineView();
  #decoder = new KeyDecoder();
  #prompt = "";
  /** Index in the history; its length when a new line is being written. */
  #place = 0;
  #draft = "";
  #search: { query: string; at: number; before: string } | undefined;
  #abort: (() => void) | undefined;

  constructor(options: EditorOptions) {
    this.#options = options;
  }

  /** Ends a running `read` as if the terminal had gone. */
  abort(): void {
    this.#abort?.();
  }

  /** Reads a line, or several that belong together. */
  async read(prompt: string): Promise<LineResult> {
    const { terminal, screen } = this.#options;
    this.#prompt = prompt;
    this.#line.set("");
    this.#place = this.#options.history().length;
    this.#search = undefined;
    this.#decoder = new KeyDecoder();
    const aborted = Promise.withResolvers<"aborted">();
    this.#abort = () => aborted.resolve("aborted");
    screen.freshLine();
    screen.draw("\x1b[?2004h");
    screen.overlay = { hide: () => this.#view.hide(), show: () => this.#drawing() };
    terminal.onResize = terminal.onContinue = () => screen.draw(this.#drawing());
    screen.draw(this.#drawing());
    try {
      for (;;) {
        if ((await Promise.race([terminal.readable(), aborted.promise])) === "aborted")
          return { kind: "end" };
        const bytes = terminal.take();
        if (bytes === null) return { kind: "end" };
        if (bytes === undefined) continue;
        this.#decoder.push(bytes);
        for (let key = this.#decoder.next(); key; key = this.#decoder.next()) {
          const result = await this.#onKey(key);
          if (result) return result;
        }
        screen.draw(this.#drawing());
      }
    } finally {
      terminal.unread(this.#decoder.rest());
      terminal.onResize = terminal.onContinue = undefined;
      screen.overlay = undefined;
      this.#abort = undefined;
      // What was typed stays on the screen.
      this.#search = undefined;
      this.#line.moveTo(this.#line.text.length);
      screen.draw(`${this.#drawing()}\r\n\x1b[?2004l`);
      this.#view.forget();
    }
  }

  #drawing(): string {
    const { text, cursor } = this.#line;
    const { query } = this.#search ?? {};
    const prompt =
      query === undefined ? this.#prompt : this.#options.screen.style.dim(`history “${query}”: `);
    return this.#view.draw({ prompt, text, cursor }, this.#options.terminal.size);
  }

  async #onKey(key: Key): Promise<LineResult | undefined> {
    const line = this.#line;
    if (this.#search && this.#searched(key)) return undefined;
    if (key.kind === "text") {
      line.insert(key.text);
      return undefined;
    }
    if (key.kind === "paste") {
      // One newline at the end is from copying the whole line; it must not run it.
      line.insert(key.text.replace(/\n$/, ""));
      return undefined;
    }
    switch (key.name) {
      case "enter":
        if (this.#options.isIncomplete(line.text)) {
          line.moveTo(line.text.length);
          line.insert("\n");
          return undefined;
        }
        return { kind: "line", text: line.text };
      case "ctrl-c":
        line.moveTo(line.text.length);
        this.#options.screen.draw(this.#drawing());
        return { kind: "interrupted" };
      case "ctrl-d":
        if (line.text === "") return { kind: "end" };
        line.edit("delete");
        return undefined;
      case "tab":
        await this.#complete();
        return undefined;
      case "up":
      case "ctrl-p":
        this.#moveVertically(-1);
        return undefined;
      case "down":
      case "ctrl-n":
        this.#moveVertically(1);
        return undefined;
      case "ctrl-r":
        this.#search = { query: "", at: this.#options.history().length, before: line.text };
        return undefined;
      case "ctrl-l":
        this.#view.forget();
        this.#options.screen.draw("\x1b[H\x1b[2J");
        return undefined;
      default:
        line.edit(key.name);
        return undefined;
    }
  }

  /** Within a text of several lines the cursor moves first, then the history. */
  #moveVertically(step: -1 | 1): void {
    const line = this.#line;
    const edge = step < 0 ? line.lineStart === 0 : line.lineEnd === line.text.length;
    if (edge) {
      this.#moveInHistory(step);
      return;
    }
    const column = line.cursor - line.lineStart;
    line.moveTo(step < 0 ? line.lineStart - 1 : line.lineEnd + 1);
    const start = line.lineStart;
    line.moveTo(Math.min(start + column, line.lineEnd));
  }

  #moveInHistory(step: -1 | 1): void {
    const history = this.#options.history();
    const place = this.#place + step;
    if (place < 0 || place > history.length) return;
    if (this.#place === history.length) this.#draft = this.#line.text;
    this.#place = place;
    this.#line.set(place === history.length ? this.#draft : history[place]!);
  }

  /** Deals with a key of the search; false when the key ends it and means what it always does. */
  #searched(key: Key): boolean {
    const search = this.#search!;
    if (key.kind === "text") {
      search.query += key.text;
      if (!this.#line.text.includes(search.query)) this.#find(search.at);
      else this.#find(Math.min(search.at + 1, this.#options.history().length));
      return true;
    }
    if (key.kind === "key" && key.name === "ctrl-r") {
      this.#find(search.at);
      return true;
    }
    if (key.kind === "key" && key.name === "backspace") {
      search.query = graphemes(search.query).slice(0, -1).join("");
      this.#find(this.#options.history().length);
      return true;
    }
    this.#search = undefined;
    if (key.kind === "key" && (key.name === "ctrl-g" || key.name === "ctrl-c")) {
      this.#line.set(search.before);
      return true;
    }
    return key.kind === "key" && (key.name === "escape" || key.name === "tab");
  }

  /** Shows the newest line before `end` that holds what is searched for. */
  #find(end: number): void {
    const search = this.#search!;
    const history = this.#options.history();
    for (let i = end - 1; i >= 0; i--) {
      const found = history[i]!.indexOf(search.query);
      if (found < 0) continue;
      search.at = i;
      this.#line.set(history[i]!, found);
      return;
    }
  }

  async #complete(): Promise<void> {
    const line = this.#line;
    const { from, candidates } = await this.#options.complete(line.text, line.cursor);
    const [only] = candidates;
    if (!only) return;
    if (candidates.length === 1) {
      line.replace(from, only.text + (only.final ? " " : ""));
      return;
    }
    const common = commonPrefix(candidates.map(({ text }) => text));
    if (common.length > line.cursor - from) {
      line.replace(from, common);
      return;
    }
    const { screen, terminal } = this.#options;
    const labels = candidates.slice(0, MAX_LISTED).map(({ label, text }) => label ?? text);
    const more = candidates.length - labels.length;
    const list = inColumns(labels, terminal.size.columns);
    if (more > 0) list.push(screen.style.dim(`… and ${more} more`));
    screen.say(`${this.#options.screen.style.dim("")}${list.join("\n")}`);
  }
}

/** What all of them begin with, up to a whole character as the shell reads it. */
export function commonPrefix(texts: readonly string[]): string {
  let prefix = texts[0] ?? "";
  for (const text of texts) while (!text.startsWith(prefix)) prefix = prefix.slice(0, -1);
  const whole = withoutHalf(prefix);
  // A backslash that is left alone would quote what is typed next, or join the next line. Not so between apostrophes.
  const isEscape = !whole.startsWith("'") && /(?<!\\)(?:\\\\)*\\$/.test(whole);
  return isEscape ? whole.slice(0, -1) : whole;
}

/** Down, then across, as `ls` does. */
function inColumns(labels: readonly string[], columns: number): string[] {
  const widest = Math.max(...labels.map(textWidth)) + 2;
  const perRow = Math.max(1, Math.floor(columns / widest));
  const height = Math.ceil(labels.length / perRow);
  const rows: string[][] = [];
  labels.forEach((label, i) => {
    (rows[i % height] ??= []).push(label);
  });
  return formatTable(rows);
}
