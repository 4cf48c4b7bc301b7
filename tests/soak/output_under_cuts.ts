/** A known output over a connection that breaks at random: each byte once and in order, or the gap is declared. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connectWebsocket, currentRuntime, type Process, type StartOptions } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault_proxy.ts";

export interface CutsOptions {
  /** Of the server. */
  url: string;
  seed: number;
  cuts: number;
  totalBytes: number;
  terminal?: boolean;
  /** Pauses of the program, so that a server that does not hold it back keeps most of what it puts out. */
  paced?: boolean;
  limitMs?: number;
}

/** What was seen. That it is in order has been checked. */
export interface CutsFigures {
  cuts: number;
  reordered: number;
  bytes: number;
  gaps: number;
  /** Bytes that are in gaps. */
  missingBytes: number;
  exitCode: number | undefined;
  seconds: number;
}

/** Faults of every kind but cuts. */
export const roughly = { halved: 0.2, stalled: 0.02, delayed: 0.02, reordered: 0.3 } as const;

/** Runs of output without a gap between, and what the gaps say. */
export interface Told {
  runs: Uint8Array[];
  /** Behind the run of the same index; undefined where the server did not tell. */
  gaps: (number | undefined)[];
  exitCode: number | undefined;
  failure: string | undefined;
}

/** @throws {Error} A byte is wrong, twice, or missing without a gap; or the exit status is. */
export async function outputUnderCuts(options: CutsOptions): Promise<CutsFigures> {
  const { url, seed, cuts, totalBytes, terminal = false, paced = false, limitMs = 300_000 } = options;
  const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  // In base64, with what a resume brings again.
  const meanBytes = (totalBytes * 1.4) / cuts;
  const proxy = startFaultProxy(url, {
    seed,
    ...roughly,
    cutAfterBytes: [500, Math.max(2000, 1.6 * meanBytes)],
    maxCuts: cuts,
  });
  const from = performance.now();
  let client: Client | undefined;
  try {
    client = await connectThrough(proxy);
    const copy = join(folder, "copy");
    const source = paced
      ? `i=0; while [ $i -lt ${Math.ceil(totalBytes / 65_536)} ]; do head -c 65536 /dev/urandom; sleep 0.02; i=$((i+1)); done`
      : `head -c ${totalBytes} /dev/urandom`;
    const script = `${terminal ? "stty raw; " : ""}{ ${source}; } | tee ${copy}; exit 5`;
    const child = await startThrough(client, {
      argv: ["sh", "-c", script],
      ...(terminal ? { terminal: { columns: 80, rows: 24 } } : {}),
    });
    const told = await within(limitMs, "end of the output", everythingOf(child));
    const figures = check(told, readFileSync(copy));
    return {
      cuts: proxy.cuts,
      reordered: proxy.reordered,
      ...figures,
      exitCode: told.exitCode,
      seconds: (performance.now() - from) / 1000,
    };
  } catch (error) {
    throw new Error(`With seed ${seed}, ${proxy.cuts} cuts: ${(error as Error).message}`, { cause: error });
  } finally {
    await client?.close();
    proxy.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first handshake may be cut too, which a client reports. */
export async function connectThrough(proxy: Pick<FaultProxy, "url">): Promise<Client> {
  const runtime = await currentRuntime();
  for (let attempt = 0; ; attempt++) {
    try {
      return await connectWebsocket(runtime, {
        url: proxy.url,
        recovery: { firstDelayMs: 5, maxDelayMs: 50 },
      });
    } catch (error) {
      if (attempt >= 100) throw error;
    }
  }
}

/** A start whose answer was lost, and that was not carried out, is for the caller to repeat. */
export async function startThrough(client: Client, options: StartOptions): Promise<Process> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await client.start(options);
    } catch (error) {
      if (attempt >= 20 || (error as { code?: string }).code !== "ERR_DISCONNECTED") throw error;
    }
  }
}

/** Reads a process to its end. */
export async function everythingOf(child: Process): Promise<Told> {
  const told: Told = { runs: [], gaps: [], exitCode: undefined, failure: undefined };
  let pieces: Uint8Array[] = [];
  const endRun = (): void => {
    told.runs.push(Buffer.concat(pieces));
    pieces = [];
  };
  for await (const event of child) {
    if (event.kind === "output") pieces.push(event.bytes);
    if (event.kind === "exited") told.exitCode = event.exitCode;
    if (event.kind === "failed") told.failure = event.message;
    if (event.kind !== "gap") continue;
    endRun();
    told.gaps.push(event.lostBytes);
  }
  endRun();
  return told;
}

/** Looks for every run at its place in what the program has written. */
export function check(told: Told, wanted: Buffer): Pick<CutsFigures, "bytes" | "gaps" | "missingBytes"> {
  if (told.failure !== undefined) throw new Error(`The process was lost: ${told.failure}`);
  let [at, bytes, missingBytes] = [0, 0, 0];
  for (const [index, run] of told.runs.entries()) {
    const isLast = index === told.runs.length - 1;
    const lost = index === 0 ? 0 : told.gaps[index - 1];
    const found =
      lost !== undefined ? at + lost : isLast ? wanted.length - run.length : wanted.indexOf(run, at);
    if (found < at) throw new Error(`Run ${index} of ${run.length} bytes is not behind byte ${at}`);
    const end = found + run.length;
    if (!wanted.subarray(found, end).equals(run)) throw new Error(`Run ${index} is not what is at ${found}`);
    missingBytes += found - at;
    bytes += run.length;
    at = end;
  }
  if (at !== wanted.length) throw new Error(`${wanted.length - at} bytes are missing at the end in silence`);
  return { bytes, gaps: told.gaps.length, missingBytes };
}
