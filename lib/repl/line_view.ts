/** Draws a prompt and the text being edited, over as many rows as it takes. */

import { graphemes, graphemeWidth, shown, textWidth } from "./width.ts";

/** What is to be seen. */
export interface LineContent {
  /** May have colours. */
  prompt: string;
  text: string;
  /** Index in `text`. */
  cursor: number;
}

/** In front of the second and later lines of a text. */
const continuation = "> ";

interface Layout {
  rows: string[];
  row: number;
  column: number;
}

/** Knows where it drew, so that it can draw over it. */
export class LineView {
  #cursorRow = 0;
  #shown = false;

  /** What draws the content over what was drawn before. */
  draw(content: LineContent, size: { columns: number; rows: number }): string {
    const { rows, row, column } = visible(layOut(content, size.columns), size.rows);
    let text = `${this.hide()}${rows.join("\r\n")}`;
    if (row < rows.length - 1) text += `\x1b[${rows.length - 1 - row}A`;
    text += `\r${column > 0 ? `\x1b[${column}C` : ""}`;
    this.#cursorRow = row;
    this.#shown = true;
    return text;
  }

  /** What takes it off the screen and puts the cursor where it began. */
  hide(): string {
    if (!this.#shown) return "";
    const up = this.#cursorRow > 0 ? `\x1b[${this.#cursorRow}A` : "";
    this.forget();
    return `\r${up}\x1b[J`;
  }

  /** What was drawn stays on the screen; the next is drawn where the cursor is. */
  forget(): void {
    this.#cursorRow = 0;
    this.#shown = false;
  }
}

function layOut({ prompt, text, cursor }: LineContent, columns: number): Layout {
  const plain = prompt.replace(/\x1b\[[0-9;]*m/g, "");
  // A prompt wider than the screen is cut from the left, colours and all.
  const fits = textWidth(plain) <= columns - 8;
  const rows: string[] = [];
  let line = fits ? prompt : `…${plain.slice(-Math.max(1, columns - 10))}`;
  let width = fits ? textWidth(plain) : textWidth(line);
  let at = 0;
  let place: { row: number; column: number } | undefined;
  const endRow = (next: string): void => {
    rows.push(line);
    line = next;
    width = next.length;
  };
  for (const grapheme of graphemes(text)) {
    const isBreak = grapheme === "\n" || grapheme === "\r\n";
    const needs = isBreak ? 0 : graphemeWidth(grapheme);
    if (width + needs > columns || (width === columns && !isBreak)) endRow("");
    if (at === cursor) {
      if (width === columns) endRow("");
      place = { row: rows.length, column: width };
    }
    at += grapheme.length;
    if (isBreak) {
      endRow(continuation);
    } else {
      line += shown(grapheme);
      width += needs;
    }
    if (at > cursor && !place) place = { row: rows.length, column: width };
  }
  if (width === columns) endRow("");
  rows.push(line);
  return { rows, ...(place ?? { row: rows.length - 1, column: width }) };
}

/** As many rows as the screen has, those around the cursor. */
function visible({ rows, row, column }: Layout, height: number): Layout {
  if (rows.length <= height) return { rows, row, column };
  const first = Math.max(0, Math.min(row - (height >> 1), rows.length - height));
  return { rows: rows.slice(first, first + height), row: row - first, column };
}
