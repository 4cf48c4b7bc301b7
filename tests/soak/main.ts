/**
 * The long runs: `npm run soak -- [NAME …] [--seed N] [--server ID] [--cuts N]`. Each prints its figures; the seed brings the
 * faults of a run back. Ends with status 1 when one of them failed.
 */

import { parseArgs } from "@std/cli/parse-args";
import { memoryOf } from "../support/proc.ts";
import { Listening, type Server, ServerFolder, servers } from "../support/servers.ts";
import { startsUnderCuts, writesUnderCuts } from "./effects_under_cuts.ts";
import { eventStreams } from "./event_streams.ts";
import { halfOpen } from "./half_open.ts";
import { killedClient } from "./killed_client.ts";
import { largeCopy } from "./large_copy.ts";
import { leaksInTheLongRun } from "./leaks.ts";
import { outage } from "./outage.ts";
import { outputUnderCuts } from "./output_under_cuts.ts";
import { pulledCable } from "./pulled_cable.ts";
import { stalledReader } from "./stalled_reader.ts";

interface Run {
  url: string;
  pid: number;
  seed: number;
  cuts: number;
  ours: boolean;
  server: Server;
}

const MiB = 1024 * 1024;

/** Each throws when what it looks for does not hold. */
const scenarios: Record<string, { about: string; run: (run: Run) => Promise<object> }> = {
  "output-pipe": {
    about: "64 MiB through a pipe, over a connection that is cut",
    run: (run) => outputUnderCuts({ ...outputOf(run), terminal: false }),
  },
  "output-terminal": {
    about: "64 MiB through a terminal, over a connection that is cut",
    run: (run) => outputUnderCuts({ ...outputOf(run), terminal: true }),
  },
  starts: {
    about: "5,000 starts over a connection that is cut",
    run: ({ url, seed, cuts }) => startsUnderCuts({ url, seed, count: 5 * cuts, limitMs: 300_000 }),
  },
  writes: {
    about: "20,000 writes over a connection that is cut",
    run: ({ url, seed, cuts }) => writesUnderCuts({ url, seed, count: 20 * cuts, limitMs: 300_000 }),
  },
  stalled: {
    about: "a reader that stands still for 60 s under 10 MiB/s",
    run: ({ url, pid }) =>
      stalledReader({ url, pid, stallMs: 60_000, bytesPerTick: MiB, readBytes: 64 * MiB }),
  },
  "event-streams": {
    about: "50 event streams over one connection for three minutes",
    run: ({ url, pid }) => eventStreams({ url, pid, streams: 50, events: 180, everyMs: 1000 }),
  },
  "half-open": {
    about: "a connection on which nothing passes any more, with the pings as they are",
    run: ({ seed }) => halfOpen({ limitMs: 65_000, seed }),
  },
  outage: {
    about: "a server that cannot be reached for 40 s, and one that never can again; the 80 s of a session",
    run: (run) => outage(run),
  },
  "pulled-cable": {
    about: "a network link that is down for 62 s; needs root and ip",
    run: ({ server }) => pulledCable(server, 62_000),
  },
  "killed-client": {
    about: "a client killed in the middle of an output, 20 times",
    run: async ({ url, ours }) => {
      const all = [];
      for (let i = 0; i < 20; i++) all.push(await killedClient(url, ours ? 100_000 : 20_000));
      return {
        times: all.length,
        linesAfter: all.reduce((sum, { linesAfter }) => sum + linesAfter, 0),
        slowestTakeOverMs: Math.round(Math.max(...all.map(({ takeOverMs }) => takeOverMs))),
      };
    },
  },
  "large-copy": {
    about: "a file of 1 GiB up and down, over a connection that is cut eight times each way",
    run: async ({ url, pid, seed }) => {
      const figures = await largeCopy({ url, pid, seed, cuts: 8, totalBytes: 1024 * MiB });
      for (const { clientPeakMiB, serverPeakMiB } of Object.values(figures)) {
        const peak = Math.max(clientPeakMiB, serverPeakMiB);
        if (peak > 300) throw new Error(`Somebody holds the file: ${JSON.stringify(figures)}`);
      }
      return figures;
    },
  },
  leaks: {
    about: "10,000 processes and 1,600 reconnects, in eight rounds",
    run: ({ server, seed }) => leaksInTheLongRun(server, seed),
  },
};

function outputOf({ url, seed, cuts, ours }: Run) {
  const totalBytes = ours ? 64 * MiB : 16 * MiB;
  return { url, seed, cuts, totalBytes, paced: !ours };
}

/** These bring a server of their own. */
const ownServer = new Set(["leaks", "half-open", "pulled-cable"]);
/** The releases of the peer have no window, keep what they have started for their own time, and cannot resume a file. */
const oursAlone = new Set([...ownServer, "outage", "large-copy"]);

const flags = parseArgs(process.argv.slice(2), { string: ["seed", "server", "cuts"], boolean: ["help"] });
const names = flags._.length > 0 ? flags._.map(String) : Object.keys(scenarios);
const unknown = names.find((name) => !Object.hasOwn(scenarios, name));
if (flags.help || unknown !== undefined) {
  if (unknown !== undefined) console.log(`Unknown run "${unknown}"`);
  for (const [name, { about }] of Object.entries(scenarios)) console.log(`${name.padEnd(16)} ${about}`);
  process.exit(unknown === undefined ? 0 : 1);
}
const server = servers.find(({ id }) => id === (flags.server ?? "bun"));
if (!server || server.missing !== undefined) {
  const known = servers.map(({ id }) => id).join(", ");
  console.log(
    server ? `No ${server.id}: ${server.missing}` : `Unknown server "${flags.server}": wanted ${known}`,
  );
  process.exit(1);
}
const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
const cuts = Number(flags.cuts ?? 1000);

let failed = 0;
for (const name of names) {
  if (!server.ours && oursAlone.has(name)) continue;
  if (!(await runOne(name, server))) failed++;
}
console.log(failed === 0 ? "All held" : `${failed} did not hold`);
process.exit(failed === 0 ? 0 : 1);

async function runOne(name: string, server: Server): Promise<boolean> {
  const { about, run } = scenarios[name]!;
  console.log(`${name}: ${about}; ${server.id}, seed ${seed}`);
  const folder = new ServerFolder();
  const listening = await Listening.start(server, folder);
  const { url, pid } = listening;
  const from = performance.now();
  try {
    const figures = await run({ url, pid, seed, cuts, ours: server.ours, server });
    console.log(`  ${JSON.stringify(rounded(figures))}`);
    const peak = ownServer.has(name)
      ? ""
      : `; the server had ${Math.round(memoryOf(pid, "VmHWM"))} MiB at the highest`;
    console.log(`  held, in ${((performance.now() - from) / 1000).toFixed(1)} s${peak}`);
    return true;
  } catch (error) {
    console.log(
      `  FAILED after ${((performance.now() - from) / 1000).toFixed(1)} s: ${(error as Error).message}`,
    );
    return false;
  } finally {
    await listening.stop().catch(() => {});
    await folder.remove({ strict: false });
  }
}

function rounded(figures: object): object {
  return JSON.parse(
    JSON.stringify(figures, (_key, value) =>
      typeof value === "number" ? Math.round(value * 100) / 100 : value,
    ),
  ) as object;
}
