/** Runs something that Ctrl-C stops, and waits until it has stopped. */

import type { Terminal } from "./terminal.ts";

/** What is typed meanwhile is left for whoever reads next. */
export async function interruptible<T>(
  terminal: Terminal | undefined,
  controller: AbortController,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const promise = run(controller.signal);
  if (!terminal) return await promise;
  let isOver = false;
  const over = promise.then(
    () => {
      isOver = true;
    },
    () => {
      isOver = true;
    },
  );
  const early: Uint8Array[] = [];
  try {
    while (!isOver) {
      await Promise.race([over, terminal.readable()]);
      if (isOver) break;
      const bytes = terminal.take();
      if (bytes === null || bytes?.includes(3)) controller.abort(new Error("Interrupted"));
      else if (bytes) early.push(bytes);
      if (bytes === null) await over;
    }
    return await promise;
  } finally {
    for (const bytes of early.reverse()) terminal.unread(bytes);
  }
}
