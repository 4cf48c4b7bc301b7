/** Waits that end. */

/** A wait took too long. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** The promise, or an error that says what did not come. */
export async function within<T>(ms: number, what: string | (() => string), promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new DeadlineError(`No ${typeof what === "string" ? what : what()} within ${ms} ms`)),
      ms,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again and again until the test holds; answers what it gave. */
export async function until<T>(
  ms: number,
  what: string | (() => string),
  test: () => T | Promise<T>,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await test();
    if (value) return value as NonNullable<Exclude<T, false>>;
    if (performance.now() > end) {
      throw new DeadlineError(`No ${typeof what === "string" ? what : what()} within ${ms} ms`);
    }
    await Bun.sleep(5);
  }
}
