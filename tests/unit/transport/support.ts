/** Fakes that the transport tests share: a connection, byte streams, and cutting bytes anywhere. */

import type { ChannelReceiver, CloseReason } from "../../../lib/jsonrpc/channel.ts";
import type { ByteSink, ByteSource, ByteStream, StreamHandlers } from "../../../lib/runtime/runtime.ts";

export const WAIT_MS = 10_000;

/** The bytes in pieces, cut at these places (taken modulo the length); no piece is empty. */
export function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
  places.sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.slice(places[i], end));
}

/** A connection whose other side is the test. */
export class FakeStream implements ByteStream {
  readonly localAddress = "127.0.0.1";
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 1;
  pendingBytes = 0;
  readonly written: Uint8Array[] = [];
  readonly calls: string[] = [];

  write(bytes: Uint8Array): void {
    this.written.push(new Uint8Array(bytes));
  }
  writeBorrowed(bytes: Uint8Array): void {
    this.write(bytes);
    // The caller's again: whoever kept the array sees it change.
    bytes.fill(0x2a);
  }
  pause(): void {
    this.calls.push("pause");
  }
  keepAwake(): void {}
  tellOfAll(): void {
    this.calls.push("tellOfAll");
  }
  resume(): void {
    this.calls.push("resume");
  }
  end(): void {
    this.calls.push("end");
  }
  destroy(): void {
    this.calls.push("destroy");
  }
}

/** Two connections in memory, each handing on what the other writes; nothing is queued. */
export function streamPair(): [FakeStream, FakeStream, (a: StreamHandlers, b: StreamHandlers) => void] {
  const [a, b] = [new FakeStream(), new FakeStream()];
  const connect = (forA: StreamHandlers, forB: StreamHandlers): void => {
    const carry = (to: StreamHandlers, bytes: Uint8Array): void => {
      const copy = new Uint8Array(bytes);
      setImmediate(() => to.data(copy));
    };
    a.write = (bytes) => carry(forB, bytes);
    b.write = (bytes) => carry(forA, bytes);
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      setImmediate(() => {
        forA.close();
        forB.close();
      });
    };
    a.end = b.end = a.destroy = b.destroy = end;
  };
  return [a, b, connect];
}

/** Keeps what a channel tells. */
export class Recorder implements ChannelReceiver {
  readonly messages: string[] = [];
  readonly undecodables: string[] = [];
  readonly closes: CloseReason[] = [];
  drains = 0;
  /** Calls after the end. */
  late = 0;
  onMessage: ((text: string) => void) | undefined;

  message(text: string): void {
    if (this.closes.length > 0) this.late++;
    this.messages.push(text);
    this.onMessage?.(text);
  }
  undecodable(detail: string): void {
    if (this.closes.length > 0) this.late++;
    this.undecodables.push(detail);
  }
  drained(): void {
    if (this.closes.length > 0) this.late++;
    this.drains++;
  }
  closed(reason: CloseReason): void {
    this.closes.push(reason);
  }
}

/** A source that gives what the test puts in. */
export class FakeSource implements ByteSource {
  reads = 0;
  cancelled = false;
  #queue: (Uint8Array | null)[] = [];
  #waiting: ((bytes: Uint8Array | null) => void) | undefined;

  /** `null` is the end. */
  push(bytes: Uint8Array | string | null): void {
    const item = typeof bytes === "string" ? new Uint8Array(Buffer.from(bytes)) : bytes;
    if (this.#waiting) {
      this.#waiting(item);
      this.#waiting = undefined;
    } else {
      this.#queue.push(item);
    }
  }
  /** Pieces that nobody has read. */
  get unread(): number {
    return this.#queue.length;
  }
  read(): Promise<Uint8Array | null> {
    this.reads++;
    if (this.cancelled) return Promise.resolve(null);
    if (this.#queue.length > 0) return Promise.resolve(this.#queue.shift()!);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
  cancel(): void {
    this.cancelled = true;
    this.#waiting?.(null);
    this.#waiting = undefined;
  }
}

/** A sink that takes bytes when the test says so. */
export class FakeSink implements ByteSink {
  readonly taken: Uint8Array[] = [];
  pendingBytes = 0;
  /** Takes everything at once. */
  open = true;
  closed = false;
  destroyed = false;
  #queue: { bytes: Uint8Array; done: PromiseWithResolvers<void> }[] = [];

  write(bytes: Uint8Array): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#queue.push({ bytes: bytes.slice(), done });
    this.pendingBytes += bytes.length;
    if (this.open) this.flush();
    return done.promise;
  }
  flush(): void {
    for (const { bytes, done } of this.#queue.splice(0)) {
      this.taken.push(bytes);
      this.pendingBytes -= bytes.length;
      done.resolve();
    }
  }
  fail(error: Error): void {
    for (const { done } of this.#queue.splice(0)) done.reject(error);
    this.pendingBytes = 0;
  }
  close(): void {
    this.closed = true;
  }
  destroy(): void {
    this.destroyed = true;
    this.fail(new Error("The sink was destroyed"));
  }
  get text(): string {
    return Buffer.concat(this.taken).toString();
  }
}
