/** The results as a table. */

import { goalOf, isMet } from "./goals.ts";
import type { Row } from "./harness.ts";
import { median } from "./statistics.ts";

export interface Line {
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
  return rows.map(({ figure, ours, peer, control }) => {
    const [a, b, c] = [ours, peer, control].map((values) => (values.length > 0 ? median(values) : null));
    const ratio = a == null || b == null || b === 0 ? null : a / b;
    return {
      ...figure,
      ...{ ours: a ?? null, peer: b ?? null, control: c ?? null, ratio },
      goal: goalOf(figure.id),
      met: ratio === null ? null : isMet(figure.id, figure.better, ratio),
      rounds: { ours, peer, control },
    };
  });
}

/** For people at a prompt: columns. */
export function plainTable(lines: readonly Line[]): string {
  const cells = [head, ...lines.map(cellsOf)];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** For documents. */
export function markdownTable(lines: readonly Line[]): string {
  const rows = [head, head.map((_, i) => (i < 2 ? "---" : "---:")), ...lines.map(cellsOf)];
  return rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

const head = ["figure", "unit", "ours", "0.169.0", "ratio", "goal", "met", "control"];

function cellsOf(line: Line): string[] {
  const goal = `${line.better === "lower" ? "≤" : "≥"} ${line.goal}`;
  return [
    `${line.title} (\`${line.id}\`)`,
    line.unit,
    spread(line.ours, line.rounds.ours),
    spread(line.peer, line.rounds.peer),
    line.ratio === null ? "" : `${short(line.ratio)}×`,
    goal,
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
  if (value === 0) return "0";
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en-US")
    : `${Number(value.toPrecision(3))}`;
}
