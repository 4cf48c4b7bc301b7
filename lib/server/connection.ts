/** One connection of a client: the handshake, then requests to the session's processes and to services. */

import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import { JsonText, Peer, type PeerHandlers, ProtocolViolation, WithBytes } from "../jsonrpc/peer.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import {
  type ClientNotifications,
  clientNotifications,
  type Family,
  type Handlers,
  type RequestRow,
  requests,
  type ServerNotifications,
  serverNotifications,
} from "../protocol/methods.ts";
import { DecodeError, type Schema } from "../protocol/schema.ts";
import type { InitializeParams } from "../protocol/session.ts";
import { Deadlines } from "../runtime/deadlines.ts";
import { Observer } from "./observer.ts";
import type { ConnectionLink, OpenService, Service, Services } from "./service.ts";
import { type Attachment, type Session, type SessionStore, takenOver } from "./session.ts";

/** Settings of connections, which those of a server share. */
export interface ConnectionOptions {
  sessions: SessionStore;
  /** What belongs to the connection itself. */
  services: Services;
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

type Method = keyof Handlers;

/** Above this, processes of the session wait with their output. */
const HIGH_WATER_BYTES = 1024 * 1024;
const isReady = new JsonText('{"status":"ready"}');

/**
 * It is itself what its peer, its session and its services are given: objects of closures for each of them would be
 * most of what a connection costs that asks for little. What is of use to one connection in a hundred is made when it is
 * used.
 */
export class ServerConnection implements PeerHandlers, Attachment, ConnectionLink {
  readonly #options: ConnectionOptions;
  readonly #peer: Peer;
  #session: Session | undefined;
  /** It only looks on at the session. */
  #observer: Observer | undefined;
  /** Those that have been asked for something. */
  #services: Map<Service, OpenService> | undefined;
  #initialized = false;
  /** The answer to everything, once the session is another's. */
  #refusal: RpcError | undefined;
  /** How many hold the client back. */
  #holds = 0;
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

