/** Output of processes by pipe: one that writes blocks, one that writes lines, eight at once. */

import { type Bench, type Case, type Family, figure } from "../figure.ts";
import { speed } from "../statistics.ts";

const BLOCKS = 256_000_000;
const LINES = 1_000_000;
const LINE_BYTES = 64;

const writeBlocks = ["/bin/sh", "-c", "exec head -c $BYTES /dev/zero"];
const writeLines = ["perl", "-e", 'my $l = ("x" x 63) . "\\n"; print $l for 1 .. $ENV{BYTES} / 64'];
const flushLines = ["perl", "-e", '$| = 1; my $l = ("x" x 63) . "\\n"; print $l for 1 .. $ENV{BYTES} / 64'];

/** Runs it and takes all that it writes. */
async function drain({ link }: Bench, argv: readonly string[], bytes: number): Promise<void> {
  const process = await link.start(argv, { env: { BYTES: `${bytes}` } });
  await process.closed(bytes);
}

/** Of 64 bytes each, so that every command can make it. */
function blocksOf(bench: Bench, bytes: number): number {
  return Math.round(bench.size(bytes) / LINE_BYTES) * LINE_BYTES;
}

function cases(prefix: string): Case[] {
  const one = (id: string, what: string, argv: readonly string[], full: number): Case => ({
    figures: [figure(`${prefix}pipe.${id}_MBps`, `pipe output, ${what}`, "MB/s", "higher")],
    control: true,
    run: async (bench) => {
      const bytes = blocksOf(bench, full);
      return [await speed(bytes, () => drain(bench, argv, bytes))];
    },
  });
  return [
    {
      figures: [
        figure(`${prefix}pipe.one_MBps`, `pipe output, blocks`, "MB/s", "higher"),
        figure(`${prefix}pipe.one_cpu_s_per_GB`, `pipe output, CPU of the server`, "s/GB", "lower"),
      ],
      control: true,
      run: async (bench) => {
        const bytes = blocksOf(bench, BLOCKS);
        await drain(bench, writeBlocks, blocksOf(bench, BLOCKS / 16));
        const before = bench.server.cpuSeconds();
        const perSecond = await speed(bytes, () => drain(bench, writeBlocks, bytes));
        return [perSecond, ((bench.server.cpuSeconds() - before) / bytes) * 1e9];
      },
    },
    one("lines", "a million lines", writeLines, LINES * LINE_BYTES),
    one("linebuf", "a million lines, each flushed", flushLines, LINES * LINE_BYTES),
    {
      figures: [figure(`${prefix}pipe.eight_MBps`, `pipe output, eight at once`, "MB/s", "higher")],
      control: true,
      run: async (bench) => {
        const bytes = blocksOf(bench, BLOCKS / 8);
        const all = (): Promise<unknown> =>
          Promise.all(Array.from({ length: 8 }, () => drain(bench, writeBlocks, bytes)));
        return [await speed(8 * bytes, all)];
      },
    },
  ];
}

const programs = ["perl"];

export const pipes: Family = {
  name: "pipes",
  title: "Output by pipe",
  transport: "websocket",
  programs,
  cases: cases(""),
};

export const stdioPipes: Family = {
  name: "stdio-pipes",
  title: "Output by pipe over stdio",
  transport: "stdio",
  programs,
  cases: cases("stdio."),
};
