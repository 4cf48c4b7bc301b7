/** One connection of a client: the handshake, and what comes behind it handed on to the work of the server. */

import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import type { Message } from "../jsonrpc/message.ts";
import { JsonText, Peer, type PeerHandlers, ProtocolViolation } from "../jsonrpc/peer.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { ServerNotifications } from "../protocol/methods.ts";
import { DecodeError, type Schema } from "../protocol/schema.ts";
import { type InitializeParams, initializeParams } from "../protocol/session.ts";
import { Deadlines } from "../runtime/deadlines.ts";
import type { ConnectionWork, WorkLink } from "./connection_work.ts";
import type { InfoTexts } from "./info_texts.ts";
import type { Loader } from "./loader.ts";
import { type Attachment, type Session, type SessionStore, takenOver } from "./session.ts";
import type { Work } from "./work.ts";

/** Settings of connections, which those of a server share. */
export interface ConnectionOptions {
  sessions: SessionStore;
  info: InfoTexts;
  /** What is done after the handshake; loaded when the first of them has been greeted. */
  work: Loader<Work>;
  /** How long clients may take to finish the handshake; made by {@link handshakes}. For ever where there is none. */
  handshakes?: Deadlines<ServerConnection> | undefined;
  onClose?: (connection: ServerConnection, reason: CloseReason) => void;
}

/** Ends connections that have not been greeted after so long. */
export function handshakes(ms = 60_000): Deadlines<ServerConnection> {
  return new Deadlines(ms, (connection) =>
    connection.close({ kind: "timeout", message: `No handshake within ${ms} ms` }),
  );
}

/** Above this, processes of the session wait with their output. */
const HIGH_WATER_BYTES = 1024 * 1024;

/**
 * It is itself what its peer, its session and its services are given: objects of closures for each of them would be
 * most of what a connection costs that asks for little. What is of use to one connection in a hundred is made when it is
 * used.
 */
export class ServerConnection implements PeerHandlers, Attachment, WorkLink {
  readonly #options: ConnectionOptions;
  readonly #peer: Peer;
  #session: Session | undefined;
  /** Since the first request after the handshake; of an observer, since that. */
  #work: ConnectionWork | undefined;
  #initialized = false;
  /** The answer to everything, once the session is another's. */
  #refusal: RpcError | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(channel: Channel, options: ConnectionOptions) {
    this.#options = options;
    this.#peer = new Peer(channel, this);
    options.handshakes?.start(this);
    this.#peer.open();
  }

  close(reason: CloseReason): void {
    this.#peer.close(reason);
  }

  /** What has to be loaded before the message can be handled. */
  waitsFor(message: Message): Promise<unknown> | undefined {
    const { work } = this.#options;
    if (!needsWork(message, this.#session !== undefined)) return undefined;
    return work.loaded ? work.loaded.waitsFor(message) : work.wait();
  }

  /** The wire form of the answer. Parameters are decoded before the handshake is asked about, as the peer does. */
  request(method: string, params: unknown): unknown {
    if (method === "initialize") return this.#initialize(decodeParams(initializeParams, params));
    const work = this.#options.work.get();
    const row = work.rowOf(method);
    const decoded = decodeParams(row.params, params);
    if (!this.#initialized) {
      const missing = this.#session ? "send initialized" : "call initialize";
      throw new RpcError(rpcCode.invalidRequest, `client must ${missing} before using ${row.gate} methods`);
    }
    if (this.#refusal) throw this.#refusal;
    this.#work ??= work.open(this, this.#session!);
    return this.#work.request(method, row, decoded);
  }

  notification(method: string, params: unknown): void {
    if (method === "initialized") {
      if (!this.#session) throw new ProtocolViolation("`initialized` came before `initialize`");
      this.#options.handshakes?.stop(this);
      this.#initialized = true;
      return;
    }
    if (this.#session) {
      // Of who has lost the session it counts no more.
      if (method === "process/consumed" && this.#refusal) return;
      this.#work ??= this.#options.work.get().open(this, this.#session);
      if (this.#work.notification(method, params)) return;
    }
    // Methods of that form are optional by the convention of other JSON-RPC protocols.
    if (method.startsWith("$/")) return;
    throw new ProtocolViolation(`The notification "${method.slice(0, 100)}" is not known`);
  }

  unmatched(): never {
    throw new ProtocolViolation("An answer came to a request that was not made");
  }

  drained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  closed(reason: CloseReason): void {
    this.#options.handshakes?.stop(this);
    this.drained();
    this.#work?.dispose();
    if (this.#session && !this.#work?.observes) this.#options.sessions.detach(this.#session, this);
    this.#options.onClose?.(this, reason);
  }

  #initialize({ resumeSessionId, attach }: InitializeParams): JsonText {
    if (this.#session) {
      throw new RpcError(rpcCode.invalidRequest, "initialize may only be sent once per connection");
    }
    if (attach !== undefined && resumeSessionId === undefined) {
      throw new RpcError(rpcCode.invalidParams, "attach: there is no resumeSessionId to attach to");
    }
    const { sessions, info, work } = this.#options;
    if (attach === "observe") {
      this.#session = sessions.find(resumeSessionId!);
      this.#work = work.get().observe(this, this.#session);
    } else {
      this.#session =
        resumeSessionId === undefined
          ? sessions.create(this)
          : sessions.resume(resumeSessionId, this, { takesOver: attach === "takeOver" });
    }
    // Behind the answer.
    if (!work.loaded) setImmediate(() => work.load().catch(ignored));
    const text = info.ofHandshake(this.#peer.sendsBytes);
    return new JsonText(`{"sessionId":"${this.#session.id}","environmentInfo":${text}}`);
  }

  get sendsBytes(): boolean {
    return this.#peer.sendsBytes;
  }

  send(text: string): void {
    this.#peer.send(text);
  }

  sendBase64(head: string, bytes: Uint8Array, tail: string): void {
    this.#peer.sendBase64(head, bytes, tail);
  }

  notify<N extends keyof ServerNotifications>(name: N, params: ServerNotifications[N]): void {
    this.#peer.notify(name, this.#options.work.get().encode(name, params));
  }

  ready(): Promise<void> | undefined {
    if (this.#peer.closeReason || this.#refusal || this.#peer.pendingBytes < HIGH_WATER_BYTES)
      return undefined;
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  hold(): () => void {
    return this.#peer.hold();
  }

  probe(timeoutMs: number): void {
    this.#peer.probe(timeoutMs);
  }

  /** What waited has been refused; that goes out first. Not to be resumed: the two would go on taking it in turns. */
  takenOver(): void {
    this.#refusal = takenOver();
    const { message } = this.#refusal;
    // Nothing of the session waits for this connection any more.
    this.drained();
    setImmediate(() => this.close({ kind: "goingAway", message }));
  }

  /** The session that it observes is over. */
  ended(): void {
    this.close({ kind: "normal", message: "the session has ended" });
  }
}

/** Of what comes before a handshake only requests do, as they are looked at before it is asked for. */
function needsWork(message: Message, isGreeted: boolean): boolean {
  if (message.kind === "notification") return isGreeted && message.method !== "initialized";
  if (message.kind !== "request") return false;
  const { method, params } = message;
  return method !== "initialize" || (params as Partial<InitializeParams> | null)?.attach === "observe";
}

/** Who needs the work asks again, and is told. */
function ignored(): void {}

function decodeParams<T>(schema: Schema<T>, params: unknown): T {
  try {
    return schema.decode(params);
  } catch (error) {
    if (error instanceof DecodeError)
      throw new RpcError(error.rpcCode ?? rpcCode.invalidParams, error.message);
    throw error;
  }
}
