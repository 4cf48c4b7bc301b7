/**
 * Measures `lib/runtime` on the runtime it is started with.
 *
 *   bun tests/bench/runtime.ts
 *   deno run -A tests/bench/runtime.ts
 */

import { type ByteSource, type Child, currentRuntime, type SpawnOptions } from "../../lib/runtime/runtime.ts";

const SPAWNS = 400;
const PIPE_BYTES = 300 * 1024 * 1024;
const ECHOES = 1000;
const FLOOD_MS = 2000;
const TICK_MS = 5;

const runtime = await currentRuntime();

function start(argv: string[], more: Partial<SpawnOptions> = {}): Child {
  return runtime.spawn({
    file: argv[0]!,
    argv,
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    stdin: "null",
    ...more,
  });
}

async function drain(source: ByteSource | null): Promise<number> {
  let bytes = 0;
  for (let part = await source?.read(); part; part = await source?.read()) bytes += part.length;
  return bytes;
}

async function runTrue(): Promise<void> {
  const child = start(["/bin/true"]);
  await Promise.all([drain(child.stdout), drain(child.stderr), child.exited]);
}

/** Calls per second. */
async function rate(workers: number): Promise<number> {
  const from = performance.now();
  let left = SPAWNS;
  await Promise.all(
    Array.from({ length: workers }, async () => {
      while (left-- > 0) await runTrue();
    }),
  );
  return (SPAWNS / (performance.now() - from)) * 1000;
}

async function pipeThroughput(): Promise<number> {
  const from = performance.now();
  const child = start(["/usr/bin/head", "-c", `${PIPE_BYTES}`, "/dev/zero"]);
  const [bytes] = await Promise.all([drain(child.stdout), drain(child.stderr), child.exited]);
  return bytes / 1e3 / (performance.now() - from);
}

/** Raw, so that the figure is not that of the terminal's line discipline. */
async function ptyThroughput(): Promise<number> {
  const child = start(["/bin/sh", "-c", "stty raw -echo; exec head -c 100000000 /dev/zero"], {
    terminal: { columns: 80, rows: 24 },
  });
  const from = performance.now();
  const [bytes] = await Promise.all([drain(child.stdout), child.exited]);
  child.stdin!.destroy();
  return bytes / 1e3 / (performance.now() - from);
}

async function ptyEcho(): Promise<{ p50: number; p99: number }> {
  const child = start(["/bin/sh", "-c", "stty raw -echo; echo ok; exec cat"], {
    terminal: { columns: 80, rows: 24 },
  });
  await child.stdout.read();
  const times: number[] = [];
  for (let i = 0; i < ECHOES; i++) {
    const from = performance.now();
    await child.stdin!.write(new Uint8Array([120]));
    await child.stdout.read();
    times.push((performance.now() - from) * 1000);
  }
  child.signalGroup(9);
  await Promise.all([drain(child.stdout), child.exited]);
  child.stdin!.destroy();
  return percentiles(times);
}

/** Reads all that children write, while a timer ticks. */
async function flood(
  argv: string[],
  count: number,
  more: Partial<SpawnOptions>,
): Promise<{ rate: number; gapP99: number; gapMax: number }> {
  const children = Array.from({ length: count }, () => start(argv, more));
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }, TICK_MS);
  const from = performance.now();
  setTimeout(() => {
    for (const child of children) child.signalGroup(9);
  }, FLOOD_MS);
  const bytes = await Promise.all(children.map((child) => drain(child.stdout)));
  const seconds = (performance.now() - from) / 1000;
  clearInterval(timer);
  for (const child of children) {
    child.stdin?.destroy();
    await Promise.all([drain(child.stderr), child.exited]);
  }
  return {
    rate: bytes.reduce((sum, n) => sum + n, 0) / 1e6 / seconds,
    gapP99: percentiles(gaps).p99,
    gapMax: Math.max(...gaps),
  };
}

function percentiles(values: number[]): { p50: number; p99: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return { p50: at(0.5), p99: at(0.99) };
}

function report(name: string, value: string): void {
  console.log(`${name.padEnd(34)} ${value}`);
}

report("runtime", `${runtime.name} ${runtime.version}`);
await rate(1);
report("spawn /bin/true, sequential", `${(await rate(1)).toFixed(0)}/s`);
report("spawn /bin/true, 16 at once", `${(await rate(16)).toFixed(0)}/s`);
report("300 MB by pipe", `${(await pipeThroughput()).toFixed(0)} MB/s`);
report("100 MB by raw terminal", `${(await ptyThroughput()).toFixed(0)} MB/s`);
const echo = await ptyEcho();
report("terminal echo p50 / p99", `${echo.p50.toFixed(0)} / ${echo.p99.toFixed(0)} us`);
const terminal = { columns: 80, rows: 24 };
for (const [name, count, more] of [
  ["pipe flood", 1, {}],
  ["pipe flood, 8 children", 8, {}],
  ["terminal flood", 1, { terminal }],
  ["terminal flood, 8 children", 8, { terminal }],
] as const) {
  const { rate: megabytes, gapP99, gapMax } = await flood(["/usr/bin/yes"], count, more);
  report(
    name,
    `${megabytes.toFixed(0)} MB/s, ${TICK_MS} ms timer: gap p99 ${gapP99.toFixed(1)} ms, worst ${gapMax.toFixed(0)} ms`,
  );
}
