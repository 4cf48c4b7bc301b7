/** Keeps the beginning and the end of a stream of bytes, up to a budget, and counts what is left out between them. */

/** What a buffer holds, as text. */
export interface Rendered {
  /** The head, a line that tells how many bytes are omitted, the tail; without omission all of it. */
  text: string;
  /** Bytes that are not in `text`. */
  omittedBytes: number;
}

/** How to take what a buffer holds. */
export interface DrainOptions {
  /** At most so many bytes, the marker line not counted. @default The budget of the buffer. */
  maxBytes?: number;
  /** Nothing will follow: also an unfinished character at the end is taken. @default {false} */
  final?: boolean;
}

/** The first and the last bytes of a stream. */
interface Kept {
  head: Uint8Array;
  /** Between the two. */
  omittedBytes: number;
  tail: Uint8Array;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The first half of the budget holds the first bytes, the second half the last ones. Memory grows with what is held.
 */
export class HeadTailBuffer {
  /** The budget. */
  readonly maxBytes: number;
  readonly #head: Ring;
  readonly #tail: Ring;
  #totalBytes = 0;

  /** @throws {RangeError} The budget is no whole number of bytes. */
  constructor(maxBytes: number) {
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 0) {
      throw new RangeError(`Cannot keep ${maxBytes} bytes: expected a whole number, 0 or more`);
    }
    this.maxBytes = maxBytes;
    const headBytes = Math.floor(maxBytes / 2);
    this.#head = new Ring(headBytes);
    this.#tail = new Ring(maxBytes - headBytes);
  }

  /** All bytes since the last {@link drain}. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Those that are held. */
  get keptBytes(): number {
    return this.#head.length + this.#tail.length;
  }

  /** Those that are not held any more. */
  get omittedBytes(): number {
    return this.#totalBytes - this.keptBytes;
  }

  /** Adds bytes at the end; they are copied. */
  push(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length;
    const toHead = Math.min(bytes.length, this.#head.maxBytes - this.#head.length);
    this.#head.push(bytes.subarray(0, toHead));
    this.#tail.push(bytes.subarray(toHead));
  }

  /**
   * The text of what is held. Where something is omitted, no character is cut: its remaining bytes count as omitted
   * too. Bytes that are no UTF-8 become U+FFFD.
   */
  render(maxBytes: number = this.maxBytes): Rendered {
    return render(this.#kept(), maxBytes);
  }

  /**
   * As {@link render}, and forgets it all. A character that is unfinished at the end stays for the next time, with
   * which it is counted.
   */
  drain({ maxBytes = this.maxBytes, final = false }: DrainOptions = {}): Rendered {
    const kept = this.#kept();
    const last = kept.tail.length > 0 ? kept.tail : kept.head;
    const whole = last.length - (final ? 0 : unfinishedAtEnd(last));
    const unfinished = last.subarray(whole);
    if (last === kept.tail) kept.tail = last.subarray(0, whole);
    else kept.head = last.subarray(0, whole);
    const rendered = render(kept, maxBytes);
    this.#head.clear();
    this.#tail.clear();
    this.#totalBytes = 0;
    this.push(unfinished);
    return rendered;
  }

  /** A copy, in which what is complete is all in the head. */
  #kept(): Kept {
    const bytes = new Uint8Array(this.keptBytes);
    this.#head.copyTo(bytes);
    this.#tail.copyTo(bytes.subarray(this.#head.length));
    const { omittedBytes } = this;
    const seam = omittedBytes === 0 ? bytes.length : this.#head.length;
    return { head: bytes.subarray(0, seam), omittedBytes, tail: bytes.subarray(seam) };
  }
}

/** The last bytes of a stream, up to a bound. */
class Ring {
  readonly maxBytes: number;
  length = 0;
  #bytes = new Uint8Array(0);
  #start = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  push(bytes: Uint8Array): void {
    const added = bytes.subarray(Math.max(0, bytes.length - this.maxBytes));
    if (added.length === 0) return;
    this.#reserve(Math.min(this.maxBytes, this.length + added.length));
    const size = this.#bytes.length;
    const dropped = Math.max(0, this.length + added.length - size);
    this.#start = (this.#start + dropped) % size;
    this.length -= dropped;
    const at = (this.#start + this.length) % size;
    const beforeWrap = added.subarray(0, size - at);
    this.#bytes.set(beforeWrap, at);
    this.#bytes.set(added.subarray(beforeWrap.length));
    this.length += added.length;
  }

  copyTo(target: Uint8Array): void {
    const beforeWrap = this.#bytes.subarray(this.#start, this.#start + this.length);
    target.set(beforeWrap);
    target.set(this.#bytes.subarray(0, this.length - beforeWrap.length), beforeWrap.length);
  }

  clear(): void {
    this.length = 0;
    this.#start = 0;
    this.#bytes = new Uint8Array(0);
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.min(this.maxBytes, Math.max(size, 2 * this.#bytes.length)));
    this.copyTo(grown);
    this.#bytes = grown;
    this.#start = 0;
  }
}

function render({ head, omittedBytes, tail }: Kept, maxBytes: number): Rendered {
  if (omittedBytes === 0 && head.length <= maxBytes) return { text: decoder.decode(head), omittedBytes: 0 };
  const totalBytes = head.length + omittedBytes + tail.length;
  const headBytes = Math.floor(maxBytes / 2);
  const first = head.subarray(0, headBytes);
  const last = lastBytes(omittedBytes === 0 ? head : tail, maxBytes - headBytes);
  const wholeFirst = first.subarray(0, first.length - unfinishedAtEnd(first));
  const wholeLast = last.subarray(continuationAtStart(last));
  const before = decoder.decode(wholeFirst);
  const lineEnd = before === "" || before.endsWith("\n") ? "" : "\n";
  const omitted = totalBytes - wholeFirst.length - wholeLast.length;
  return {
    text: `${before}${lineEnd}[... ${omitted} bytes omitted ...]\n${decoder.decode(wholeLast)}`,
    omittedBytes: omitted,
  };
}

function lastBytes(bytes: Uint8Array, count: number): Uint8Array {
  return bytes.subarray(Math.max(0, bytes.length - count));
}

/** Bytes at the end that begin a UTF-8 character and do not finish it. */
function unfinishedAtEnd(bytes: Uint8Array): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count]!;
    if (isContinuation(byte)) continue;
    const size = byte >= 0xf8 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    return size > count ? count : 0;
  }
  return 0;
}

/** Bytes at the start that finish a UTF-8 character and do not begin it. */
function continuationAtStart(bytes: Uint8Array): number {
  let count = 0;
  while (count < Math.min(3, bytes.length) && isContinuation(bytes[count]!)) count++;
  return count;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
