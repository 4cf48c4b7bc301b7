/** Lines typed for a running command: what the system's terminal driver does when it is asked to. */

import { Buffer } from "node:buffer";
import { KeyDecoder } from "./keys.ts";
import { graphemes, graphemeWidth, shown } from "./width.ts";

/** What was typed. */
export type TypedEvent =
  | { kind: "line"; text: string }
  /** Ctrl-D behind a begun line: what there is goes out. */
  | { kind: "part"; text: string }
  | { kind: "end" | "interrupt" | "background" | "quit" };

export class TypedInput {
  readonly #decoder = new KeyDecoder();
  readonly #echo: (text: string) => void;
  #line = "";

  constructor(echo: (text: string) => void) {
    this.#echo = echo;
  }

  push(bytes: Uint8Array): void {
    this.#decoder.push(bytes);
  }

  /** What was typed and not dealt with, a line that was begun among it: it is for whoever reads next. */
  rest(): Uint8Array {
    return Buffer.concat([Buffer.from(this.#takeLine()), this.#decoder.rest()]);
  }

  next(): TypedEvent | undefined {
    for (let key = this.#decoder.next(); key; key = this.#decoder.next()) {
      if (key.kind === "text" || key.kind === "paste") {
        this.#type(key.text);
        continue;
      }
      switch (key.name) {
        case "enter":
          this.#echo("\n");
          return { kind: "line", text: this.#takeLine() };
        case "tab":
          this.#type("\t");
          break;
        case "backspace":
          this.#erase(1);
          break;
        case "ctrl-u":
          this.#erase(this.#line.length);
          break;
        case "ctrl-w":
          this.#erase(graphemes(/\S*\s*$/.exec(this.#line)![0]).length);
          break;
        case "ctrl-d":
          return this.#line === "" ? { kind: "end" } : { kind: "part", text: this.#takeLine() };
        case "ctrl-c":
          this.#line = "";
          return { kind: "interrupt" };
        case "ctrl-z":
          this.#line = "";
          return { kind: "background" };
        case "ctrl-\\":
          return { kind: "quit" };
      }
    }
    return undefined;
  }

  #takeLine(): string {
    const line = this.#line;
    this.#line = "";
    return line;
  }

  #type(text: string): void {
    this.#line += text;
    this.#echo(
      graphemes(text)
        .map((grapheme) => (grapheme === "\t" || grapheme === "\n" ? grapheme : shown(grapheme)))
        .join(""),
    );
  }

  #erase(count: number): void {
    const typed = graphemes(this.#line);
    const gone = typed.splice(Math.max(0, typed.length - count));
    this.#line = typed.join("");
    const columns = gone.reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0);
    this.#echo("\b \b".repeat(columns));
  }
}
