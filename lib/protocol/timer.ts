/** What timers can hold. */

/** A longer delay would fire at once; as a wait it is as good as for ever: 24 days. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** The delay, cut to what a timer takes. */
export function timerMs(ms: number): number {
  return Math.min(Math.max(0, ms), MAX_TIMER_MS);
}

/**
 * A timer that keeps no process alive; to be ended by `clearTimeout`. Not that of `node:timers`, whose module takes a
 * start 0.4 ms on Bun.
 */
export function backgroundTimer(callback: () => void, ms: number): ReturnType<typeof setTimeout> {
  const timer = setTimeout(callback, ms);
  // A number in browsers' types, which both runtimes' are not.
  (timer as { unref?(): void }).unref?.();
  return timer;
}
