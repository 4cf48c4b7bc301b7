/**
 * Many at once: 200 connections that each have an idle process and an idle terminal; 1,000 processes in one session; a
 * system that has 1,000 processes of others.
 */

import type { BenchProcess } from "../bench_process.ts";
import { type Case, type Family, figure } from "../figure.ts";
import { quantile, rate } from "../statistics.ts";
import { threadMilliseconds } from "../usage.ts";

const CONNECTIONS = 200;
const PROCESSES = 1000;
const REST_MS = 1000;
const WARM_UP = 20;
const ENDS = 60;
/** The real server never answers again when it is sent a thousand requests at once. */
const AT_A_TIME = 64;
const idle = ["/bin/sleep", "1000"];

const many: Case = {
  figures: [
    figure("many.setup_ms", "200 connections, each with a process and a terminal", "ms", "lower"),
    figure("many.rss_MB", "… memory", "MB", "lower"),
    figure("many.anon_MB", "… memory, without pages of files", "MB", "lower"),
    figure("many.rest_cpu_ms_per_s", "… CPU at rest", "ms/s", "lower"),
  ],
  control: true,
  run: async ({ open, server, size }) => {
    const from = performance.now();
    await rate(size(CONNECTIONS), 8, async () => {
      const link = await open();
      await Promise.all([link.start(idle), link.start(idle, { terminal: true })]);
    });
    const setupMs = performance.now() - from;
    await Bun.sleep(size(REST_MS));
    const before = threadMilliseconds(server.pid);
    await Bun.sleep(size(REST_MS));
    const atRest = ((threadMilliseconds(server.pid) - before) / size(REST_MS)) * 1000;
    return [setupMs, server.residentMegabytes(), server.anonymousMegabytes(), atRest];
  },
};

const thousand: Case = {
  figures: [
    figure("thousand.start_ms", "1,000 processes in one session, until started", "ms", "lower"),
    figure("thousand.rss_MB", "… memory", "MB", "lower"),
    figure("thousand.end_ms", "… until all are terminated and closed", "ms", "lower"),
  ],
  run: async ({ link, server, size }) => {
    const running: BenchProcess[] = [];
    const from = performance.now();
    await rate(size(PROCESSES), AT_A_TIME, async () => running.push(await link.start(idle)));
    const startMs = performance.now() - from;
    const resident = server.residentMegabytes();
    const end = performance.now();
    await rate(running.length, AT_A_TIME, async () => {
      const process = running.pop()!;
      await Promise.all([process.terminate(), process.closed()]);
    });
    return [startMs, resident, performance.now() - end];
  },
};

const amongOthers: Case = {
  figures: [
    figure("ends.closed_ms", "a process, terminated to closed, p50", "ms", "lower"),
    figure("ends.other_us", "… a request of another connection meanwhile, p50", "us", "lower"),
    figure("ends.cpu_ms", "… CPU of the server for each", "ms", "lower"),
  ],
  run: async ({ link, open, server, size }) => {
    const other = await open();
    const others = await startOthers(size(PROCESSES));
    const closed: number[] = [];
    const answered: number[] = [];
    const endOne = async (): Promise<void> => {
      const process = await link.start(idle);
      const from = performance.now();
      const ended = Promise.all([process.terminate(), process.closed()]);
      await other.call("environment/status", null);
      answered.push((performance.now() - from) * 1000);
      await ended;
      closed.push(performance.now() - from);
    };
    try {
      for (let i = 0; i < size(WARM_UP); i++) await endOne();
      const before = server.cpuSeconds();
      const count = size(ENDS);
      for (let i = 0; i < count; i++) await endOne();
      const each = ((server.cpuSeconds() - before) / count) * 1000;
      return [quantile(closed.slice(-count), 0.5), quantile(answered.slice(-count), 0.5), each];
    } finally {
      others.end();
    }
  },
};

/** Processes that have nothing to do with the server. */
async function startOthers(count: number): Promise<{ end(): void }> {
  const script = `for i in $(seq ${count}); do sleep 1000 & done; echo; wait`;
  const shell = Bun.spawn(["/bin/sh", "-c", script], { stdout: "pipe", detached: true });
  await shell.stdout.getReader().read();
  return { end: () => process.kill(-shell.pid, "SIGKILL") };
}

export const crowds: Family[] = [
  { name: "many", title: "200 connections", transport: "websocket", cases: [many] },
  { name: "thousand", title: "1,000 processes", transport: "websocket", cases: [thousand] },
  { name: "ends", title: "Among 1,000 processes of others", transport: "websocket", cases: [amongOthers] },
];
