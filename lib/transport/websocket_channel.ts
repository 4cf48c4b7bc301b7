/** A channel over an upgraded connection, the same for client and server: fragments, pings, close codes. */

import { Buffer } from "node:buffer";
import { isBinaryMessage } from "../jsonrpc/binary.ts";
import {
  type Channel,
  type ChannelReceiver,
  type CloseReason,
  MAX_MESSAGE_BYTES,
} from "../jsonrpc/channel.ts";
import { LONG_MESSAGE_BYTES } from "../jsonrpc/long_message.ts";
import { applyMask } from "../jsonrpc/mask.ts";
import { giveBack } from "../jsonrpc/reusable_memory.ts";
import type { ByteStream, StreamHandlers } from "../runtime/runtime.ts";
import { Fragments } from "./fragments.ts";
import { Intake } from "./intake.ts";
import { latin1Bytes } from "./latin1_bytes.ts";
import { Liveness } from "./liveness.ts";
import { base64Pieces, LongMessages, type PieceFrame, pieces } from "./long_messages.ts";
import { closeStatus, encodeClose, readClose } from "./websocket_close.ts";
import {
  encodeBase64,
  encodeBase64Text,
  encodeFrame,
  encodeParts,
  encodeText,
  type Frame,
  FrameError,
  FrameParser,
  frameHead,
  latin1Frame,
  nothingMore,
  opcode,
  type ReadMore,
} from "./websocket_frames.ts";

/** How a websocket channel behaves. */
export interface WebsocketOptions {
  role: "client" | "server";
  label: string;
  /** Largest message that is taken. @default {67_108_864} (64 MiB) */
  maxMessageBytes?: number;
  /**
   * Time between pings; two without an answer end the channel, or five while a client does not take what is sent. 0
   * for none. @default {20_000}
   */
  pingIntervalMs?: number;
}

