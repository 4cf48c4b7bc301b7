/** What others feel: of a client that does not read, and of a request that waits. */

import { type Case, type Family, figure } from "../figure.ts";
import { quantile, samples, speed } from "../statistics.ts";

const OUTPUT = 1_000_000_000;
const STALL_MS = 1500;
const POLL_MS = 1000;

const slowReader: Case = {
  figures: [
    figure("slow.peak_MB", "reader that stops at 1 GB of output: peak memory", "MB", "lower"),
    figure("slow.other_p50_us", "… a request of another connection, p50", "us", "lower"),
    figure("slow.other_max_us", "… a request of another connection, worst", "us", "lower"),
    figure("slow.drain_MBps", "… output once it reads again", "MB/s", "higher"),
  ],
  deadlineMs: 120_000,
  run: async ({ link, open, server, size }) => {
    const other = await open();
    const ask = (): Promise<unknown> => other.call("environment/status", null);
    // No more of it: the peak memory is what counts.
    await samples({ most: size(2000), least: 20, maxMs: 1000 }, ask);
    const bytes = size(OUTPUT);
    const argv = ["/bin/sh", "-c", "exec head -c $BYTES /dev/zero"];
    const process = await link.start(argv, { env: { BYTES: `${bytes}` } });
    link.pause();
    const from = performance.now();
    const times: number[] = [];
    while (performance.now() - from < size(STALL_MS)) {
      times.push(...(await samples({ most: 1, least: 1, maxMs: 0 }, ask)));
      await Bun.sleep(1);
    }
    const drained = await speed(bytes, async () => {
      link.resume();
      await process.closed(bytes);
    });
    return [server.peakMegabytes(), quantile(times, 0.5), Math.max(...times), drained];
  },
};

const longPoll: Case = {
  figures: [figure("poll.behind_us", "request behind a read that waits 1 s", "us", "lower")],
  run: async ({ link, size }) => {
    const process = await link.start(["/bin/sleep", "1000"]);
    const times: number[] = [];
    for (let i = 0; i < size(3); i++) {
      const read = link.call("process/read", { processId: process.id, afterSeq: 0, waitMs: POLL_MS });
      times.push(
        ...(await samples({ most: 1, least: 1, maxMs: 0 }, () => link.call("environment/status", null))),
      );
      await read;
    }
    await process.terminate();
    await process.closed();
    return [quantile(times, 0.5)];
  },
};

export const waiting: Family[] = [
  { name: "slow", title: "A client that does not read", transport: "websocket", cases: [slowReader] },
  { name: "poll", title: "A request that waits", transport: "websocket", cases: [longPoll] },
];
