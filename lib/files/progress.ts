/** How far a copy is, how fast it goes and when it will end. */

import { formatBytes, formatDuration, printable, widthAtMost } from "./format.ts";

/** The rate is that of this last time. */
const WINDOW_MS = 5000;
/** Samples are not closer than this. */
const SAMPLE_MS = 100;

export interface Snapshot {
  bytes: number;
  /** Undefined while it is not known. */
  totalBytes: number | undefined;
  files: number;
  totalFiles: number | undefined;
  bytesPerSecond: number;
  /** Undefined where nobody can tell. */
  leftMs: number | undefined;
}

/** Counts, and keeps the last seconds to know the rate. */
export class Progress {
  totalBytes: number | undefined;
  totalFiles: number | undefined;
  files = 0;
  readonly #now: () => number;
  readonly #samples: { at: number; bytes: number }[];
  #bytes = 0;
  /** Bytes that were there before; they say nothing of the rate. */
  #skipped = 0;

  /** @param now Milliseconds of a clock that does not jump. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#samples = [{ at: now(), bytes: 0 }];
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#sample();
  }

  /** Bytes that need not be copied. */
  skip(bytes: number): void {
    this.#skipped += bytes;
  }

  snapshot(): Snapshot {
    this.#sample();
    const first = this.#samples[0]!;
    const elapsed = this.#now() - first.at;
    const bytesPerSecond = elapsed > 0 ? Math.round(((this.#bytes - first.bytes) * 1000) / elapsed) : 0;
    const bytes = this.#bytes + this.#skipped;
    const left = this.totalBytes === undefined ? undefined : Math.max(0, this.totalBytes - bytes);
    return {
      bytes,
      totalBytes: this.totalBytes,
      files: this.files,
      totalFiles: this.totalFiles,
      bytesPerSecond,
      leftMs:
        left === undefined || (left > 0 && bytesPerSecond === 0)
          ? undefined
          : left === 0
            ? 0
            : Math.round((left * 1000) / bytesPerSecond),
    };
  }

  #sample(): void {
    const at = this.#now();
    if (at - this.#samples.at(-1)!.at < SAMPLE_MS) return;
    this.#samples.push({ at, bytes: this.#bytes });
    // The one before the window stays, so that there is always something to compare with.
    while (this.#samples.length > 2 && this.#samples[1]!.at <= at - WINDOW_MS) this.#samples.shift();
  }
}

const MIN_BAR = 10;
const MAX_BAR = 30;

/** One line, never wider than the terminal: `big.iso  [=====>    ]  42 %  1.2 GiB of 2.9 GiB  310 MiB/s  0:05`. */
export function progressLine(snapshot: Snapshot, name: string, columns: number): string {
  const { bytes, totalBytes, files, totalFiles, bytesPerSecond, leftMs } = snapshot;
  const part = totalBytes === undefined ? undefined : totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
  const facts = [
    ...(part === undefined ? [] : [`${String(Math.floor(part * 100)).padStart(3)} %`]),
    totalBytes === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
    `${formatBytes(bytesPerSecond)}/s`,
    ...(leftMs === undefined ? [] : [`${formatDuration(leftMs)} left`]),
    ...(totalFiles === undefined || totalFiles < 2 ? [] : [`${files}/${totalFiles} files`]),
  ].join("  ");
  // One column stays free: a full line makes some terminals scroll.
  const room = columns - 1 - facts.length - 2;
  if (room < 4) return facts.slice(0, Math.max(0, columns - 1));
  const barWidth = part === undefined ? 0 : Math.min(MAX_BAR, Math.max(0, room - 2 - 16));
  const bar = part === undefined || barWidth < MIN_BAR ? "" : `${drawBar(part, barWidth)}  `;
  const label = fit(printable(name), room - bar.length);
  return `${label}  ${bar}${facts}`;
}

function drawBar(part: number, width: number): string {
  const inner = width - 2;
  const done = Math.floor(part * inner);
  const head = done < inner ? ">" : "";
  return `[${"=".repeat(done)}${head}${" ".repeat(inner - done - head.length)}]`;
}

/** The end of a name says more than its begin. */
function fit(name: string, width: number): string {
  if (width <= 0) return "";
  if (widthAtMost(name) <= width)
    return name + " ".repeat(Math.max(0, Math.min(width, 24) - widthAtMost(name)));
  const characters = Array.from(name);
  while (characters.length > 0 && widthAtMost(characters.join("")) + 1 > width) characters.shift();
  return `…${characters.join("")}`;
}
