/**
 * Kills process trees, all that are asked for in one turn, or while another search is on, with one search: that looks at
 * every process of the machine, which takes 2 us for each, so a thousand of them, each for one of a thousand, would take
 * two seconds.
 */

import { killTrees } from "./process_tree.ts";
import type { TreeRoot } from "./tree_search.ts";

interface Order {
  roots(): TreeRoot[];
  done(): void;
}

let orders: Order[] = [];
let isBusy = false;

/** Our own children that run: each leads a session of its own, and is in nobody's tree but its own. */
const leaders = new Set<number>();

/** A child runs from now on. Answers what is to be called when it has ended. */
export function leads(pid: number): () => void {
  leaders.add(pid);
  return () => leaders.delete(pid);
}

/** Kills the trees of these roots at the end of this turn, when they are asked for; then calls `done`. */
export function killTogether(roots: () => TreeRoot[], done: () => void): void {
  orders.push({ roots, done });
  if (isBusy) return;
  isBusy = true;
  queueMicrotask(carryOut);
}

async function carryOut(): Promise<void> {
  try {
    while (orders.length > 0) {
      const batch = orders;
      orders = [];
      const roots = batch.flatMap((order) => order.roots());
      if (roots.length > 0) await killTrees(roots, { strangers: leaders });
      for (const { done } of batch) done();
    }
  } finally {
    isBusy = false;
  }
}
