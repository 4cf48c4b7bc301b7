/** Whether a connection is read: not while its owner holds it back, nor while it takes too little of what is sent. */

/** Of a client that has not taken so much nothing more is read: small answers are a multiple of what asks for them. */
const MAX_UNTAKEN_BYTES = 64 * 1024 * 1024;

/** What is read. */
export interface Pausable {
  pause(): void;
  resume(): void;
}

export class Intake {
  readonly #stream: Pausable;
  #isPaused = false;
  #isFull = false;

  constructor(stream: Pausable) {
    this.#stream = stream;
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isFull) this.#stream.resume();
  }

  /** To be told when more is sent, and when some has been taken. */
  untaken(bytes: number): void {
    const isFull = bytes > MAX_UNTAKEN_BYTES;
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    if (isFull) this.#stream.pause();
    else if (!this.#isPaused) this.#stream.resume();
  }
}
