/** Bytes on their way to something that takes what it can. */

import type { Buffer } from "node:buffer";

export class OutputQueue {
  readonly #take: (bytes: Buffer) => number;
  #unsent: Buffer[] = [];

  /** `take` answers how many bytes it has taken. */
  constructor(take: (bytes: Buffer) => number) {
    this.#take = take;
  }

  get isEmpty(): boolean {
    return this.#unsent.length === 0;
  }

  write(bytes: Buffer): void {
    this.#unsent.push(bytes);
    if (this.#unsent.length === 1) this.drain();
  }

  /** More can be taken again. */
  drain(): void {
    while (this.#unsent.length > 0) {
      const bytes = this.#unsent[0]!;
      const taken = Math.max(0, this.#take(bytes));
      if (taken < bytes.length) {
        this.#unsent[0] = bytes.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
  }
}
