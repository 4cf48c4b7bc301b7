/** Colours of the REPL's own texts, and whether there are any. */

import { withoutHalf } from "./width.ts";

/** Functions that put a text in a colour, or leave it as it is. */
export interface Style {
  readonly colours: boolean;
  dim(text: string): string;
  bold(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  blue(text: string): string;
  cyan(text: string): string;
}

/** Colours need a terminal that knows them and a user who has not switched them off. */
export function wantsColours(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return isTerminal && !env.NO_COLOR && env.TERM !== "dumb";
}

export function createStyle(colours: boolean): Style {
  const paint =
    (on: number, off: number) =>
    (text: string): string =>
      colours && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    colours,
    dim: paint(2, 22),
    bold: paint(1, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    blue: paint(34, 39),
    cyan: paint(36, 39),
  };
}

/** `42 s`, `3 min`, `2 h 5 min` */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** One line of a command, for lists. */
export function shorten(text: string, width: number): string {
  const line = text.replace(/\s*\n\s*/g, "; ");
  if (line.length <= width) return line;
  return `${withoutHalf(line.slice(0, Math.max(1, width - 1)))}…`;
}

/** Columns with two blanks between them; the last is not padded. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join("  "),
  );
}
