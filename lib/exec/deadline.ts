/** Waits with an end. */

import { timerMs } from "../protocol/timer.ts";

/** Whether the promise settled, either way, within the time. The timer goes with the wait. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), timerMs(ms));
  try {
    const settled = promise.then(
      () => true,
      () => true,
    );
    return await Promise.race([settled, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
