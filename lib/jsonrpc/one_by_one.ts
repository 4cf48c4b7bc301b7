/** Runs what it is given in its order, one at a time. */
export class OneByOne {
  #last: Promise<unknown> | undefined;

  get isIdle(): boolean {
    return this.#last === undefined;
  }

  /** Who asked is told before the next action begins. */
  run<T>(action: () => Promise<T>): Promise<T> {
    const running = this.#last ? this.#last.then(action, action) : action();
    this.#last = running;
    const done = (): void => {
      if (this.#last === running) this.#last = undefined;
    };
    running.then(done, done);
    return running;
  }
}
