/** Small requests: latency one by one, and how many a second with 64 on the way. */

import { type Bench, type Case, type Family, figure } from "../figure.ts";
import { quantile, samples, warmUp } from "../statistics.ts";

/** CPU is told in hundredths of a second, and twenty thousand need six of them. */
const PIPELINED = 50_000;
/** Of what takes a few microseconds: fewer are over in the tenth of a second in which an engine is still compiling. */
const QUICK_PIPELINED = 200_000;

function cases(
  prefix: string,
  [method, params]: readonly [string, unknown],
  { control = false, pipelined = PIPELINED } = {},
): Case[] {
  const ask =
    ({ link }: Bench): (() => Promise<unknown>) =>
    () =>
      link.call(method, params);
  return [
    {
      figures: [
        figure(`${prefix}.p50_us`, `${method}, one by one, p50`, "us", "lower"),
        figure(`${prefix}.p99_us`, `${method}, one by one, p99`, "us", "lower"),
        // Ours stays awake between them.
        figure(`${prefix}.one_cpu_us`, `${method}, one by one, CPU of the server for each`, "us", "lower"),
      ],
      control,
      run: async (bench) => {
        await warmUp(bench.size, ask(bench));
        const before = bench.server.cpuSeconds();
        const found = await samples({ most: bench.size(5000), least: 100, maxMs: 2000 }, ask(bench));
        const each = (bench.server.cpuSeconds() - before) / found.length;
        return [quantile(found, 0.5), quantile(found, 0.99), each * 1e6];
      },
    },
    {
      figures: [
        figure(`${prefix}.pipe64_per_s`, `${method}, 64 on the way`, "/s", "higher"),
        figure(`${prefix}.cpu_us`, `${method}, 64 on the way, CPU of the server for each`, "us", "lower"),
      ],
      control,
      run: async (bench) => {
        const count = bench.size(pipelined);
        const before = bench.server.cpuSeconds();
        const from = performance.now();
        await bench.link.flood({ method, params, count, width: 64 });
        const perSecond = count / ((performance.now() - from) / 1000);
        return [perSecond, ((bench.server.cpuSeconds() - before) / count) * 1e6];
      },
    },
  ];
}

const status = ["environment/status", null] as const;
const info = ["environment/info", null] as const;
const metadata = ["fs/getMetadata", { path: "file:///etc/passwd", sandbox: null }] as const;

export const requests: Family = {
  name: "requests",
  title: "Small requests",
  transport: "websocket",
  cases: [...cases("status", status, { control: true, pipelined: QUICK_PIPELINED }), ...cases("info", info)],
};

export const metadataRequests: Family = {
  name: "metadata",
  title: "File metadata",
  transport: "websocket",
  methods: ["fs/getMetadata"],
  cases: cases("meta", metadata),
};

export const stdioRequests: Family = {
  name: "stdio-requests",
  title: "Small requests over stdio",
  transport: "stdio",
  cases: cases("stdio.status", status, { control: true }),
};
