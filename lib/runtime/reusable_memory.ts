/** Large memory that is used again: to get fresh pages from the system takes longer than to fill them. */

/** How long it is kept for the next who wants some. */
const KEPT_MS = 1000;

const owners = new WeakMap<Uint8Array, () => void>();

/** Keeps one piece of memory, for a moment, when it has been given back. */
export class ReusableMemory {
  readonly #maxBytes: number;
  #kept: ArrayBuffer | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param maxBytes What is larger is not kept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Memory that nobody else has until it is given back, which nobody has to do. It can hold what was there before. */
  take(length: number): Uint8Array {
    const buffer = this.#kept && this.#kept.byteLength >= length ? this.#kept : new ArrayBuffer(length);
    if (buffer === this.#kept) this.#kept = undefined;
    const bytes = new Uint8Array(buffer, 0, length);
    if (buffer.byteLength <= this.#maxBytes) owners.set(bytes, () => this.#keep(buffer));
    return bytes;
  }

  #keep(buffer: ArrayBuffer): void {
    if (this.#kept && this.#kept.byteLength >= buffer.byteLength) return;
    this.#kept = buffer;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#kept = undefined;
    }, KEPT_MS);
    // A number in browsers' types; both runtimes have an object or a way for it that keeps no process alive.
    (this.#timer as { unref?(): void }).unref?.();
  }
}

/** Says that nobody uses an array any more. For one that was not taken from such memory nothing happens. */
export function giveBack(bytes: Uint8Array): void {
  const keep = owners.get(bytes);
  owners.delete(bytes);
  keep?.();
}
