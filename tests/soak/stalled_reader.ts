/** A reader that stops for a while under a steady flood: memory stays bounded, others are served, no byte is lost. */

import { type Client, connectWebsocket, currentRuntime, type Process } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { memoryOf } from "../support/proc.ts";

export interface StalledOptions {
  url: string;
  /** Of the server. */
  pid: number;
  stallMs: number;
  /** How the program floods: so much each time, ten times a second. */
  bytesPerTick: number;
  /** So much is read behind the stall. */
  readBytes: number;
}

export interface StalledFigures {
  seconds: number;
  /** What was read behind the stall. */
  readMiB: number;
  gaps: number;
  missingBytes: number;
  /** Highest growth while the reader stood still, in MiB. */
  serverGrowthMiB: number;
  clientGrowthMiB: number;
  /** Longest answer to another call meanwhile. */
  slowestCallMs: number;
}

/** @throws {Error} Numbers are missing without a gap, or a call was not answered. */
export async function stalledReader(options: StalledOptions): Promise<StalledFigures> {
  const { url, pid, stallMs, bytesPerTick, readBytes } = options;
  const from = performance.now();
  const client = await connectWebsocket(await currentRuntime(), { url });
  try {
    const script = `while :; do head -c ${bytesPerTick} /dev/zero; sleep 0.1; done`;
    const child = await client.start({ argv: ["sh", "-c", script] });
    const events = child[Symbol.asyncIterator]();
    await within(10_000, "first output", events.next());
    const meanwhile = await standStill(client, pid, stallMs);
    const read = await readOn(events, readBytes);
    await within(10_000, "termination", child.terminate());
    await within(30_000, "the end", drain(events));
    return { ...meanwhile, ...read, seconds: (performance.now() - from) / 1000 };
  } finally {
    await client.close();
  }
}

async function standStill(
  client: Client,
  pid: number,
  stallMs: number,
): Promise<Pick<StalledFigures, "serverGrowthMiB" | "clientGrowthMiB" | "slowestCallMs">> {
  const before = [memoryOf(pid), memoryOf(process.pid)] as const;
  const figures = { serverGrowthMiB: 0, clientGrowthMiB: 0, slowestCallMs: 0 };
  for (const end = performance.now() + stallMs; performance.now() < end; await Bun.sleep(200)) {
    const asked = performance.now();
    await within(10_000, "answer to a call", client.call("process/terminate", { processId: "none" }));
    figures.slowestCallMs = Math.max(figures.slowestCallMs, performance.now() - asked);
    figures.serverGrowthMiB = Math.max(figures.serverGrowthMiB, memoryOf(pid) - before[0]);
    figures.clientGrowthMiB = Math.max(figures.clientGrowthMiB, memoryOf(process.pid) - before[1]);
  }
  return figures;
}

type Events = ReturnType<Process[typeof Symbol.asyncIterator]>;

async function readOn(
  events: Events,
  wantedBytes: number,
): Promise<Pick<StalledFigures, "readMiB" | "gaps" | "missingBytes">> {
  let [bytes, gaps, missingBytes] = [0, 0, 0];
  let next: number | undefined;
  while (bytes < wantedBytes) {
    const { value: event, done } = await within(10_000, "more output", events.next());
    if (done) throw new Error("The output ended");
    if (event.kind === "failed") throw new Error(event.message);
    const first = event.kind === "gap" ? event.firstSeq : event.seq;
    if (next !== undefined && first !== next) throw new Error(`Number ${first} came in place of ${next}`);
    next = (event.kind === "gap" ? event.lastSeq : event.seq) + 1;
    if (event.kind === "output") bytes += event.bytes.length;
    if (event.kind !== "gap") continue;
    gaps++;
    missingBytes += event.lostBytes ?? Number.NaN;
  }
  return { readMiB: bytes / 1024 / 1024, gaps, missingBytes };
}

async function drain(events: Events): Promise<void> {
  for (let next = await events.next(); !next.done; next = await events.next());
}
