/** Many at once: 200 connections that each have an idle process and an idle terminal; 1,000 processes in one session. */

import type { BenchProcess } from "../bench_process.ts";
import { type Case, type Family, figure } from "../figure.ts";
import { rate } from "../statistics.ts";
import { threadMilliseconds } from "../usage.ts";

const CONNECTIONS = 200;
const PROCESSES = 1000;
const REST_MS = 1000;
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

export const crowds: Family[] = [
  { name: "many", title: "200 connections", transport: "websocket", cases: [many] },
  { name: "thousand", title: "1,000 processes", transport: "websocket", cases: [thousand] },
];
