/** Input of a process: 64 MB in requests of 64 KB. */

import { Buffer } from "node:buffer";
import { type Bench, type Case, type Family, figure } from "../figure.ts";
import { rate, speed } from "../statistics.ts";

const INPUT = 64_000_000;
const PIECE = 64_000;
const chunk = Buffer.from(Buffer.alloc(PIECE, 120).toString("base64"));

/** The process says so when it has taken all. It does little more, as it shares the cores. */
async function feed({ link, size }: Bench, width: number): Promise<number> {
  const pieces = Math.ceil(size(INPUT) / PIECE);
  const bytes = pieces * PIECE;
  const argv = [
    "/bin/sh",
    "-c",
    `dd bs=${PIECE} count=${pieces} iflag=fullblock of=/dev/null 2>/dev/null; printf x`,
  ];
  const process = await link.start(argv, { stdin: true, env: { TAKES: `${bytes}` } });
  return await speed(bytes, async () => {
    await rate(pieces, width, () => process.write(chunk));
    await process.closed(1);
  });
}

function cases(prefix: string): Case[] {
  return [
    {
      figures: [
        figure(`${prefix}stdin.write_MBps`, `input, 16 requests on the way`, "MB/s", "higher"),
        figure(`${prefix}stdin.cpu_s_per_GB`, `input, CPU of the server`, "s/GB", "lower"),
      ],
      control: true,
      run: async (bench) => {
        await feed(bench, 16);
        const before = bench.server.cpuSeconds();
        const perSecond = await feed(bench, 16);
        return [perSecond, ((bench.server.cpuSeconds() - before) / bench.size(INPUT)) * 1e9];
      },
    },
    {
      figures: [figure(`${prefix}stdin.depth1_MBps`, `input, one request at a time`, "MB/s", "higher")],
      control: true,
      run: async (bench) => [await feed(bench, 1)],
    },
  ];
}

export const input: Family = { name: "input", title: "Input", transport: "websocket", cases: cases("") };

export const stdioInput: Family = {
  name: "stdio-input",
  title: "Input over stdio",
  transport: "stdio",
  cases: cases("stdio."),
};
