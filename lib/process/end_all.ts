/** The end of a session: all that it has started is asked to end, and who does not is killed. */

import { timerMs } from "../protocol/timer.ts";
import { nodeOs } from "../runtime/node_modules.ts";
import type { Cgroup } from "./cgroups.ts";
import type { ManagedProcess } from "./process.ts";
import { askTrees, killTrees, type ProcessRow, rootsOf, type TreeRoot, untilGone } from "./process_tree.ts";

/** How long killed descendants have to leave the process table. */
const GONE_WITHIN_MS = 1000;

/**
 * Settles when every child has been reaped.
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
  const killed = roots.length > 0 ? killTrees(roots) : [];
  for (const process of processes) process.dispose();
  await Promise.all(processes.map((process) => process.ended));
  await untilGone(killed, GONE_WITHIN_MS);
}

/** Its leader has gone, and the leader's number may be another's. */
function leftoverRoot(cgroup: Cgroup): TreeRoot {
  return { pid: -1, exited: true, files: [], isTerminal: false, cgroup };
}

/** Settles when all have gone, or have had their time; answers who was asked. */
async function askAll(
  processes: readonly ManagedProcess[],
  left: readonly TreeRoot[],
  graceMs: number,
): Promise<ProcessRow[]> {
  if (processes.length + left.length === 0) return [];
  for (const process of processes) process.release();
  const asked = askTrees([...processes.map((process) => process.root), ...left]);
  if (asked.length > 0) {
    await untilGone(asked, graceMs);
    return asked;
  }
  // Where there is no process table.
  for (const process of processes) process.signal(nodeOs().constants.signals.SIGTERM);
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timerMs(graceMs));
  await Promise.race([Promise.all(processes.map((process) => process.ended)), late]);
  clearTimeout(timer);
  return [];
}
