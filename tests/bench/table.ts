/** The results as tables, one for each family. */

import { goalOf, isMet } from "./goals.ts";
import type { Row } from "./harness.ts";
import { median } from "./statistics.ts";

/** A figure and what came out, as it is in the JSON file. */
export interface Line {
  family: string;
  id: string;
  title: string;
  unit: string;
  better: "lower" | "higher";
  /** Medians; null where nothing was measured. */
  ours: number | null;
  peer: number | null;
  control: number | null;
  /** Ours divided by the peer. */
  ratio: number | null;
  goal: number;
  met: boolean | null;
  rounds: { ours: number[]; peer: number[]; control: number[] };
}

export function linesOf(rows: readonly Row[]): Line[] {
  return rows.map(({ family, figure, ours, peer, control }) => {
    const [a, b, c] = [ours, peer, control].map((values) => (values.length > 0 ? median(values) : null));
    const ratio = a == null || b == null || b === 0 ? null : a / b;
    return {
      family,
      ...figure,
      ...{ ours: a ?? null, peer: b ?? null, control: c ?? null, ratio },
      goal: goalOf(figure.id),
      met: ratio === null ? null : isMet(figure.id, figure.better, ratio),
      rounds: { ours, peer, control },
    };
  });
}

/** For people at a prompt: columns, with the id to give to `--only`. */
export function plainTable(lines: readonly Line[]): string {
  const heads = ["figure", "id", "unit", ...columns];
  const rows = lines.map((line) => [line.title, line.id, line.unit, ...cellsOf(line)]);
  const widths = heads.map((head, i) => Math.max(...[head, ...rows.map((row) => row[i]!)].map(lengthOf)));
  const text = (row: readonly string[]): string =>
    row
      .map((cell, i) => {
        const space = " ".repeat(widths[i]! - lengthOf(cell));
        return i < 3 ? cell + space : space + cell;
      })
      .join("  ")
      .trimEnd();
  const parts = familiesOf(lines).map((family) => {
    const own = rows.filter((_, i) => lines[i]!.family === family);
    return [family, ...own.map((row) => `  ${text(row)}`)].join("\n");
  });
  return [`  ${text(heads)}`, ...parts].join("\n\n");
}

/** For documents. */
export function markdownTables(lines: readonly Line[]): string {
  const heads = ["figure", "unit", ...columns];
  const rule = heads.map((_, i) => (i < 2 ? "---" : "---:"));
  return familiesOf(lines)
    .map((family) => {
      const own = lines.filter((line) => line.family === family);
      const rows = own.map((line) => [line.title, line.unit, ...cellsOf(line)]);
      return `### ${family}\n\n${[heads, rule, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")}`;
    })
    .join("\n\n");
}

const columns = ["ours", "0.169.0", "ratio", "goal", "met", "control"];

function familiesOf(lines: readonly Line[]): string[] {
  return [...new Set(lines.map(({ family }) => family))];
}

function lengthOf(cell: string): number {
  return [...cell].length;
}

function cellsOf(line: Line): string[] {
  return [
    spread(line.ours, line.rounds.ours),
    spread(line.peer, line.rounds.peer),
    line.ratio === null ? "" : `${short(line.ratio)}×`,
    `${line.better === "lower" ? "≤" : "≥"} ${line.goal}`,
    line.met === null ? "" : line.met ? "yes" : "**no**",
    spread(line.control, line.rounds.control),
  ];
}

function spread(value: number | null, rounds: readonly number[]): string {
  if (value === null) return "";
  if (rounds.length < 2) return short(value);
  return `${short(value)} (${short(Math.min(...rounds))}–${short(Math.max(...rounds))})`;
}

/** Three figures that count. */
export function short(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return `${Number(value.toPrecision(3))}`;
}