  /** The wire form of the answer. Parameters are decoded before the handshake is asked about, as the peer does. */
  request(method: string, params: unknown): unknown {
    if (!Object.hasOwn(requests, method)) throw unknownMethod(method);
    const row = requests[method as Method] as RequestRow<unknown, unknown>;
    const decoded = decodeParams(row, params);
    if (row.gate === null) return this.#initialize(decoded as InitializeParams);
    if (!this.#initialized) {
      const missing = this.#session ? "send initialized" : "call initialize";
      throw new RpcError(rpcCode.invalidRequest, `client must ${missing} before using ${row.gate} methods`);
    }
    if (this.#refusal) throw this.#refusal;
    if (row.gate === "environment status") return isReady;
    if (row.gate === "environment info") {
      return new JsonText(this.#options.services.info.whole(this.#peer.sendsBytes));
    }
    const raw = this.#peer.sendsBytes && (decoded as { raw?: boolean } | null)?.raw === true;
    const result = this.#handle(method as Method, row, decoded);
    // Bytes that are answered at once may be lent; what comes later is its receiver's.
    return result instanceof Promise
      ? result.then((value) => wireResult(row, value, { raw, owned: true }))
      : wireResult(row, result, { raw, owned: false });
  }

  #handle(method: Method, row: RequestRow<unknown, unknown>, params: unknown): unknown {
    if (this.#observer) return observed(this.#observer, method)(params as never);
    if (row.gate === "exec") return this.#session!.processes[method as Family<"process">](params as never);
    const service = this.#options.services.of(method);
    // Not everything that is in the table can be done on every machine.
    if (!service) throw unknownMethod(method);
    let open = this.#services?.get(service);
    if (!open) {
      open = service.open(this);
      this.#services ??= new Map();
      this.#services.set(service, open);
    }
    return open.request(method, params);
  }

  notification(method: string, params: unknown): void {
    if (method === "initialized") {
      if (!this.#session) throw new ProtocolViolation("`initialized` came before `initialize`");
      this.#options.handshakes?.stop(this);
      this.#initialized = true;
      return;
    }
    if (method === "process/consumed" && this.#session) {
      const { processId, seq } = decodeNotification(method, params);
      // Of an observer it holds nobody back, and of who has lost the session it counts no more.
      if (this.#observer || this.#refusal) return;
      this.#session.processes.consumed(processId, seq);
      return;
    }
    const isKnown = Object.hasOwn(clientNotifications, method) && this.#session && !this.#observer;
    const service = isKnown && this.#options.services.of(method);
    if (service) {
      const name = method as keyof ClientNotifications;
      const decoded = decodeNotification(name, params);
      // Where nothing has been asked for there is nothing that it could be about.
      this.#services?.get(service)?.notification?.(name, decoded);
      return;
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
    for (const service of this.#services?.values() ?? []) service.dispose();
    if (this.#observer) this.#observer.dispose();
    else if (this.#session) this.#options.sessions.detach(this.#session, this);
    this.#options.onClose?.(this, reason);
  }

  #initialize({ resumeSessionId, attach }: InitializeParams): JsonText {
    if (this.#session) {
      throw new RpcError(rpcCode.invalidRequest, "initialize may only be sent once per connection");
    }
    if (attach !== undefined && resumeSessionId === undefined) {
      throw new RpcError(rpcCode.invalidParams, "attach: there is no resumeSessionId to attach to");
    }
    const { sessions, services } = this.#options;
    if (attach === "observe") {
      this.#session = sessions.find(resumeSessionId!);
      this.#observer = new Observer(this.#session, this);
    } else {
      this.#session =
        resumeSessionId === undefined
          ? sessions.create(this)
          : sessions.resume(resumeSessionId, this, { takesOver: attach === "takeOver" });
    }
    const info = services.info.ofHandshake(this.#peer.sendsBytes);
    return new JsonText(`{"sessionId":"${this.#session.id}","environmentInfo":${info}}`);
  }

  send(text: string): void {
    this.#peer.send(text);
  }

  sendBase64(head: string, bytes: Uint8Array, tail: string): void {
    this.#peer.sendBase64(head, bytes, tail);
  }

  notify<N extends keyof ServerNotifications>(name: N, params: ServerNotifications[N]): void {
    const schema: Schema<unknown> = serverNotifications[name];
    this.#peer.notify(name, schema.encode(params));
  }

  ready(): Promise<void> | undefined {
    if (this.#peer.closeReason || this.#refusal || this.#peer.pendingBytes < HIGH_WATER_BYTES)
      return undefined;
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  hold(): () => void {
    if (++this.#holds === 1) this.#peer.pause();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holds === 0) this.#peer.resume();
    };
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

function observed(observer: Observer, method: Method): (params: never) => unknown {
  const { handlers } = observer;
  if (Object.hasOwn(handlers, method)) return handlers[method as keyof typeof handlers];
  throw new RpcError(
    rpcCode.invalidRequest,
    `this connection only observes its session: it cannot use ${method}`,
  );
}

function unknownMethod(method: string): RpcError {
  return new RpcError(rpcCode.methodNotFound, `exec-server stub does not implement \`${method}\` yet`);
}

function wireResult(
  row: RequestRow<unknown, unknown>,
  result: unknown,
  options: { raw: boolean; owned: boolean },
): unknown {
  if (row.result.plain) return result;
  if (row.rawResult === undefined) return row.result.encode(result);
  const { [row.rawResult]: bytes, ...rest } = result as Record<string, unknown>;
  return new WithBytes(row.result.encode(rest) as object, row.rawResult, bytes as Uint8Array, options);
}

function decodeParams(row: RequestRow<unknown, unknown>, params: unknown): unknown {
  try {
    return row.params.decode(params);
  } catch (error) {
    if (error instanceof DecodeError)
      throw new RpcError(error.rpcCode ?? rpcCode.invalidParams, error.message);
    throw error;
  }
}

function decodeNotification<N extends keyof ClientNotifications>(
  method: N,
  params: unknown,
): ClientNotifications[N] {
  try {
    return clientNotifications[method].decode(params);
  } catch (error) {
    if (error instanceof DecodeError) throw new ProtocolViolation(`${method}: ${error.message}`);
    throw error;
  }
}
