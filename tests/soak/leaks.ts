/** Many processes and many reconnects: descriptors, children and memory of the server stay where they were. */

import { join } from "node:path";
import { type Client, connectWebsocket, currentRuntime } from "../../mod.ts";
import { until, within } from "../support/deadline.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault_proxy.ts";
import { childrenOf, descriptorsOf, memoryOf } from "../support/proc.ts";
import { root } from "../support/programs.ts";
import type { Server } from "../support/servers.ts";

export interface LeakOptions {
  url: string;
  /** Of the server. */
  pid: number;
  processes: number;
  reconnects: number;
  seed: number;
  /** How often all of it is done. @default {1} */
  rounds?: number;
}

/** Before all and after each round, of the server; `own` of this program, which is the client. */
export interface LeakFigures {
  descriptors: number[];
  ownDescriptors: number[];
  memoryMiB: number[];
  ownMemoryMiB: number[];
  children: number;
  seconds: number;
}

/** @throws {Error} A process told a wrong status, a session was lost, or descriptors or children are left. */
export async function leaks(options: LeakOptions): Promise<LeakFigures> {
  const { url, pid, processes, reconnects, seed, rounds = 1 } = options;
  const from = performance.now();
  const proxy = startFaultProxy(url, { seed, halved: 0, stalled: 0 });
  const client = await connectWebsocket(await currentRuntime(), {
    url: proxy.url,
    recovery: { firstDelayMs: 1, maxDelayMs: 5 },
  });
  try {
    // What is kept of ended processes for late readers, and what the runtime keeps for itself, is there after this.
    await startMany(client, Math.min(processes, 500));
    await reconnectMany(client, proxy, Math.min(reconnects, 50));
    const all = [snapshot(pid)];
    const [before] = all as [ReturnType<typeof snapshot>];
    for (let round = 0; round < rounds; round++) {
      await startMany(client, processes);
      await reconnectMany(client, proxy, reconnects);
      await until(5000, "end of the children", () => childrenOf(pid).length === 0);
      await until(5000, "end of descriptors", () => descriptorsOf(pid).length <= before.descriptors);
      await until(
        5000,
        "end of our descriptors",
        () => descriptorsOf(process.pid).length <= before.ownDescriptors,
      );
      all.push(snapshot(pid));
    }
    return {
      descriptors: all.map(({ descriptors }) => descriptors),
      ownDescriptors: all.map(({ ownDescriptors }) => ownDescriptors),
      memoryMiB: all.map(({ memoryMiB }) => memoryMiB),
      ownMemoryMiB: all.map(({ ownMemoryMiB }) => ownMemoryMiB),
      children: childrenOf(pid).length,
      seconds: (performance.now() - from) / 1000,
    };
  } finally {
    await client.close();
    proxy.close();
  }
}

/**
 * The same over a server that soon forgets ended processes.
 * @throws {Error} As {@link leaks}, or its memory grows from round to round.
 */
export async function leaksInTheLongRun(server: Server, seed: number): Promise<LeakFigures> {
  const program = join(root, "tests", "soak", "forgetful_server.ts");
  const [runtime, ...first] = server.command;
  const command =
    server.id === "deno"
      ? [runtime!, ...first.slice(0, first.indexOf(join(root, "cli.ts"))), program]
      : [process.execPath, "--no-env-file", program];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  try {
    const { value } = await within(10_000, "address", child.stdout.getReader().read());
    const url = new TextDecoder().decode(value).trim();
    const options = { url, pid: child.pid, processes: 1250, reconnects: 200, seed, rounds: 8 };
    const figures = await leaks(options);
    // A runtime takes some rounds to find the size of its heap, and garbage comes and goes.
    if (slope(figures.memoryMiB.slice(3)) > 2.5)
      throw new Error(`Memory grows: ${figures.memoryMiB.join(", ")} MiB`);
    return figures;
  } finally {
    child.kill("SIGTERM");
    await child.exited;
  }
}

/** By how much each value is above the one before, over all of them (least squares). */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const top = values.reduce((sum, value, i) => sum + (i - middle) * value, 0);
  return top / values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
}

function snapshot(pid: number) {
  return {
    descriptors: descriptorsOf(pid).length,
    ownDescriptors: descriptorsOf(process.pid).length,
    memoryMiB: Math.round(memoryOf(pid)),
    ownMemoryMiB: Math.round(memoryOf(process.pid)),
  };
}

async function startMany(client: Client, count: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const number = next++;
      const status = number % 100;
      const child = await client.start({
        argv: ["sh", "-c", `echo ${number}; exit ${status}`],
        ...(number % 10 === 0 ? { terminal: { columns: 80, rows: 24 } } : {}),
      });
      let text = "";
      for await (const event of child)
        if (event.kind === "output") text += Buffer.from(event.bytes).toString();
      const end = await child.wait();
      if (end.kind !== "exited" || end.exitCode !== status || text.trim() !== String(number))
        throw new Error(`Process ${number} told ${JSON.stringify(end)} and ${JSON.stringify(text)}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function reconnectMany(client: Client, proxy: FaultProxy, count: number): Promise<void> {
  const child = await client.start({ argv: ["cat"], stdin: "pipe" });
  const events = child[Symbol.asyncIterator]();
  for (let i = 0; i < count; i++) {
    const back = new Promise<void>((resolve, reject) => {
      const undo = client.onConnectionChange(({ kind }) => {
        if (kind !== "resumed") return;
        undo();
        resolve();
      });
      client.closed.then((reason) => reject(new Error(reason.message)));
    });
    proxy.cut();
    await within(10_000, `return ${i}`, back);
    await child.write(Buffer.from(`${i}\n`));
    const { value } = await within(10_000, `echo ${i}`, events.next());
    const text = value?.kind === "output" ? Buffer.from(value.bytes).toString() : JSON.stringify(value);
    if (text !== `${i}\n`) throw new Error(`After reconnect ${i} came ${text}`);
  }
  await child.terminate();
  for (let next = await events.next(); !next.done; next = await events.next());
}
