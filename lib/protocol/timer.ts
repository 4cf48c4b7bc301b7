/** What timers can hold. */

/** A longer delay would fire at once; as a wait it is as good as for ever: 24 days. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** The delay, cut to what a timer takes. */
export function timerMs(ms: number): number {
  return Math.min(Math.max(0, ms), MAX_TIMER_MS);
}
