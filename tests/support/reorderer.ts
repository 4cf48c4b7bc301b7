/** Changes the order of whole messages in a stream of websocket frames from a server, as such a server itself does. */

import { Buffer } from "node:buffer";

/** What a held message waits for: so many others, or so long. */
const MAX_PASSED = 8;
const MAX_HELD_MS = 40;

export interface ReordererOptions {
  random: () => number;
  /** Notifications of processes that are held back, of 1. */
  share: number;
  /** Where the bytes go. */
  emit: (bytes: Uint8Array) => void;
}

/** A message that waits. */
interface Held {
  frame: Uint8Array;
  /** Goes out when so many others have passed it. */
  left: number;
}

export class Reorderer {
  readonly #options: ReordererOptions;
  #bytes: Buffer = Buffer.alloc(0);
  #isUpgraded = false;
  #held: Held[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Messages that others have overtaken. */
  count = 0;

  constructor(options: ReordererOptions) {
    this.#options = options;
  }

  feed(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (!this.#isUpgraded) {
      const end = this.#bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#isUpgraded = true;
      this.#options.emit(this.#take(end + 4));
    }
    for (let size = frameSize(this.#bytes); size > 0; size = frameSize(this.#bytes))
      this.#pass(this.#take(size));
  }

  /** Drops what is held. */
  close(): void {
    clearTimeout(this.#timer);
    this.#held = [];
  }

  #pass(frame: Uint8Array): void {
    const { random, share, emit } = this.#options;
    if (isProcessNotification(frame) && random() < share) {
      this.count++;
      this.#held.push({ frame, left: 1 + Math.floor(random() * MAX_PASSED) });
      this.#timer ??= setTimeout(() => this.#releaseAll(), random() * MAX_HELD_MS);
      return;
    }
    emit(frame);
    for (const held of this.#held) held.left--;
    const due = this.#held.filter(({ left }) => left <= 0);
    this.#held = this.#held.filter(({ left }) => left > 0);
    for (const { frame } of due) emit(frame);
  }

  #releaseAll(): void {
    this.#timer = undefined;
    const held = this.#held;
    this.#held = [];
    for (const { frame } of held.reverse()) this.#options.emit(frame);
  }

  #take(size: number): Uint8Array {
    const taken = Buffer.from(this.#bytes.subarray(0, size));
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }
}

/** Of the first frame, with its head; 0 when it is not whole. */
function frameSize(bytes: Buffer): number {
  if (bytes.length < 2) return 0;
  const short = bytes[1]! & 0x7f;
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < head) return 0;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return bytes.length >= head + length ? head + length : 0;
}

/** A whole text message `{"method":"process/…`. */
function isProcessNotification(frame: Uint8Array): boolean {
  if (frame[0] !== 0x81) return false;
  const start = Buffer.from(frame.buffer, frame.byteOffset, Math.min(frame.length, 40)).toString("latin1");
  return start.includes('{"method":"process/');
}
