/** Starts and writes over a connection that breaks at random: nothing is done twice, and no result is made up. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault_proxy.ts";
import { connectThrough, roughly, startThrough } from "./output_under_cuts.ts";

export interface EffectsOptions {
  url: string;
  seed: number;
  /** Starts, or lines that are written. */
  count: number;
  limitMs?: number;
}

interface Run extends EffectsOptions {
  /** What is done must be done in the order in which it was asked for. */
  ordered: boolean;
}

export interface EffectsFigures {
  cuts: number;
  reordered: number;
  /** Of which the answer came. */
  confirmed: number;
  /** Of which nothing was known, that were carried out. */
  done: number;
  /** … that were not. */
  undone: number;
  seconds: number;
}

const isLost = (error: unknown): boolean => (error as { code?: string }).code === "ERR_DISCONNECTED";

/** @throws {Error} A program ran twice or told a status that is not its own. */
export async function startsUnderCuts(options: EffectsOptions): Promise<EffectsFigures> {
  return await underCuts({ ...options, ordered: false }, async (client, file) => {
    const confirmed = new Set<string>();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < options.count) {
        const number = next++;
        const status = number % 200;
        const script = `echo ${number} >> ${file}; exit ${status}`;
        const terminal = number % 4 === 0 ? { terminal: { columns: 80, rows: 24 } } : {};
        try {
          const child = await client.start({ argv: ["sh", "-c", script], ...terminal });
          confirmed.add(String(number));
          const end = await within(30_000, `end of start ${number}`, child.wait());
          if (end.kind === "exited" && end.exitCode === status) continue;
          // What a server forgets is lost, and says so.
          if (end.kind === "exited") throw new Error(`Start ${number} ended with ${JSON.stringify(end)}`);
        } catch (error) {
          if (!isLost(error)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    return confirmed;
  });
}

/** @throws {Error} A line arrived twice, out of order, or not although it was accepted. */
export async function writesUnderCuts(options: EffectsOptions): Promise<EffectsFigures> {
  return await underCuts({ ...options, ordered: true }, async (client, file) => {
    const script = `while IFS= read -r line; do [ "$line" = bye ] && exit 6; echo "$line" >> ${file}; done`;
    const child = await startThrough(client, { argv: ["sh", "-c", script], stdin: "pipe" });
    const ended = child.wait();
    const confirmed = new Set<string>();
    for (let number = 0; number < options.count; number++) {
      try {
        const status = await child.write(Buffer.from(`${number}\n`));
        if (status !== "accepted") throw new Error(`Line ${number}: ${status}`);
        confirmed.add(String(number));
      } catch (error) {
        if (!isLost(error)) throw error;
      }
    }
    let isOver = false;
    ended.then(() => (isOver = true));
    while (!isOver) {
      await child.write(Buffer.from("bye\n")).catch(() => {});
      await Promise.race([ended, Bun.sleep(50)]);
    }
    const end = await ended;
    if (end.kind !== "exited" || end.exitCode !== 6) throw new Error(`It ended with ${JSON.stringify(end)}`);
    return confirmed;
  });
}

async function underCuts(
  options: Run,
  run: (client: Client, file: string) => Promise<Set<string>>,
): Promise<EffectsFigures> {
  const { url, seed, count, limitMs = 120_000 } = options;
  const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  const file = join(folder, "done");
  const from = performance.now();
  let proxy: FaultProxy | undefined;
  let client: Client | undefined;
  try {
    proxy = startFaultProxy(url, { seed, ...roughly, cutAfterBytes: [1200, 6000] });
    client = await connectThrough(proxy);
    const confirmed = await within(limitMs, "end of all", run(client, file));
    const done = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
    const once = new Set(done);
    if (once.size !== done.length) throw new Error(`${done.length - once.size} were done twice`);
    const missing = [...confirmed].filter((number) => !once.has(number));
    if (missing.length > 0) throw new Error(`Not done although confirmed: ${missing.join(", ")}`);
    if (options.ordered && done.some((line, i) => i > 0 && Number(line) < Number(done[i - 1])))
      throw new Error("They were done out of order");
    return {
      cuts: proxy.cuts,
      reordered: proxy.reordered,
      confirmed: confirmed.size,
      done: once.size - confirmed.size,
      undone: count - once.size,
      seconds: (performance.now() - from) / 1000,
    };
  } catch (error) {
    throw new Error(`With seed ${seed}, ${proxy?.cuts} cuts: ${(error as Error).message}`, { cause: error });
  } finally {
    await client?.close();
    proxy?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
