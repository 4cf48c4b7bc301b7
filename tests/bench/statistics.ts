/** Small sums over samples. */

/** The value below which the share of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle one; of an even number the mean of the two. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Runs `once` so many times, but not for much longer than `maxMs` once `least` are done. Microseconds of each. */
export async function samples(
  { most, least, maxMs }: { most: number; least: number; maxMs: number },
  once: () => Promise<unknown>,
): Promise<number[]> {
  const found: number[] = [];
  const end = performance.now() + maxMs;
  while (found.length < most && (found.length < least || performance.now() < end)) {
    const from = performance.now();
    await once();
    found.push((performance.now() - from) * 1000);
  }
  return found;
}

/**
 * Runs `once` until nothing of it is compiled any more: client, origin and server are compiled while they run, and each
 * such pause, of 1 to 4 ms, would be a sample of whichever server is asked then. That is so for the first 12,000 keys of
 * a terminal, which take 2 s. Microseconds of each.
 */
export async function warmUp(
  size: (full: number) => number,
  once: () => Promise<unknown>,
): Promise<number[]> {
  return await samples({ most: size(20_000), least: 20, maxMs: size(3000) }, once);
}

/** How many a second, `width` on the way at a time. */
export async function rate(count: number, width: number, once: () => Promise<unknown>): Promise<number> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await once();
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: width }, worker));
  return count / ((performance.now() - from) / 1000);
}

/** Megabytes a second, of 1,000,000 bytes. */
export async function speed(bytes: number, work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return bytes / 1000 / (performance.now() - from);
}
