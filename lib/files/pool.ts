/** Runs tasks side by side, so many at the most. */

export class Pool {
  readonly #size: number;
  readonly #running = new Set<Promise<void>>();
  #error: { value: unknown } | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /**
   * Starts a task when there is room.
   * @throws What a task before it has thrown.
   */
  async start(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#size) await Promise.race(this.#running);
    if (this.#error) throw this.#error.value;
    const running = task()
      .catch((value) => {
        this.#error ??= { value };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits for all. @throws What the first of them has thrown. */
  async end(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#error) throw this.#error.value;
  }
}
