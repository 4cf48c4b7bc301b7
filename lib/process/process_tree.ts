/** Everything that a process has started, also what has left its group: found in the process table of Linux. */

import process from "node:process";
import { nodeFs, nodeOs } from "../runtime/node_modules.ts";

/** One row of the process table. */
export interface ProcessRow {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** Ticks since boot; with the pid it names one process for ever. */
  startTime: number;
}

/** All processes but those that are known already; empty where there is no `/proc`. */
export function processTable(known: ReadonlySet<number> = new Set()): ProcessRow[] {
  let names: string[];
  try {
    names = nodeFs().readdirSync("/proc");
  } catch {
    return [];
  }
  const rows: ProcessRow[] = [];
  for (const name of names) {
    if (!/^\d+$/.test(name) || known.has(Number(name))) continue;
    try {
      const row = parseStat(nodeFs().readFileSync(`/proc/${name}/stat`, "latin1"));
      if (row) rows.push(row);
    } catch {
      // It has ended since.
    }
  }
  return rows;
}

/** A line of `/proc/PID/stat`; undefined for a zombie, which is no more than a row. */
export function parseStat(line: string): ProcessRow | undefined {
  // The name is in parentheses and may hold anything, parentheses too.
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [state, parent, group, session] = fields;
  if (state === "Z" || state === "X") return undefined;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTime: Number(fields[19]),
  };
}

/**
 * The tree of a leader: the leader, who is of its session or group, and who descends from one of these. Our own
 * process is never part of it.
 */
export function treeOf(leaders: ReadonlySet<number>, table: readonly ProcessRow[]): ProcessRow[] {
  const members = new Map<number, ProcessRow>();
  let grown = true;
  while (grown) {
    grown = false;
    for (const row of table) {
      if (members.has(row.pid) || row.pid === process.pid) continue;
      const belongs =
        leaders.has(row.pid) || leaders.has(row.session) || leaders.has(row.group) || members.has(row.parent);
      if (!belongs) continue;
      members.set(row.pid, row);
      grown = true;
    }
  }
  return [...members.values()];
}

/** Processes of the table that hold one of these files open, such as `pipe:[123]` or `/dev/pts/4`. */
export function holdersOf(files: ReadonlySet<string>, table: readonly ProcessRow[]): ProcessRow[] {
  if (files.size === 0) return [];
  return table.filter(
    ({ pid }) => pid !== process.pid && [0, 1, 2].some((fd) => files.has(fileOf(pid, fd) ?? "")),
  );
}

/** What a descriptor of a process is, as the system names it. */
export function fileOf(pid: number, fd: number): string | undefined {
  try {
    return nodeFs().readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return undefined;
  }
}

const POLL_MS = 2;
/** How often the table is read at most: who is found may just have forked. */
const MAX_ROUNDS = 10;

/** What is known of a process whose tree is to go. */
export interface TreeRoot {
  pid: number;
  /** It has been waited for: its number may be another's by now. */
  exited: boolean;
  /** Its output, as {@link fileOf} names it: who holds it belongs to the tree. */
  files: readonly string[];
  isTerminal: boolean;
  /** The control group that it was put into. */
  cgroup?: { pids(): number[]; kill(): void } | undefined;
}

/**
 * Asks the trees of these processes to end, by SIGTERM. Interactive shells ignore that, so on a terminal whoever does
 * gets SIGHUP. Answers whom it has asked.
 */
export function askTrees(roots: readonly TreeRoot[]): ProcessRow[] {
  const table = processTable();
  const asked = new Map<number, ProcessRow>();
  for (const onTerminal of [true, false]) {
    const some = roots.filter(({ isTerminal }) => isTerminal === onTerminal);
    for (const row of membersOf(some, table)) {
      if (asked.has(row.pid)) continue;
      asked.set(row.pid, row);
      signalProcess(row.pid, "SIGTERM");
      if (onTerminal && ignoresTerm(row.pid)) signalProcess(row.pid, "SIGHUP");
      // Who is stopped takes its signals when it goes on.
      signalProcess(row.pid, "SIGCONT");
    }
  }
  return [...asked.values()];
}

function ignoresTerm(pid: number): boolean {
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(
      nodeFs().readFileSync(`/proc/${pid}/status`, "latin1"),
    )?.[1];
    return (BigInt(`0x${ignored ?? 0}`) & (1n << BigInt(nodeOs().constants.signals.SIGTERM - 1))) !== 0n;
  } catch {
    return false;
  }
}

