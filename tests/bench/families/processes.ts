/** Short processes: from the request that starts one to the news that it has closed. */

import { type Bench, type Case, type Family, figure } from "../figure.ts";
import { quantile, rate } from "../statistics.ts";

const SEQUENTIAL = 200;
const MAX_MS = 4000;

/** How long it takes until it has exited, in ms; its end has been told by then. */
export async function runTrue({ link }: Pick<Bench, "link">): Promise<number> {
  const from = performance.now();
  const process = await link.start(["/bin/true"]);
  await process.closed(0);
  return process.exitedAt - from;
}

function cases(prefix: string): Case[] {
  return [
    {
      figures: [
        figure(`${prefix}true.seq_per_s`, `/bin/true, start to closed, one by one`, "/s", "higher"),
        figure(`${prefix}true.exit_p50_ms`, `/bin/true, start to exited, p50`, "ms", "lower"),
        figure(`${prefix}true.exit_p99_ms`, `/bin/true, start to exited, p99`, "ms", "lower"),
      ],
      control: true,
      run: async (bench) => {
        for (let i = 0; i < 5; i++) await runTrue(bench);
        const times: number[] = [];
        const from = performance.now();
        while (times.length < bench.size(SEQUENTIAL) && performance.now() - from < MAX_MS)
          times.push(await runTrue(bench));
        const seconds = (performance.now() - from) / 1000;
        return [times.length / seconds, quantile(times, 0.5), quantile(times, 0.99)];
      },
    },
    {
      figures: [
        figure(`${prefix}true.par16_per_s`, `/bin/true, 16 at once`, "/s", "higher"),
        figure(`${prefix}true.cpu_ms`, `/bin/true, CPU of the server for each`, "ms", "lower"),
      ],
      control: true,
      run: async (bench) => {
        const count = bench.size(600);
        const before = bench.server.cpuSeconds();
        const perSecond = await rate(count, 16, () => runTrue(bench));
        return [perSecond, ((bench.server.cpuSeconds() - before) / count) * 1000];
      },
    },
  ];
}

export const processes: Family = {
  name: "processes",
  title: "Short processes",
  transport: "websocket",
  cases: cases(""),
};

export const stdioProcesses: Family = {
  name: "stdio-processes",
  title: "Short processes over stdio",
  transport: "stdio",
  cases: cases("stdio."),
};
