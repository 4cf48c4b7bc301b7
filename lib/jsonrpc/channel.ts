/** A way for whole messages between two programs, and a pair of them in memory. */

import { Buffer } from "node:buffer";

/** Why a channel ended. */
export interface CloseReason {
  /**
   * `normal`: either side was done. `protocol`: the other side broke a rule. `tooBig`: a message above the limit.
   * `goingAway`: the program is ending. `timeout`: nothing came back in time. `lost`: the transport broke.
   */
  kind: "normal" | "protocol" | "tooBig" | "goingAway" | "timeout" | "lost";
  /** One line for people. */
  message: string;
}

/** What a channel tells its owner. */
export interface ChannelReceiver {
  /** One message. */
  message(text: string): void;
  /**
   * One long message of text as the bytes of it, for receivers that can do without the text. False: it wants the bytes
   * without their mask, if they have one, and then the text.
   * @param mask What they are masked with (RFC 6455, section 5.3). 0 by default, which is none.
   */
  longText?(bytes: Uint8Array, mask?: number): boolean;
  /** One message that is bytes, as {@link Channel.sendBytes} sends them. They are the receiver's to keep. */
  bytes?(message: Uint8Array): void;
  /** A message that is no text; the channel lives on. */
  undecodable(detail: string): void;
  /** What was queued has gone out; called only after `pendingBytes` was above 0. */
  drained(): void;
  /** The end, once. Nothing is called after it. */
  closed(reason: CloseReason): void;
}

/** Messages both ways, in order, over whatever carries them. */
export interface Channel {
  /** What error texts call it: `exec-server websocket 127.0.0.1:4096`. */
  readonly label: string;
  /** Begins to deliver. Called once, before anything else. */
  open(receiver: ChannelReceiver): void;
  /** Queues one message. Ignored after the end. */
  send(text: string): void;
  /**
   * Queues one message of text: the head, the bytes as base64, the tail. The bytes are the caller's again, unless they
   * are given away as `owned`. For channels that can do it with fewer copies than `send`.
   */
  sendBase64?(head: string, bytes: Uint8Array, tail: string, owned?: boolean): void;
  /**
   * Queues one message of bytes, of which the first begins no JSON. As above, `bytes` may be given away. Not every
   * transport has such messages.
   */
  sendBytes?(head: Uint8Array, bytes: Uint8Array, owned?: boolean): void;
  /** Bytes that are queued and not yet taken by the transport. */
  readonly pendingBytes: number;
  /** Holds the other side back until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends the channel unless the other side shows life within this time. Not every transport can tell. */
  probe?(timeoutMs: number): void;
  /** Ends the channel after what is queued; `closed` follows with this reason. Idempotent. */
  close(reason: CloseReason): void;
}

/**
 * The largest message that is taken, unless told otherwise: 64 MiB. Who sends more is cut off, and would be again if the
 * message were sent again over the next connection.
 */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Two channels in memory, each the other's far end. Messages are delivered in later turns, as from a socket. */
export function channelPair(label: string): [Channel, Channel] {
  const a = new MemoryChannel(label);
  const b = new MemoryChannel(label);
  a.peer = b;
  b.peer = a;
  return [a, b];
}

class MemoryChannel implements Channel {
  readonly label: string;
  peer: MemoryChannel | undefined;
  #receiver: ChannelReceiver | undefined;
  /** Messages on the way to us. */
  #inbox: (string | Uint8Array)[] = [];
  #inboxBytes = 0;
  #scheduled = false;
  #paused = false;
  #ending: CloseReason | undefined;
  /** It was our own side that closed: it is told the end and nothing else. */
  #closedHere = false;
  #over = false;

  constructor(label: string) {
    this.label = label;
  }

  get pendingBytes(): number {
    return this.peer!.#inboxBytes;
  }

  open(receiver: ChannelReceiver): void {
    this.#receiver = receiver;
    this.#schedule();
  }

  send(text: string): void {
    this.#put(text);
  }

  sendBytes(head: Uint8Array, bytes: Uint8Array): void {
    this.#put(Buffer.concat([head, bytes]));
  }

  #put(message: string | Uint8Array): void {
    if (this.#over || this.#ending) return;
    const to = this.peer!;
    to.#inbox.push(message);
    to.#inboxBytes += message.length;
    to.#schedule();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  close(reason: CloseReason): void {
    if (this.#over || this.#ending) return;
    const other = this.peer!;
    this.#ending = reason;
    this.#closedHere = true;
    other.#ending ??= reason;
    other.#schedule();
    // Our own side reads no more; what we sent is still delivered.
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#over || !this.#receiver) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const batch = this.#paused ? [] : this.#inbox;
    if (batch.length > 0) {
      this.#inbox = [];
      this.#inboxBytes = 0;
      for (const [index, message] of batch.entries()) {
        if (this.#closedHere) break;
        if (this.#paused) {
          const rest = batch.slice(index);
          this.#inbox = [...rest, ...this.#inbox];
          this.#inboxBytes += rest.reduce((sum, { length }) => sum + length, 0);
          break;
        }
        if (typeof message === "string") this.#receiver!.message(message);
        else this.#receiver!.bytes?.(message);
      }
      const sender = this.peer!;
      if (this.#inboxBytes === 0 && !sender.#over) sender.#receiver?.drained();
    }
    if (this.#ending && this.#inbox.length === 0 && !this.#over) {
      this.#over = true;
      this.#receiver!.closed(this.#ending);
    }
  }
}
