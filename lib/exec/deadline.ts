/** Waits with an end. */

/** The longest that timers take; a longer wait is as good as for ever. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Whether the promise settled, either way, within the time. The timer goes with the wait. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), Math.min(Math.max(0, ms), MAX_TIMER_MS));
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