/** The peer takes frames of 16 MiB at the most, so longer messages go out in pieces. */
const FRAGMENT_BYTES = 8 * 1024 * 1024;
/** The pieces of what is mostly bytes: of these, before they are base64 where they are to be. */
const PIECE_BYTES = 1024 * 1024;
/** Frames up to this size that are sent in one turn go out in one write. */
const SMALL_FRAME_BYTES = 16 * 1024;
/** They do not wait for the end of the turn above this. */
const MAX_BATCH_BYTES = 64 * 1024;
/** So much is read in one turn before what has been answered is sent. */
const FLUSH_AFTER_BYTES = 512 * 1024;
/** How long the other side has to answer our close frame, or to take the one that answers theirs and what is before it. */
const CLOSE_WAIT_MS = 1000;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class WebsocketChannel implements Channel {
  readonly label: string;
  /** To be given to the connection below. */
  readonly streamHandlers: StreamHandlers = {
    data: (bytes) => this.#onData(bytes),
    drain: () => this.#onDrained(),
    close: (error) => this.#onStreamClosed(error),
  };
  readonly #stream: ByteStream;
  readonly #mask: boolean;
  readonly #parser: FrameParser;
  /** Who is told; nobody before `open` and after the end. */
  #receiver: ChannelReceiver | undefined;
  /** Why it has ended; set before the receiver is told. */
  #reason: CloseReason | undefined;
  /** What came before `open`. */
  #early: Uint8Array[] = [];
  /** Small frames of this turn, a character for each byte: to join texts is cheaper than to join arrays. */
  #batch = "";
  /** Made for the first of them. */
  #long: LongMessages | undefined;
  readonly #fragments: Fragments;
  readonly #intake: Intake;
  /** Since something was flushed on the way. */
  #readBytes = 0;
  readonly #more: ReadMore = (memory) => {
    // What is answered so far goes first: meanwhile the other side can send on. For little it is not worth the call.
    if (this.#readBytes >= FLUSH_AFTER_BYTES) {
      this.#readBytes = 0;
      this.#flush();
    }
    const count = this.#stream.readMore?.(memory) ?? 0;
    this.#readBytes += count;
    return count;
  };
  readonly #liveness: Liveness;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(stream: ByteStream, options: WebsocketOptions) {
    this.label = options.label;
    this.#stream = stream;
    this.#intake = new Intake(stream);
    this.#mask = options.role === "client";
    const maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.#fragments = new Fragments(maxMessageBytes);
    this.#liveness = new Liveness({
      intervalMs: options.pingIntervalMs ?? 20_000,
      isServer: options.role === "server",
      pendingBytes: () => stream.pendingBytes,
      ping: () => this.#ping(),
      giveUp: (message) => this.close({ kind: "timeout", message }),
    });
    this.#parser = new FrameParser({
      maxPayloadBytes: maxMessageBytes,
      masked: options.role === "server",
    });
  }

  get pendingBytes(): number {
    return this.#stream.pendingBytes + this.#batch.length + (this.#long?.pendingBytes ?? 0);
  }

  open(receiver: ChannelReceiver): void {
    this.#receiver = receiver;
    if (this.#reason) {
      this.#end(this.#reason);
      return;
    }
    this.#liveness.start();
    const early = this.#early;
    this.#early = [];
    // Nothing more is read behind these: it would come before the next of them, and this is not within `data()`.
    for (const bytes of early) this.#onData(bytes, nothingMore);
  }

  send(text: string): void {
    if (this.#reason || this.#long?.defers(text.length, () => this.send(text))) return;
    const small = this.#mask || text.length > SMALL_FRAME_BYTES ? undefined : latin1Frame(text);
    if (small !== undefined) {
      this.#addToBatch(small);
      return;
    }
    // No text is longer than three bytes for each of its units.
    if (text.length * 3 <= FRAGMENT_BYTES) {
      this.#write(encodeText(text, this.#mask));
      return;
    }
    const bytes = Buffer.from(text);
    this.#longMessages().start(opcode.text, bytes.length, pieces([bytes], FRAGMENT_BYTES));
  }

  sendBase64(head: string, bytes: Uint8Array, tail: string, owned = false): void {
    if (this.#reason) return;
    // What is small goes into the batch, which is text.
    if (bytes.length < SMALL_FRAME_BYTES / 2) {
      this.send(`${head}${bytes.toBase64()}${tail}`);
      return;
    }
    const length = 2 * bytes.length;
    const isLong = 3 * (head.length + tail.length) + length > FRAGMENT_BYTES;
    if (!isLong && !this.#long?.active) {
      this.#writeBorrowed(encodeBase64Text(head, bytes, tail, this.#mask));
      if (owned) giveBack(bytes);
      return;
    }
    const kept = owned ? bytes : new Uint8Array(bytes);
    if (this.#long?.defers(length, () => this.sendBase64(head, kept, tail, true))) return;
    const parts = base64Pieces(head, kept, tail, PIECE_BYTES);
    this.#longMessages().start(opcode.text, length, parts, () => giveBack(kept));
  }

  sendBytes(head: Uint8Array, bytes: Uint8Array, owned = false): void {
    if (this.#reason) return;
    const length = head.length + bytes.length;
    if (length <= FRAGMENT_BYTES && !this.#long?.active) {
      this.#writeBorrowed(encodeParts([head, bytes], this.#mask));
      if (owned) giveBack(bytes);
      return;
    }
    const kept = owned ? bytes : new Uint8Array(bytes);
    if (this.#long?.defers(length, () => this.sendBytes(head, kept, true))) return;
    const parts = pieces([head, kept], PIECE_BYTES);
    this.#longMessages().start(opcode.binary, length, parts, () => giveBack(kept));
  }

  #longMessages(): LongMessages {
    this.#long ??= new LongMessages(
      (frame) => this.#writePiece(frame),
      () => !this.#reason && this.#stream.pendingBytes < PIECE_BYTES,
    );
    return this.#long;
  }

  pause(): void {
    this.#liveness.isDeaf = true;
    this.#intake.pause();
  }

  resume(): void {
    this.#liveness.isDeaf = false;
    this.#intake.resume();
  }

  /** Not of a server: two who held each other back would wait for ever. What is left of one long message is no queue. */
  #tellUntaken(): void {
    if (this.#mask) return;
    const queued = this.#stream.pendingBytes + this.#batch.length + (this.#long?.behindBytes ?? 0);
    this.#intake.untaken(this.#reason ? 0 : queued);
  }

  probe(timeoutMs: number): void {
    if (!this.#reason) this.#liveness.probe(timeoutMs);
  }

  close(reason: CloseReason): void {
    this.#close(reason, closeStatus[reason.kind]);
  }

  #close(reason: CloseReason, status: number): void {
    if (this.#reason) return;
    if (this.#liveness.isDeaf) this.resume();
    this.#sendClose(status, reason.message);
    // First, as a stream may tell of its end while it is destroyed.
    this.#end(reason);
    // A peer that does not answer pings does not answer a close either.
    if (reason.kind === "timeout") this.#stream.destroy();
    else this.#endSoon();
  }

  #endSoon(): void {
    this.#closeTimer = setTimeout(() => this.#stream.destroy(), CLOSE_WAIT_MS);
  }

  #onData(bytes: Uint8Array, more = this.#more): void {
    if (!this.#receiver && !this.#reason) {
      this.#early.push(bytes);
      return;
    }
    this.#liveness.heard();
    try {
      this.#parser.feed(bytes, (frame) => this.#onFrame(frame), more);
      this.#tellUntaken();
    } catch (error) {
      // Whatever else it is, it is the end of this connection and of no other.
      const { status, message } = error instanceof FrameError ? error : new FrameError(1011, String(error));
      this.#close({ kind: status === 1009 ? "tooBig" : "protocol", message }, status);
      this.#stream.end();
    }
  }

  /** Whether nobody has a view of the payload. */
  #onFrame(frame: Frame): boolean {
    if (frame.opcode === opcode.close) {
      this.#onCloseFrame(frame.payload);
      return true;
    }
    // After our close frame only theirs is of interest.
    if (this.#reason || frame.opcode === opcode.pong) return true;
    if (frame.opcode === opcode.ping) {
      this.#write(encodeFrame({ fin: true, opcode: opcode.pong, payload: frame.payload }, this.#mask));
      return true;
    }
    const message = this.#fragments.add(frame);
    const isRead = message !== undefined && this.#onMessage(message);
    // Of a message in several frames each was kept until now.
    return isRead && message === frame;
  }

  /** Whether nobody has a view of the payload. */
  #onMessage({ opcode: code, payload, mask = 0 }: Frame): boolean {
    const receiver = this.#reason ? undefined : this.#receiver;
    if (code === opcode.binary && isBinaryMessage(payload)) {
      receiver?.bytes?.(payload);
      return false;
    }
    if (payload.length >= LONG_MESSAGE_BYTES && this.#isRead(payload, mask)) {
      giveBack(payload);
      return true;
    }
    let text: string;
    try {
      text = decoder.decode(payload);
    } catch {
      if (code === opcode.text) throw new FrameError(1007, "A text message is not UTF-8");
      receiver?.undecodable("the message is not UTF-8");
      return true;
    }
    giveBack(payload);
    receiver?.message(text);
    return true;
  }

  /** Whether a long text was of use as bytes. If not, it has no mask any more. */
  #isRead(text: Uint8Array, mask: number): boolean {
    const receiver = this.#reason ? undefined : this.#receiver;
    if (receiver?.longText?.(text, mask)) return true;
    if (mask === 0) return false;
    applyMask(text, mask);
    return receiver?.longText?.(text) ?? false;
  }

  #onCloseFrame(payload: Uint8Array): void {
    if (!this.#reason) {
      const { reason, answer } = readClose(payload);
      this.#sendClose(answer, "");
      this.#end(reason);
      // Nothing else would ever end it where they read no more, and leave it open.
      this.#endSoon();
    }
    this.#stream.end();
  }

  #onStreamClosed(error: Error | undefined): void {
    clearTimeout(this.#closeTimer);
    const how = error ? `the connection broke: ${error.message}` : "the other side closed the connection";
    this.#end({ kind: "lost", message: how });
  }

  #ping(): void {
    // In the middle of a long message on a slow way, a few bytes are all the life that there is.
    this.#stream.tellOfAll?.();
    this.#write(encodeFrame({ fin: true, opcode: opcode.ping, payload: new Uint8Array(0) }, this.#mask));
  }

  #sendClose(status: number, text: string): void {
    this.#write(encodeClose(status, text, this.#mask));
    this.#flush();
  }

  #write(frame: Uint8Array): void {
    if (frame.length > SMALL_FRAME_BYTES) {
      this.#flush();
      this.#stream.write(frame);
      return;
    }
    this.#addToBatch(Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString("latin1"));
  }

  #addToBatch(frame: string): void {
    if (this.#batch.length === 0) queueMicrotask(() => this.#flush());
    this.#batch += frame;
    if (this.#batch.length >= MAX_BATCH_BYTES) this.#flush();
  }

  /** A frame that is the encoder's again when this returns. */
  #writeBorrowed(frame: Uint8Array): void {
    if (frame.length <= SMALL_FRAME_BYTES) {
      // Which copies it.
      this.#write(frame);
      return;
    }
    this.#flush();
    this.#stream.writeBorrowed(frame);
  }

  /** What is not masked is copied only where the connection does not take it. */
  #writePiece({ bytes, base64, fin, opcode }: PieceFrame): void {
    if (base64) {
      this.#writeBorrowed(encodeBase64(bytes, fin, opcode, this.#mask));
    } else if (this.#mask || bytes.length <= SMALL_FRAME_BYTES) {
      this.#write(encodeFrame({ fin, opcode, payload: bytes }, this.#mask));
    } else {
      this.#flush();
      this.#stream.write(frameHead(bytes.length, fin, opcode));
      this.#stream.writeBorrowed(bytes);
    }
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const bytes = latin1Bytes(this.#batch);
    this.#batch = "";
    this.#stream.writeBorrowed(bytes);
    // What waited in the batch counted as pending too; the stream tells only of what it could not take.
    if (this.#stream.pendingBytes === 0) this.#onDrained();
  }

  #onDrained(): void {
    this.#long?.pump();
    this.#tellUntaken();
    if (this.pendingBytes === 0 && !this.#reason) this.#receiver?.drained();
  }

  /** The end, told once. */
  #end(reason: CloseReason): void {
    const told = this.#reason !== undefined && this.#receiver === undefined;
    this.#reason ??= reason;
    this.#liveness.stop();
    this.#long?.drop();
    this.#fragments.drop();
    this.#tellUntaken();
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (!told) receiver?.closed(this.#reason);
  }
}
