/** Pipes that have been made larger, of which there may be a few at a time only. */

/** The most that a user without privileges may have. */
const LARGE_PIPE_BYTES = 1024 * 1024;

/**
 * So many of one kind may be large. Where more are busy each is found full or empty anyway, and large ones would push
 * one another out of the processor's cache; and the system lets a user have 64 in all.
 */
export class LargePipes {
  readonly #most: number;
  #count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether another one may be made larger now. */
  get hasRoom(): boolean {
    return this.#count < this.#most;
  }

  /**
   * Makes one larger by `resize`, which answers whether it has. The answer gives its place back, when the pipe is done
   * with; undefined when it was not made larger.
   */
  add(resize: (bytes: number) => boolean): (() => void) | undefined {
    if (!this.hasRoom || !resize(LARGE_PIPE_BYTES)) return undefined;
    this.#count++;
    return () => this.#count--;
  }
}
