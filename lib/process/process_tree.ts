/** Asks trees of processes to end, and kills them. */

import process from "node:process";
import { nodeFs, nodeOs } from "../runtime/node_modules.ts";
import { turnOfOthers } from "../runtime/turn.ts";
import { holds, isThere, type ProcessRow, processTable } from "./process_table.ts";
import { type SearchOptions, type TreeRoot, TreeSearch } from "./tree_search.ts";

const POLL_MS = 2;
/** How often the table is read at most: who is found may just have forked. */
const MAX_ROUNDS = 10;

/** So long after its end, or after it was asked, somebody else holds the output of a process that is open still. */
export const HELD_AFTER_MS = 20;

/**
 * Asks the trees of these processes to end, by SIGTERM. Interactive shells ignore that, so on a terminal whoever does
 * gets SIGHUP. Answers whom it has asked.
 * @param isWanted Whether they are to be asked still, once they are found: who is being killed has been stopped.
 */
export async function askTrees(
  roots: readonly TreeRoot[],
  isWanted: () => boolean = () => true,
): Promise<ProcessRow[]> {
  const asked = new Map<number, ProcessRow>();
  for (const onTerminal of [true, false]) {
    const some = roots.filter(({ isTerminal }) => isTerminal === onTerminal);
    if (some.length === 0) continue;
    const rows = await new TreeSearch(some, processTable()).look();
    if (!isWanted()) break;
    for (const row of rows) {
      if (asked.has(row.pid)) continue;
      asked.set(row.pid, row);
      ask(row.pid, onTerminal);
    }
  }
  return [...asked.values()];
}

function ask(pid: number, onTerminal: boolean): void {
  signalProcess(pid, "SIGTERM");
  if (onTerminal && ignoresTerm(pid)) signalProcess(pid, "SIGHUP");
  // Who is stopped takes its signals when it goes on.
  signalProcess(pid, "SIGCONT");
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
  return rows.filter(isThere).map(({ pid }) => ({ pid, exited: false, isTerminal: false }));
}

/**
 * Kills the trees of these processes. They are stopped first, round by round until nobody is new below them: a parent
 * that died before its children were found would take the trace to them along. Answers whom it has killed.
 */
export async function killTrees(
  roots: readonly TreeRoot[],
  options: SearchOptions = {},
): Promise<ProcessRow[]> {
  const search = new TreeSearch(roots, processTable(), options);
  const signalAll = (fresh: readonly ProcessRow[], signal: NodeJS.Signals): boolean => {
    for (const { pid } of fresh) signalProcess(pid, signal);
    return fresh.length > 0;
  };
  signalAll(await search.look(), "SIGSTOP");
  for (let round = 1; round < MAX_ROUNDS && signalAll(await search.lookBelow(), "SIGSTOP"); round++);
  signalAll(search.members, "SIGKILL");
  // Who was being forked while its parent was stopped, or has lost it in that moment.
  for (let round = 0; round < MAX_ROUNDS && signalAll(await search.look(), "SIGKILL"); round++);
  for (const { cgroup } of roots) cgroup?.kill();
  return search.members;
}

/** Settings of {@link askHolders}. */
export interface AskOptions {
  onTerminal: boolean;
  /** Who has been asked already. */
  asked: readonly ProcessRow[];
}

/**
 * Asks whoever holds one of these files to end, by which a descendant is known that has lost its parent and left the
 * session. Answers whom it has asked.
 */
export async function askHolders(
  files: () => readonly string[],
  { onTerminal, asked }: AskOptions,
): Promise<ProcessRow[]> {
  const known = new Set(asked.map(({ pid }) => pid));
  return await newHolders(files, known, ({ pid }) => ask(pid, onTerminal));
}

/** Kills whoever holds one of these files: they are stopped first, as trees are. Answers whom it has killed. */
export async function killHolders(files: () => readonly string[]): Promise<ProcessRow[]> {
  const known = new Set<number>();
  const holders: ProcessRow[] = [];
  const signalFresh = async (signal: NodeJS.Signals): Promise<boolean> => {
    const fresh = await newHolders(files, known, ({ pid }) => signalProcess(pid, signal));
    holders.push(...fresh);
    return fresh.length > 0;
  };
  for (let round = 0; round < MAX_ROUNDS && (await signalFresh("SIGSTOP")); round++);
  for (const row of holders) if (isThere(row)) signalProcess(row.pid, "SIGKILL");
  for (let round = 0; round < MAX_ROUNDS && (await signalFresh("SIGKILL")); round++);
  return holders;
}

/**
 * Looks at everybody who is not known yet: others have their turn meanwhile, as that is 6 us for each. The files are
 * asked for anew each time, as the name of one that has been closed may be somebody else's by then.
 */
async function newHolders(
  files: () => readonly string[],
  known: Set<number>,
  onFound: (row: ProcessRow) => void,
): Promise<ProcessRow[]> {
  const table = processTable();
  const found: ProcessRow[] = [];
  let wanted = files();
  for (const pid of table.pids()) {
    if (wanted.length === 0) break;
    if (known.has(pid) || pid === process.pid) continue;
    known.add(pid);
    const turn = turnOfOthers();
    if (turn) {
      await turn;
      wanted = files();
    }
    if (!holds(pid, wanted)) continue;
    const row = table.row(pid);
    if (!row) continue;
    found.push(row);
    onFound(row);
  }
  return found;
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

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended since, or is not ours to end.
  }
}
