/** A channel of lines: one JSON message each, ended by LF, over a pair of byte streams. */

import { Buffer } from "node:buffer";
import { writeBase64 } from "../jsonrpc/base64_codec.ts";
import {
  type Channel,
  type ChannelReceiver,
  type CloseReason,
  MAX_MESSAGE_BYTES,
} from "../jsonrpc/channel.ts";
import { LONG_MESSAGE_BYTES } from "../jsonrpc/long_message.ts";
import { giveBack, messageBytes } from "../jsonrpc/reusable_memory.ts";
import type { ByteSink, ByteSource } from "../runtime/runtime.ts";
import { Intake, type Pausable } from "./intake.ts";

/** A line is above the limit. */
export class LineTooLong extends Error {
  override readonly name = "LineTooLong";
}

const LF = 0x0a;

/**
 * Cuts a byte stream into lines. `TextLineStream` of `@std/streams` does the same for text, but has no limit: a
 * peer that never sends LF would fill the memory. A line is its taker's until that returns, and no longer.
 */
export class LineSplitter {
  readonly #maxLineBytes: number;
  /** The beginning of a line, in memory for messages. */
  #held: Uint8Array | undefined;
  #heldBytes = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Calls back for each line, without its LF. @throws {LineTooLong} */
  feed(bytes: Uint8Array, onLine: (line: Uint8Array) => void): void {
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      const piece = bytes.subarray(start, end);
      start = end + 1;
      if (this.#held) {
        this.#hold(piece);
        this.end(onLine);
      } else {
        this.#check(piece.length);
        onLine(piece);
      }
    }
    if (start < bytes.length) this.#hold(bytes.subarray(start));
  }

  /** The last line, if it had no LF. */
  end(onLine: (line: Uint8Array) => void): void {
    const held = this.#held;
    if (!held) return;
    const line = held.subarray(0, this.#heldBytes);
    this.#held = undefined;
    this.#heldBytes = 0;
    onLine(line);
    giveBack(held);
  }

  #hold(piece: Uint8Array): void {
    const length = this.#heldBytes + piece.length;
    this.#check(length);
    const before = this.#held;
    if (!before || before.length < length) {
      this.#held = messageBytes(Math.max(length, 2 * this.#heldBytes));
      if (before) {
        this.#held.set(before.subarray(0, this.#heldBytes));
        giveBack(before);
      }
    }
    this.#held!.set(piece, this.#heldBytes);
    this.#heldBytes = length;
  }

  #check(lineBytes: number): void {
    if (lineBytes > this.#maxLineBytes) {
      throw new LineTooLong(`A line is above the limit of ${this.#maxLineBytes} bytes`);
    }
  }
}

/** How a channel of lines behaves. */
export interface LineChannelOptions {
  label: string;
  /** A client is at the other end: one that has not taken 64 MiB is not read until it has. @default {false} */
  isServer?: boolean;
  /** @default {67_108_864} (64 MiB) */
  maxLineBytes?: number;
  /** Called once when the channel has ended, before what was queued has been written. */
  onEnd?: () => void;
  /** Called once when the channel has ended and what was queued has been written. */
  onClose?: (reason: CloseReason) => void;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Lines of one turn are joined up to this size. */
const BATCH_BYTES = 64 * 1024;

/** The channel. It owns both streams. */
export class LineChannel implements Channel {
  readonly label: string;
  readonly #source: ByteSource;
  readonly #sink: ByteSink;
  readonly #splitter: LineSplitter;
  readonly #onEnd: (() => void) | undefined;
  readonly #onClose: ((reason: CloseReason) => void) | undefined;
  #receiver: ChannelReceiver | undefined;
  #reason: CloseReason | undefined;
  /** Of messages that are sent as texts, what is on its way to the other side. */
  #textBytes = 0;
  #batch: string[] = [];
  #batchBytes = 0;
  #writing = 0;
  readonly #isServer: boolean;
  readonly #gate = new Gate();
  readonly #intake = new Intake(this.#gate);
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(source: ByteSource, sink: ByteSink, options: LineChannelOptions) {
    this.label = options.label;
    this.#isServer = options.isServer ?? false;
    this.#source = source;
    this.#sink = sink;
    this.#splitter = new LineSplitter(options.maxLineBytes ?? MAX_MESSAGE_BYTES);
    this.#onEnd = options.onEnd;
    this.#onClose = options.onClose;
  }

  get pendingBytes(): number {
    return this.#batchBytes + this.#sink.pendingBytes;
  }

