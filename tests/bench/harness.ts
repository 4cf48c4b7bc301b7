/** Runs families: each on ours, on the real server and on the control in turn, round after round. */

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { currentRuntime, type Runtime } from "../../lib/runtime/runtime.ts";
import { within } from "../support/deadline.ts";
import type { Contenders } from "./contenders.ts";
import { type Bench, type Case, type Family, type Figure, figure } from "./figure.ts";
import type { Link } from "./link.ts";
import { type Contender, ServerProcess } from "./server_process.ts";

const CASE_MS = 60_000;

/** One figure after the run: a value for each round, undefined where it failed. */
export interface Row {
  readonly family: string;
  readonly figure: Figure;
  readonly ours: number[];
  readonly peer: number[];
  readonly control: number[];
}

export interface Outcome {
  readonly rows: Row[];
  /** Families that were not run, and why. */
  readonly skipped: { family: string; why: string }[];
  /** Cases that broke. */
  readonly failures: string[];
}

export interface RunOptions {
  readonly rounds: number;
  readonly quick: boolean;
  /** Which figures are wanted. */
  wanted(id: string): boolean;
  /** Where servers have their home. */
  readonly home: string;
  /** Where files are made that must not wait for a disk. */
  readonly memory: string;
  progress(text: string): void;
}

const QUICK_SHARE = 0.04;

export async function runFamilies(
  families: readonly Family[],
  contenders: Contenders,
  options: RunOptions,
): Promise<Outcome> {
  const outcome: Outcome = { rows: [], skipped: [], failures: [] };
  const run = new Run(await currentRuntime(), options);
  for (const family of families) {
    const cases = family.cases.filter(({ figures }) => figures.some(({ id }) => options.wanted(id)));
    if (cases.length === 0) continue;
    const why = await run.whyNot(family, contenders.ours);
    if (why !== undefined) {
      outcome.skipped.push({ family: family.name, why });
      continue;
    }
    const rows = rowsOf(family, cases);
    for (let round = 1; round <= options.rounds; round++) {
      options.progress(`${family.name}, round ${round} of ${options.rounds}`);
      for (const side of ["ours", "peer", "control"] as const) {
        const asked = side === "control" ? cases.filter(({ control }) => control) : cases;
        if (asked.length === 0) continue;
        const { values, failures } = await run.family(family, asked, contenders[side], side === "control");
        for (const row of rows) {
          const value = values.get(row.figure.id);
          if (value !== undefined) row[side].push(value);
        }
        outcome.failures.push(...failures.map((text) => `${contenders[side].name}: ${text}`));
      }
    }
    outcome.rows.push(...rows);
  }
  return outcome;
}

function rowsOf(family: Family, cases: readonly Case[]): Row[] {
  const figures = cases.flatMap((one) => one.figures);
  const used = family.ownServers
    ? []
    : [
        ...(family.byTime
          ? []
          : [figure(`cpu.${family.name}_s`, "CPU of the server for all of these", "s", "lower")]),
        figure(`peak.${family.name}_MB`, "peak memory in all of these", "MB", "lower"),
      ];
  return [...figures, ...used].map((one) => ({
    ...{ family: family.title, figure: one },
    ...{ ours: [], peer: [], control: [] },
  }));
}

class Run {
  readonly #runtime: Runtime;
  readonly #options: RunOptions;

  constructor(runtime: Runtime, options: RunOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Why a family cannot be run, or undefined. */
  async whyNot(family: Family, ours: Contender): Promise<string | undefined> {
    const program = family.programs?.find((name) => Bun.which(name) === null);
    if (program !== undefined) return `there is no ${program} on the PATH`;
    if (family.methods === undefined) return undefined;
    const server = this.#launch(ours, "websocket");
    try {
      const link = await within(CASE_MS, "connection to our server", server.connect());
      for (const method of family.methods) {
        const error: Error | undefined = await link.call(method, null).catch((reason) => reason);
        if (error?.message.startsWith("-32601 ")) return `our server has no ${method}`;
      }
      await link.close();
      return undefined;
    } finally {
      await server.stop();
    }
  }

  /** All cases of a family on a server of their own. */
  async family(
    family: Family,
    cases: readonly Case[],
    contender: Contender,
    isControl: boolean,
  ): Promise<{ values: Map<string, number>; failures: string[] }> {
    const values = new Map<string, number>();
    const failures: string[] = [];
    const servers = new Set<ServerProcess>();
    const links: Link[] = [];
    const folder = mkdtempSync(join(this.#options.home, "run-"));
    const memory = mkdtempSync(join(this.#options.memory, "run-"));
    const launch = (transport: "websocket" | "stdio"): ServerProcess => {
      const server = this.#launch(contender, transport);
      servers.add(server);
      return server;
    };
    try {
      const server = launch(family.transport);
      const connect = async (): Promise<Link> => {
        const link = await within(CASE_MS, "connection", server.connect());
        links.push(link);
        return link;
      };
      const bench: Bench = {
        quick: this.#options.quick,
        isControl,
        server,
        link: await connect(),
        open: connect,
        folder,
        memory,
        launch,
        size: (full) => Math.max(1, Math.round(this.#options.quick ? full * QUICK_SHARE : full)),
      };
      for (const one of cases) {
        const names = one.figures.map(({ id }) => id).join(", ");
        const found = await within(one.deadlineMs ?? CASE_MS, `end of ${names}`, one.run(bench));
        for (const [i, { id }] of one.figures.entries()) values.set(id, found[i]!);
      }
      values.set(`cpu.${family.name}_s`, server.cpuSeconds());
      values.set(`peak.${family.name}_MB`, server.peakMegabytes());
    } catch (error) {
      failures.push(`${family.name}: ${(error as Error).message}`);
    } finally {
      // Their processes end with the server, whether a client says goodbye or not.
      for (const server of servers) await server.stop();
      await Promise.all(links.map(({ gone }) => within(CASE_MS, "end of a connection", gone)));
      for (const path of [memory, folder]) rmSync(path, { recursive: true, force: true });
    }
    return { values, failures };
  }

  #launch(contender: Contender, transport: "websocket" | "stdio"): ServerProcess {
    return new ServerProcess(this.#runtime, contender, transport, this.#options.home);
  }
}