/** Rows that still name a living process, as roots: who has lost its parent since is found by them. */
export function rootsOf(rows: readonly ProcessRow[]): TreeRoot[] {
  return rows.filter(isThere).map(({ pid }) => ({ pid, exited: false, files: [], isTerminal: false }));
}

/** Settings of {@link killTrees}. */
export interface KillOptions {
  /**
   * Running processes that are in none of the trees, by number; a root among them that runs is not one. To look at one
   * costs 25 us. @default {new Set()}
   */
  strangers?: ReadonlySet<number>;
}

/**
 * Kills the trees of these processes. They are stopped first, round by round until the table has nobody new: a parent
 * that died before its children were found would take the trace to them along. Answers whom it has killed.
 */
export function killTrees(
  roots: readonly TreeRoot[],
  { strangers = new Set() }: KillOptions = {},
): ProcessRow[] {
  const files = new Set(roots.flatMap((root) => root.files));
  const members = new Map<number, ProcessRow>();
  const table: ProcessRow[] = [];
  const known = new Set(strangers);
  for (const { pid, exited } of roots) if (!exited) known.delete(pid);
  let leaders: ReadonlySet<number> | undefined;
  const signalFresh = (signal: NodeJS.Signals): boolean => {
    // Everybody, then those that have come since: nobody else becomes part of a tree.
    const newcomers = processTable(known);
    for (const row of newcomers) known.add(row.pid);
    table.push(...newcomers);
    leaders ??= leadersOf(roots, table, strangers);
    const grouped = groupedIn(roots);
    const found = [
      ...treeOf(leaders, table),
      ...holdersOf(files, newcomers),
      ...newcomers.filter(({ pid }) => grouped.has(pid)),
    ];
    const fresh = found.filter(({ pid }) => !members.has(pid));
    for (const row of fresh) {
      members.set(row.pid, row);
      signalProcess(row.pid, signal);
    }
    return fresh.length > 0;
  };
  for (let round = 0; round < MAX_ROUNDS && signalFresh("SIGSTOP"); round++);
  for (const { pid } of members.values()) signalProcess(pid, "SIGKILL");
  // Who was being forked while its parent was stopped.
  for (let round = 0; round < MAX_ROUNDS && signalFresh("SIGKILL"); round++);
  for (const { cgroup } of roots) cgroup?.kill();
  return [...members.values()];
}

/** Settles when these processes are gone, or at the latest after this time: one in the kernel's hands may stay. */
export async function untilGone(rows: readonly ProcessRow[], timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  let left = rows;
  for (;;) {
    const from = performance.now();
    left = left.filter(isThere);
    const to = performance.now();
    if (left.length === 0 || to > end) return;
    // Of many, looking takes a while: others get at least as long.
    await new Promise((resolve) => setTimeout(resolve, Math.max(POLL_MS, to - from)));
  }
}

function isThere(row: ProcessRow): boolean {
  try {
    return parseStat(nodeFs().readFileSync(`/proc/${row.pid}/stat`, "latin1"))?.startTime === row.startTime;
  } catch {
    return false;
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended since, or is not ours to end.
  }
}

/** A number whose process has ended and that is in use again names somebody else's group and session too. */
function leadersOf(
  roots: readonly TreeRoot[],
  table: readonly ProcessRow[],
  strangers: ReadonlySet<number> = new Set(),
): Set<number> {
  const inUse = new Set(strangers);
  for (const { pid } of table) inUse.add(pid);
  return new Set(roots.filter(({ pid, exited }) => !(exited && inUse.has(pid))).map(({ pid }) => pid));
}

/** Everybody who belongs to these trees, by whatever trace; some perhaps twice. */
function membersOf(roots: readonly TreeRoot[], table: readonly ProcessRow[]): ProcessRow[] {
  const files = new Set(roots.flatMap((root) => root.files));
  const grouped = groupedIn(roots);
  return [
    ...treeOf(leadersOf(roots, table), table),
    ...holdersOf(files, table),
    ...table.filter(({ pid }) => grouped.has(pid)),
  ];
}

/** Who is in the control groups of these processes. */
function groupedIn(roots: readonly TreeRoot[]): ReadonlySet<number> {
  return new Set(roots.flatMap(({ cgroup }) => cgroup?.pids() ?? []));
}
