/** Calls and dispatch over one channel, the same for both sides. */

import { Buffer } from "node:buffer";
import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import { timerMs } from "../protocol/timer.ts";
import { binaryHead, parseBinaryMessage } from "./binary.ts";
import { type Channel, type ChannelReceiver, type CloseReason, MAX_MESSAGE_BYTES } from "./channel.ts";
import { parseLongMessage } from "./long_message.ts";
import {
  base64ResultText,
  type ErrorObject,
  errorText,
  jsonResultText,
  MalformedMessage,
  type Message,
  notificationText,
  parseMessage,
  type RequestId,
  rawRequestText,
  rawResultText,
  requestText,
  resultText,
} from "./message.ts";

/** Parameters or a result of which one member is bytes. */
export class WithBytes {
  /** The other members, in the form of the wire. */
  readonly rest: object;
  /** Name of the member. */
  readonly member: string;
  readonly bytes: Uint8Array;
  /** They go as they are, where the channel can, and not as base64. */
  readonly raw: boolean;
  /** They are not used by anybody else any more. */
  readonly owned: boolean;

  constructor(rest: object, member: string, bytes: Uint8Array, options: { raw: boolean; owned: boolean }) {
    this.rest = rest;
    this.member = member;
    this.bytes = bytes;
    this.raw = options.raw;
    this.owned = options.owned;
  }
}

/** A result that is JSON already. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What the owner of a peer does with what comes in. */
export interface PeerHandlers {
  /**
   * Answers one request: with the wire form of the result, or later by a promise. It may be {@link WithBytes} or
   * {@link JsonText}.
   * @throws {RpcError} The answer is this error. Anything else thrown is answered as an internal error.
   */
  request(method: string, params: unknown): unknown;
  /** @throws {ProtocolViolation} The channel is closed. */
  notification(method: string, params: unknown): void;
  /** An answer that nobody waits for. @throws {ProtocolViolation} The channel is closed. */
  unmatched(): void;
  /**
   * What a message has to wait for; nothing when it can be handled at once. What comes behind it waits as well, and the
   * other side is held back. Asked for the same message again when that has settled, in whichever way.
   */
  waitsFor?(message: Message): Promise<unknown> | undefined;
  /** Everything queued has gone out. */
  drained?(): void;
  /** The end, once; all calls have been rejected. */
  closed(reason: CloseReason): void;
}

/** The other side broke a rule that ends the connection. */
export class ProtocolViolation extends Error {
  override readonly name = "ProtocolViolation";
}

/** Limits of one call. */
export interface CallOptions {
  /** Rejects the call; the server is not told, and may still carry it out. */
  signal?: AbortSignal;
  /** Rejects the call after so long. No limit by default. */
  timeoutMs?: number;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** One end of a connection. It is what its channel tells, too: closures for that would be made for every connection. */
export class Peer implements ChannelReceiver {
  readonly #channel: Channel;
  readonly #handlers: PeerHandlers;
  /** Calls without an answer; a server makes none. */
  #pending: Map<RequestId, Pending> | undefined;
  #lastId = 0;
  /** Messages that wait. */
  #waiting: Message[] | undefined;
  /** How many hold the other side back. */
  #holds = 0;
  #closed: CloseReason | undefined;

  constructor(channel: Channel, handlers: PeerHandlers) {
    this.#channel = channel;
    this.#handlers = handlers;
  }

  /** Begins to receive. */
  open(): void {
    this.#channel.open(this);
  }

  /** Why the connection is over; undefined while it lives. */
  get closeReason(): CloseReason | undefined {
    return this.#closed;
  }

  /** Bytes queued for the other side. */
  get pendingBytes(): number {
    return this.#channel.pendingBytes;
  }

  /** Whether {@link WithBytes} can be sent. */
  get sendsBytes(): boolean {
    return this.#channel.sendBytes !== undefined;
  }

  get label(): string {
    return this.#channel.label;
  }

