/** The last bytes of a stream in one piece of memory, which grows as it is needed. */

const MIN_BYTES = 1024;
/** By which it grows: what it has outgrown stays in memory until the collector comes by. */
const GROWTH = 4;
/** To give back less of it than this part would take a copy of nearly as much. */
const WORTH_GIVING_BACK = 0.25;

/** Bytes are named by their offset in the stream. Which of them still count is for the owner to know. */
export class ByteRing {
  #memory = new Uint8Array(0);

  /**
   * Adds bytes at an offset, behind those that were there. `kept` is how many count from now on, the new ones among
   * them, and `most` how many it can ever be: memory for more is never taken.
   */
  put(bytes: Uint8Array, offset: number, kept: number, most: number): void {
    if (kept > this.#memory.length) {
      const size = Math.min(most, Math.max(MIN_BYTES, GROWTH * this.#memory.length, kept));
      this.#resize(size, offset, kept - bytes.length);
    }
    const { length } = this.#memory;
    if (length === 0) return;
    const at = offset % length;
    const first = Math.min(bytes.length, length - at);
    this.#memory.set(first === bytes.length ? bytes : bytes.subarray(0, first), at);
    if (first < bytes.length) this.#memory.set(bytes.subarray(first), 0);
  }

  /** A copy of bytes that still count. */
  get(offset: number, count: number): Uint8Array {
    const { length } = this.#memory;
    const copy = new Uint8Array(count);
    if (count === 0) return copy;
    const at = offset % length;
    const first = Math.min(count, length - at);
    copy.set(this.#memory.subarray(at, at + first));
    if (first < count) copy.set(this.#memory.subarray(0, count - first), first);
    return copy;
  }

  /** Gives back memory that the last `kept` bytes before `end` do not need, if it is much. */
  fit(end: number, kept: number): void {
    const { length } = this.#memory;
    if (length - kept > WORTH_GIVING_BACK * length) this.#resize(kept, end, kept);
  }

  #resize(size: number, end: number, kept: number): void {
    const bytes = this.get(end - kept, kept);
    this.#memory = new Uint8Array(size);
    if (kept > 0) this.put(bytes, end - kept, kept, size);
  }
}