  open(receiver: ChannelReceiver): void {
    this.#receiver = receiver;
    if (this.#reason) {
      this.#tellEnd(this.#reason);
      return;
    }
    this.#readAll().then(
      () => this.#end({ kind: "normal", message: "the other side ended its output" }),
      (error) =>
        this.#end({
          kind: error instanceof LineTooLong ? "tooBig" : "protocol",
          message: String(error instanceof Error ? error.message : error),
        }),
    );
  }

  send(text: string): void {
    if (this.#reason) return;
    if (this.#batch.length === 0) queueMicrotask(() => this.#flush());
    this.#batch.push(text);
    this.#batchBytes += text.length + 1;
    if (this.#batchBytes > BATCH_BYTES) this.#flush();
  }

  sendBase64(head: string, bytes: Uint8Array, tail: string): void {
    if (this.#reason) return;
    if (bytes.length < BATCH_BYTES / 4) {
      this.send(`${head}${bytes.toBase64()}${tail}`);
      return;
    }
    this.#flush();
    // No text is longer than three bytes for each of its units.
    const most = 3 * (head.length + tail.length) + 4 * Math.ceil(bytes.length / 3) + 1;
    const memory = messageBytes(most);
    const line = Buffer.from(memory.buffer, memory.byteOffset, most);
    let at = writeBase64(line, line.write(head, 0, "utf8"), bytes);
    at += line.write(tail, at, "utf8");
    line[at++] = LF;
    this.#write(line.subarray(0, at));
  }

  pause(): void {
    this.#intake.pause();
  }

  resume(): void {
    this.#intake.resume();
  }

  close(reason: CloseReason): void {
    this.#end(reason);
  }

  async #readAll(): Promise<void> {
    for (;;) {
      const bytes = await this.#source.read();
      if (this.#reason) return;
      if (bytes === null) break;
      this.#splitter.feed(bytes, (line) => this.#onLine(line));
      this.#tellUntaken();
      while (this.#gate.opened) await this.#gate.opened;
    }
    this.#splitter.end((line) => this.#onLine(line));
  }

  #onLine(line: Uint8Array): void {
    if (this.#reason) return;
    // A line that is not UTF-8 ends the channel: there is no telling what else is wrong.
    if (line.length >= LONG_MESSAGE_BYTES && this.#receiver?.longText?.(line)) return;
    const text = decoder.decode(line);
    if (text.trim() !== "") this.#receiver?.message(text);
  }

  /** Not of a server: two who held each other back would wait for ever. One long message of bytes is no queue. */
  #tellUntaken(): void {
    if (this.#isServer) this.#intake.untaken(this.#reason ? 0 : this.#textBytes + this.#batchBytes);
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const bytes = Buffer.from(`${this.#batch.join("\n")}\n`);
    this.#batch = [];
    this.#batchBytes = 0;
    this.#textBytes += bytes.length;
    this.#write(bytes, bytes.length);
  }

  #write(bytes: Uint8Array, textBytes = 0): void {
    this.#writing++;
    this.#lastWrite = this.#sink.write(bytes).then(
      () => this.#written(bytes, textBytes),
      (error) =>
        this.#end({
          kind: "lost",
          message: `cannot write: ${error instanceof Error ? error.message : error}`,
        }),
    );
  }

  #written(bytes: Uint8Array, textBytes: number): void {
    giveBack(bytes);
    this.#textBytes -= textBytes;
    this.#tellUntaken();
    if (--this.#writing === 0 && this.#batch.length === 0) this.#receiver?.drained();
  }

  #end(reason: CloseReason): void {
    if (this.#reason) return;
    // What was sent before the end still goes out.
    this.#flush();
    this.#reason = reason;
    this.#source.cancel();
    if (reason.kind === "lost") this.#sink.destroy();
    else this.#sink.close();
    this.resume();
    this.#tellUntaken();
    this.#tellEnd(reason);
  }

  #tellEnd(reason: CloseReason): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (!receiver) return;
    receiver.closed(reason);
    this.#onEnd?.();
    this.#lastWrite.then(() => this.#onClose?.(reason));
  }
}

/** What a reader waits at. */
class Gate implements Pausable {
  #opens: PromiseWithResolvers<void> | undefined;

  /** Settles when it is open; nothing while it is. */
  get opened(): Promise<void> | undefined {
    return this.#opens?.promise;
  }

  pause(): void {
    this.#opens ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#opens?.resolve();
    this.#opens = undefined;
  }
}