  /**
   * Sends a request and waits for its answer. Parameters may be raw {@link WithBytes} where the
   * channel sends bytes.
   * @throws {RpcError} The answer is an error.
   * @throws {ExecServerError} `ERR_DISCONNECTED`, `ERR_CALL_TIMEOUT`, `ERR_UNSUPPORTED`: the message is too long.
   * @throws {TypeError} The parameters are no JSON, or have half of a surrogate pair in a text.
   */
  call(method: string, params: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(disconnected(method, this.#closed));
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const id = ++this.#lastId;
    return new Promise<unknown>((resolve, reject) => {
      // First, as it throws for what is no JSON.
      const head =
        params instanceof WithBytes
          ? binaryHead(rawRequestText(id, method, params.rest, params.member))
          : requestText(id, method, params);
      refuseTooLong(method, head, params instanceof WithBytes ? params.bytes.length : 0);
      const settle = (): void => {
        this.#pending?.delete(id);
        options.signal?.removeEventListener("abort", onAbort);
        clearTimeout(timer);
      };
      const onAbort = (): void => {
        settle();
        reject(options.signal!.reason);
      };
      let timer: ReturnType<typeof setTimeout> | undefined;
      if (options.timeoutMs !== undefined) {
        timer = setTimeout(() => {
          settle();
          reject(
            new ExecServerError("ERR_CALL_TIMEOUT", `No answer to "${method}" in ${options.timeoutMs} ms`),
          );
        }, timerMs(options.timeoutMs));
      }
      options.signal?.addEventListener("abort", onAbort, { once: true });
      this.#pending ??= new Map();
      this.#pending.set(id, {
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error instanceof CloseError ? disconnected(method, error.reason) : error);
        },
      });
      if (typeof head === "string") this.#channel.send(head);
      else this.#channel.sendBytes!(head, (params as WithBytes).bytes);
    });
  }

  /** Sends a notification. */
  notify(method: string, params: unknown): void {
    this.#channel.send(notificationText(method, params));
  }

  /** Sends a message that is text already. */
  send(text: string): void {
    this.#channel.send(text);
  }

  /** Sends a message that is text already, but for bytes between head and tail that are to be base64. */
  sendBase64(head: string, bytes: Uint8Array, tail: string): void {
    if (this.#channel.sendBase64) this.#channel.sendBase64(head, bytes, tail);
    else this.#channel.send(`${head}${bytes.toBase64()}${tail}`);
  }

  /** Holds the other side back until the answer is called, and whoever else holds it has let go as well. */
  hold(): () => void {
    if (++this.#holds === 1) this.#channel.pause();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holds === 0) this.#channel.resume();
    };
  }

  /** Ends the connection unless the other side shows life within this time, where the transport can tell. */
  probe(timeoutMs: number): void {
    this.#channel.probe?.(timeoutMs);
  }

  close(reason: CloseReason): void {
    this.#channel.close(reason);
  }

  /** What the channel tells ({@link ChannelReceiver}). */
  message(text: string): void {
    this.#receive(text, parseMessage);
  }

  longText(bytes: Uint8Array, mask = 0): boolean {
    return this.#receive(bytes, (text) => parseLongMessage(text, mask));
  }

  bytes(message: Uint8Array): void {
    this.#receive(message, parseBinaryMessage);
  }

  undecodable(detail: string): void {
    const kind = this.#channel.label.includes("websocket") ? "websocket " : "";
    this.#channel.send(
      errorText(-1, {
        code: rpcCode.invalidRequest,
        message: `failed to parse ${kind}JSON-RPC message from ${this.#channel.label}: ${detail}`,
      }),
    );
  }

  drained(): void {
    this.#handlers.drained?.();
  }

  closed(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = reason;
    for (const pending of [...(this.#pending?.values() ?? [])]) pending.reject(new CloseError(reason));
    this.#handlers.closed(reason);
  }

  /** Answers whether it was a message, or was meant to be one. */
  #receive<T>(form: T, parse: (form: T) => Message | undefined): boolean {
    try {
      const message = parse(form);
      if (!message) return false;
      if (!this.#waits(message)) this.#handle(message);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.undecodable(error.message);
    }
    return true;
  }

  #waits(message: Message): boolean {
    if (this.#waiting) {
      this.#waiting.push(message);
      return true;
    }
    const wait = this.#handlers.waitsFor?.(message);
    if (!wait) return false;
    this.#waiting = [message];
    const letGo = this.hold();
    const goOn = (): void => {
      const messages = this.#waiting!;
      this.#waiting = undefined;
      letGo();
      for (const waiting of messages) if (!this.#closed && !this.#waits(waiting)) this.#handle(waiting);
    };
    wait.then(goOn, goOn);
    return true;
  }

  #handle(message: Message): void {
    try {
      switch (message.kind) {
        case "request":
          this.#dispatch(message.id, message.method, message.params);
          break;
        case "notification":
          this.#handlers.notification(message.method, message.params);
          break;
        default: {
          const pending = this.#pending?.get(message.id);
          if (!pending) this.#handlers.unmatched();
          else if (message.kind === "result") pending.resolve(message.result);
          else pending.reject(new RpcError(message.error.code, message.error.message, message.error.data));
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.close({ kind: "protocol", message: error.message });
    }
  }

  #dispatch(id: RequestId, method: string, params: unknown): void {
    let answer: unknown;
    try {
      answer = this.#handlers.request(method, params);
    } catch (error) {
      this.#channel.send(errorText(id, errorObject(error)));
      return;
    }
    // An answer that is there already goes out at once, in the order of the requests.
    if (!(answer instanceof Promise)) {
      this.#answer(id, answer);
      return;
    }
    answer
      .then((result) => this.#answer(id, result))
      .catch((error) => this.#channel.send(errorText(id, errorObject(error))));
  }

  #answer(id: RequestId, result: unknown): void {
    if (result instanceof JsonText) {
      this.#channel.send(jsonResultText(id, result.text));
      return;
    }
    if (!(result instanceof WithBytes)) {
      this.#channel.send(resultText(id, result));
      return;
    }
    const { rest, member, bytes, owned } = result;
    if (result.raw && this.#channel.sendBytes) {
      this.#channel.sendBytes(binaryHead(rawResultText(id, rest, member)), bytes, owned);
      return;
    }
    const { head, tail } = base64ResultText(id, rest, member);
    if (this.#channel.sendBase64) this.#channel.sendBase64(head, bytes, tail, owned);
    else this.#channel.send(`${head}${bytes.toBase64()}${tail}`);
  }
}

/** Marks the rejection of a call that was pending when the channel ended. */
class CloseError extends Error {
  readonly reason: CloseReason;

  constructor(reason: CloseReason) {
    super(reason.message);
    this.reason = reason;
  }
}

/** @throws {ExecServerError} `ERR_UNSUPPORTED` */
function refuseTooLong(method: string, head: string | Uint8Array, bytesBehind: number): void {
  // No text is longer than three bytes for each of its units.
  if (3 * head.length + bytesBehind <= MAX_MESSAGE_BYTES) return;
  const length = (typeof head === "string" ? Buffer.byteLength(head) : head.length) + bytesBehind;
  if (length <= MAX_MESSAGE_BYTES) return;
  const what = `its message has ${length} bytes, and a server takes up to ${MAX_MESSAGE_BYTES}`;
  throw new ExecServerError("ERR_UNSUPPORTED", `Cannot send "${method}": ${what}`);
}

function disconnected(method: string, reason: CloseReason): ExecServerError {
  return new ExecServerError("ERR_DISCONNECTED", `Cannot finish "${method}": ${reason.message}`);
}

function errorObject(error: unknown): ErrorObject {
  if (error instanceof RpcError) {
    return error.data === undefined
      ? { code: error.code, message: error.message }
      : { code: error.code, message: error.message, data: error.data };
  }
  return { code: rpcCode.internal, message: error instanceof Error ? error.message : String(error) };
}
