/** The process table of Linux: who there is, and who belongs to whom. */

import { nodeFs } from "../runtime/node_modules.ts";
import { numbersOf } from "../runtime/process_numbers.ts";
import { fileExists, linkTarget } from "../runtime/small_files.ts";

/** One row of the process table. */
export interface ProcessRow {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** Ticks since boot; with the pid it names one process for ever. */
  startTime: number;
}

/** What a search asks of the table. */
export interface ProcessTable {
  /** A new look begins. */
  renew(): void;
  /** Everybody, also who has ended and is not waited for yet; empty where there is no `/proc`. */
  pids(): number[];
  /** Undefined for who has ended. */
  row(pid: number): ProcessRow | undefined;
  /** The session and the group, which cost a tenth of a row. Undefined for who has gone. */
  numbers(pid: number): { session: number; group: number } | undefined;
  /** Who has this process as parent. */
  children(pid: number): number[];
}

/**
 * The table of this system, for one search.
 * @param isListed Whether the system lists the children of a process.
 */
export function processTable(isListed: boolean = childrenAreListed()): ProcessTable {
  return isListed ? listing : countingTable();
}

const listing: ProcessTable = {
  renew: () => {},
  pids: pidsOfProc,
  row: rowOf,
  numbers: (pid) => numbersOf(pid) ?? rowOf(pid),
  children: (pid) =>
    namesIn(`/proc/${pid}/task`).flatMap((task) =>
      (textOf(`/proc/${pid}/task/${task}/children`) ?? "").split(" ").filter(Boolean).map(Number),
    ),
};

/** Where the system has no list of children: everybody is asked for the parent, once for each look. */
function countingTable(): ProcessTable {
  let byParent: Map<number, number[]> | undefined;
  return {
    ...listing,
    renew: () => {
      byParent = undefined;
    },
    children: (pid) => {
      byParent ??= childrenByParent();
      return byParent.get(pid) ?? [];
    },
  };
}

function childrenByParent(): Map<number, number[]> {
  const byParent = new Map<number, number[]>();
  for (const pid of pidsOfProc()) {
    const parent = rowOf(pid)?.parent;
    if (parent === undefined) continue;
    const siblings = byParent.get(parent);
    if (siblings) siblings.push(pid);
    else byParent.set(parent, [pid]);
  }
  return byParent;
}

/**
 * A line of `/proc/PID/stat`; undefined for a zombie, which is no more than a row. One that has threads besides its first
 * lives: only that one has ended.
 */
export function parseStat(line: string): ProcessRow | undefined {
  // The name is in parentheses and may hold anything, parentheses too.
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [state, parent, group, session] = fields;
  if (state === "X" || (state === "Z" && !(Number(fields[17]) > 1))) return undefined;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTime: Number(fields[19]),
  };
}

/** Whether the process of this row lives still, and no other one has its number. */
export function isThere(row: ProcessRow): boolean {
  return rowOf(row.pid)?.startTime === row.startTime;
}

/** Whether one of these files, such as `pipe:[123]` or `/dev/pts/4`, is its input, output or error output. */
export function holds(pid: number, files: readonly string[]): boolean {
  return [0, 1, 2].some((fd) => {
    try {
      return files.includes(linkTarget(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

let listed: boolean | undefined;

/** Kernels may be built without (`CONFIG_PROC_CHILDREN`). */
function childrenAreListed(): boolean {
  listed ??= fileExists("/proc/thread-self/children");
  return listed;
}

function pidsOfProc(): number[] {
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function rowOf(pid: number): ProcessRow | undefined {
  const line = textOf(`/proc/${pid}/stat`);
  return line === undefined ? undefined : parseStat(line);
}

function namesIn(folder: string): string[] {
  try {
    return nodeFs().readdirSync(folder);
  } catch {
    // It has ended since.
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return nodeFs().readFileSync(path, "latin1");
  } catch {
    // It has ended since.
    return undefined;
  }
}
