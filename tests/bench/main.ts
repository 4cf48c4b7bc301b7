/**
 * Ours and the real server side by side: started alternately, asked the same by the same client, the median of the
 * rounds and their ratio. `bun tests/bench/main.ts [--quick] [--json]`; needs `npm run build` and the Codex release that
 * `npm test` installs.
 */

import { type Client, connectWebsocket, currentRuntime, type StartOptions } from "../../mod.ts";
import { codex169, executable } from "../support/programs.ts";
import { cpuSeconds, peakMegabytes } from "./usage.ts";

const quick = process.argv.includes("--quick");
const rounds = quick ? 1 : 3;
const scale = quick ? 0.1 : 1;

interface Figure {
  name: string;
  unit: string;
  better: "higher" | "lower";
  measure(client: Client, url: string): Promise<number>;
}

const runtime = await currentRuntime();

/** Starts a process, drops its output and waits for its end. */
async function drain(client: Client, options: StartOptions): Promise<number> {
  const child = await client.start(options);
  let bytes = 0;
  for await (const event of child) if (event.kind === "output") bytes += event.bytes.length;
  return bytes;
}

async function perSecond(count: number, once: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) await once();
  return count / ((performance.now() - start) / 1000);
}

async function atOnce(count: number, width: number, once: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: width }, worker));
  return count / ((performance.now() - start) / 1000);
}

async function megabytesPerSecond(work: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const bytes = await work();
  return bytes / 1e6 / ((performance.now() - start) / 1000);
}

function percentile(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}

async function echoTimes(client: Client, count: number): Promise<number[]> {
  const child = await client.start({
    argv: ["sh", "-c", "stty raw -echo; echo ready; cat"],
    terminal: { columns: 80, rows: 24 },
  });
  const events = child[Symbol.asyncIterator]();
  await events.next();
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const written = child.write(new Uint8Array([120]));
    await events.next();
    times.push((performance.now() - start) * 1000);
    await written;
  }
  await child.terminate();
  await events.return();
  return times;
}

const megabytes = (count: number): number => Math.round(count * scale) * 1_000_000;
const terminal = { columns: 80, rows: 24 };
const yes: StartOptions = { argv: ["true"], env: { PATH: "/usr/bin:/bin" }, envPolicy: null };

const figures: Figure[] = [
  {
    name: "connections, one by one",
    unit: "/s",
    better: "higher",
    measure: (_client, url) =>
      perSecond(200 * scale, async () => await (await connectWebsocket(runtime, { url })).close()),
  },
  {
    name: "small request",
    unit: "us",
    better: "lower",
    measure: async (client) =>
      1e6 / (await perSecond(3000 * scale, () => client.call("environment/status", null))),
  },
  {
    name: "small requests, 64 on the way",
    unit: "/s",
    better: "higher",
    measure: (client) => atOnce(20_000 * scale, 64, () => client.call("environment/status", null)),
  },
  {
    name: "start to closed, one by one",
    unit: "/s",
    better: "higher",
    measure: (client) => perSecond(200 * scale, () => drain(client, yes)),
  },
  {
    name: "start to closed, 16 at once",
    unit: "/s",
    better: "higher",
    measure: (client) => atOnce(800 * scale, 16, () => drain(client, yes)),
  },
  {
    name: "pipe output",
    unit: "MB/s",
    better: "higher",
    measure: (client) =>
      megabytesPerSecond(() => drain(client, { argv: ["head", "-c", String(megabytes(256)), "/dev/zero"] })),
  },
  {
    name: "pipe output, a million lines",
    unit: "MB/s",
    better: "higher",
    measure: (client) =>
      megabytesPerSecond(() => drain(client, { argv: ["seq", "1", String(1_000_000 * scale)] })),
  },
  {
    name: "terminal output",
    unit: "MB/s",
    better: "higher",
    measure: (client) =>
      megabytesPerSecond(() =>
        drain(client, { argv: ["sh", "-c", `stty raw; head -c ${megabytes(64)} /dev/zero`], terminal }),
      ),
  },
  {
    name: "terminal echo, p50",
    unit: "us",
    better: "lower",
    measure: async (client) => percentile(await echoTimes(client, 100 * scale), 0.5),
  },
  {
    name: "terminal echo, p99",
    unit: "us",
    better: "lower",
    measure: async (client) => percentile(await echoTimes(client, 100 * scale), 0.99),
  },
  {
    name: "stdin",
    unit: "MB/s",
    better: "higher",
    measure: (client) =>
      megabytesPerSecond(async () => {
        const child = await client.start({ argv: ["head", "-c", String(megabytes(64))], stdin: "pipe" });
        const taken = (async () => {
          let bytes = 0;
          for await (const event of child) if (event.kind === "output") bytes += event.bytes.length;
          return bytes;
        })();
        const piece = new Uint8Array(64_000);
        const answers: Promise<unknown>[] = [];
        for (let sent = 0; sent < megabytes(64); sent += piece.length) {
          answers.push(child.write(piece));
          if (answers.length >= 16) await answers.shift();
        }
        await Promise.all(answers);
        return await taken;
      }),
  },
];

interface Contender {
  name: string;
  command: string[];
}

/** Starts the server, takes all figures, and ends it. */
async function measureAll(contender: Contender): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const begin = performance.now();
  const server = Bun.spawn([...contender.command, "--listen", "ws://127.0.0.1:0"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  try {
    const { value } = await server.stdout.getReader().read();
    found.set("start to listening", performance.now() - begin);
    const url = new TextDecoder().decode(value).trim();
    const client = await connectWebsocket(runtime, { url });
    for (const figure of figures) found.set(figure.name, await figure.measure(client, url));
    found.set("CPU of the server", cpuSeconds(server.pid));
    found.set("peak memory", peakMegabytes(server.pid));
    await client.close();
    return found;
  } finally {
    server.kill("SIGKILL");
    await server.exited;
  }
}

const rows: { name: string; unit: string; better: "higher" | "lower" }[] = [
  { name: "start to listening", unit: "ms", better: "lower" },
  ...figures,
  { name: "CPU of the server", unit: "s", better: "lower" },
  { name: "peak memory", unit: "MB", better: "lower" },
];

async function main(): Promise<void> {
  if (!("path" in executable)) throw new Error(executable.missing);
  if (!("path" in codex169)) throw new Error(codex169.missing);
  const contenders: Contender[] = [
    { name: "ours", command: [executable.path] },
    { name: "0.169.0", command: [codex169.path, "exec-server"] },
  ];
  const results = new Map<string, Map<string, number>[]>();
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      console.error(`round ${round + 1} of ${rounds}: ${contender.name}`);
      results.set(contender.name, [...(results.get(contender.name) ?? []), await measureAll(contender)]);
    }
  }
  const table = rows.map(({ name, unit, better }) => {
    const of = (contender: string): number[] => results.get(contender)!.map((round) => round.get(name)!);
    const ours = percentile(of("ours"), 0.5);
    const peer = percentile(of("0.169.0"), 0.5);
    return { name, unit, better, ours, peer, ratio: ours / peer, spread: [of("ours"), of("0.169.0")] };
  });
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ rounds, quick, figures: table }, null, 2));
    return;
  }
  console.log("| figure | unit | better | ours | 0.169.0 | ours / 0.169.0 |\n|---|---|---|---|---|---|");
  for (const row of table) {
    const cells = [
      row.name,
      row.unit,
      row.better,
      short(row.ours),
      short(row.peer),
      row.ratio.toPrecision(3),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

function short(value: number): string {
  return value >= 1000 ? Math.round(value).toString() : value.toPrecision(3);
}

await main();
process.exit(0);
