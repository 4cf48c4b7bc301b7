/** Takes what the wrapper around a line reports out of the line's output, and leaves every other byte as it was. */

const SEPARATOR = 0x1e;
const SEMICOLON = 0x3b;
const DOT = 0x2e;
const EXCLAMATION = 0x21;
/** The wrapper sends frames below PIPE_BUF (4096), which other writers to the same pipe cannot cut. */
const MAX_FRAME_BYTES = 8192;

/**
 * A report comes in frames: a separator byte, a random number that no program of the line knows, hex digits,
 * `;`. The last frame has a `.` before the `;`. Other output may stand between frames, wherever chunks are cut.
 * A frame that comes first has the number of the process and a `!` before the `;`.
 */
export class MarkerStripper {
  readonly #marker: Uint8Array;
  /** What may be the begin of a marker, or a frame that has not ended. */
  #held: Uint8Array = new Uint8Array(0);
  #digits = "";
  #report: Uint8Array | undefined;
  #pid: number | undefined;

  /** @param nonce Printable ASCII. */
  constructor(nonce: string) {
    this.#marker = Uint8Array.of(SEPARATOR, ...new TextEncoder().encode(nonce));
  }

  /** What was reported, once it is complete. */
  get report(): Uint8Array | undefined {
    return this.#report;
  }

  /** Number of the process on its machine, once it has told. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Takes a chunk and gives the output in it. */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#held.length === 0 && chunk.indexOf(SEPARATOR) < 0) return chunk.length > 0 ? [chunk] : [];
    const bytes = this.#held.length > 0 ? concat(this.#held, chunk) : chunk;
    this.#held = new Uint8Array(0);
    const output: Uint8Array[] = [];
    let start = 0;
    for (let at = bytes.indexOf(SEPARATOR); at >= 0; at = bytes.indexOf(SEPARATOR, at)) {
      const match = this.#match(bytes, at);
      if (match === "no") {
        at++;
        continue;
      }
      if (at > start) output.push(bytes.subarray(start, at));
      if (match === "unfinished") {
        this.#held = bytes.slice(at);
        return output;
      }
      start = at = match;
    }
    if (start < bytes.length) output.push(bytes.subarray(start));
    return output;
  }

  /** At the end of the output: what looked like the begin of a frame and was none. */
  finish(): Uint8Array[] {
    const held = this.#held;
    this.#held = new Uint8Array(0);
    return held.length > 0 ? [held] : [];
  }

  /** Index behind the frame at `at`, if one is there. */
  #match(bytes: Uint8Array, at: number): number | "no" | "unfinished" {
    const marker = this.#marker;
    for (let i = 0; i < marker.length; i++) {
      if (at + i === bytes.length) return "unfinished";
      if (bytes[at + i] !== marker[i]) return "no";
    }
    const begin = at + marker.length;
    const end = bytes.indexOf(SEMICOLON, begin);
    if (end < 0) return bytes.length - begin > MAX_FRAME_BYTES ? "no" : "unfinished";
    const isLast = bytes[end - 1] === DOT && end > begin;
    const isPid = bytes[end - 1] === EXCLAMATION && end > begin;
    const digits = new TextDecoder().decode(bytes.subarray(begin, isLast || isPid ? end - 1 : end));
    if (!/^[0-9a-f]*$/.test(digits)) return "no";
    if (isPid) {
      this.#pid = Number(digits);
      return end + 1;
    }
    this.#digits += digits;
    if (isLast) {
      this.#report = fromHex(this.#digits);
      this.#digits = "";
    }
    return end + 1;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

function fromHex(digits: string): Uint8Array {
  const bytes = new Uint8Array(digits.length >> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
