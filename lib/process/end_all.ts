/** The end of a session: all that it has started is asked to end, and who does not is killed. */

import { timerMs } from "../protocol/timer.ts";
import { nodeOs } from "../runtime/node_modules.ts";
import type { Cgroup } from "./cgroups.ts";
import type { ManagedProcess } from "./process.ts";
import type { ProcessRow } from "./process_table.ts";
import {
  askHolders,
  askTrees,
  HELD_AFTER_MS,
  killHolders,
  killTrees,
  rootsOf,
  untilGone,
} from "./process_tree.ts";
import { settledWithin } from "./settled_within.ts";
import type { TreeRoot } from "./tree_search.ts";

/** How long who was killed has to go: one in the kernel's hands may stay for ever. */
const GONE_WITHIN_MS = 1000;

/**
 * Settles when every child has been reaped, or has had its time after it was killed.
 * @param leftovers Groups of closed processes that have left somebody behind.
 */
export async function endAll(
  processes: readonly ManagedProcess[],
  leftovers: readonly Cgroup[],
  graceMs: number,
): Promise<void> {
  const open = processes.filter((process) => !process.closed);
  const left = leftovers.map(leftoverRoot);
  const asked = graceMs > 0 ? await askAll(open, left, graceMs) : [];
  const stillOpen = open.filter((process) => !process.closed).map((process) => process.root);
  const roots = [...stillOpen, ...left, ...rootsOf(asked)];
  const killed = roots.length > 0 ? await killTrees(roots) : [];
  const held = await heldAfterAll(open);
  if (held.length > 0) killed.push(...(await killHolders(() => outputOf(held))));
  for (const process of processes) process.dispose();
  await settledWithin(Promise.all(processes.map((process) => process.ended)), GONE_WITHIN_MS);
  await untilGone(killed, GONE_WITHIN_MS);
}

/** Its leader has gone, and the leader's number may be another's. */
function leftoverRoot(cgroup: Cgroup): TreeRoot {
  return { pid: -1, exited: true, isTerminal: false, cgroup };
}

/** Whose output is open although their trees have gone, or have been asked to go. */
async function heldAfterAll(processes: readonly ManagedProcess[]): Promise<readonly ManagedProcess[]> {
  for (const process of processes) process.release();
  await settledWithin(Promise.all(processes.map(({ whenClosed }) => whenClosed)), HELD_AFTER_MS);
  return processes.filter(({ closed }) => !closed);
}

function outputOf(processes: readonly ManagedProcess[]): string[] {
  return processes.flatMap(({ outputFiles }) => outputFiles);
}

/** Settles when all have gone, or have had their time; answers who was asked. */
async function askAll(
  processes: readonly ManagedProcess[],
  leftovers: readonly TreeRoot[],
  graceMs: number,
): Promise<ProcessRow[]> {
  if (processes.length + leftovers.length === 0) return [];
  const end = performance.now() + graceMs;
  const left = (): number => Math.max(0, end - performance.now());
  const asked = await askTrees([...processes.map((process) => process.root), ...leftovers]);
  // Where there is no process table.
  if (asked.length === 0) for (const process of processes) process.signal(nodeOs().constants.signals.SIGTERM);
  const held = await heldAfterAll(processes);
  for (const onTerminal of [true, false]) {
    const some = held.filter(({ isTerminal }) => isTerminal === onTerminal);
    if (some.length > 0) asked.push(...(await askHolders(() => outputOf(some), { onTerminal, asked })));
  }
  if (asked.length > 0) await untilGone(asked, left());
  else await settledWithin(Promise.all(processes.map((process) => process.ended)), timerMs(left()));
  return asked;
}
