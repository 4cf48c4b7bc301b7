/** One connection of a client: the handshake, then requests to the session's handlers. */

import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import { Peer, ProtocolViolation, WithBytes } from "../jsonrpc/peer.ts";
import type { EnvironmentInfo } from "../protocol/environment.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import {
  type ClientNotifications,
  clientNotifications,
  type Handlers,
  type RequestRow,
  requests,
} from "../protocol/methods.ts";
import { DecodeError } from "../protocol/schema.ts";
import type { InitializeParams, InitializeResult } from "../protocol/session.ts";
import { environmentInfo } from "./info.ts";
import type { ConnectionLink, OpenService, Service } from "./service.ts";
import type { Session, SessionStore } from "./session.ts";

/** Settings of a connection. */
export interface ConnectionOptions {
  sessions: SessionStore;
  /** What belongs to the connection itself. */
  services?: readonly Service[];
  /** How long a client may take to finish the handshake. @default {60_000} */
  handshakeMs?: number;
  onClose?: (reason: CloseReason) => void;
}

type Method = keyof Handlers;
type Table = { readonly [M in Method]?: (params: never) => unknown };

/** Above this, processes of the session wait with their output. */
const HIGH_WATER_BYTES = 1024 * 1024;

export class ServerConnection {
  readonly #options: ConnectionOptions;
  readonly #peer: Peer;
  #session: Session | undefined;
  #handlers: Table;
  #services: readonly OpenService[] = [];
  #initialized = false;
  /** How many hold the client back. */
  #holds = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  readonly #handshakeTimer: ReturnType<typeof setTimeout>;

  constructor(channel: Channel, options: ConnectionOptions) {
    this.#options = options;
    this.#handlers = {
      initialize: (params: InitializeParams) => this.#initialize(params),
      "environment/info": () => this.#info(),
      "environment/status": () => ({ status: "ready" }),
    };
    this.#peer = new Peer(channel, {
      request: (method, params) => this.#request(method, params),
      notification: (method, params) => this.#notification(method, params),
      unmatched: () => {
        throw new ProtocolViolation("An answer came to a request that was not made");
      },
      drained: () => this.#release(),
      closed: (reason) => this.#onClosed(reason),
    });
    const handshakeMs = options.handshakeMs ?? 60_000;
    this.#handshakeTimer = setTimeout(
      () => this.close({ kind: "timeout", message: `No handshake within ${handshakeMs} ms` }),
      handshakeMs,
    );
    this.#peer.open();
  }

  close(reason: CloseReason): void {
    this.#peer.close(reason);
  }

  /** The wire form of the answer. Parameters are decoded before the handshake is asked about, as the peer does. */
  #request(method: string, params: unknown): unknown {
    if (!Object.hasOwn(requests, method)) throw unknownMethod(method);
    const row = requests[method as Method] as RequestRow<unknown, unknown>;
    const decoded = decodeParams(row, params);
    if (row.gate !== null && !this.#initialized) {
      const missing = this.#session ? "send initialized" : "call initialize";
      throw new RpcError(rpcCode.invalidRequest, `client must ${missing} before using ${row.gate} methods`);
    }
    const handler = this.#handlers[method as Method] as ((params: unknown) => unknown) | undefined;
    // Not everything that is in the table can be done on every machine.
    if (!handler) throw unknownMethod(method);
    const raw =
      this.#peer.sendsBytes && (decoded as { raw?: boolean } | null)?.raw ? row.rawResult : undefined;
    const encode = (result: unknown): unknown => wireResult(row, result, raw);
    const result = handler(decoded);
    return result instanceof Promise ? result.then(encode) : encode(result);
  }

  #notification(method: string, params: unknown): void {
    if (method === "initialized") {
      if (!this.#session) throw new ProtocolViolation("`initialized` came before `initialize`");
      clearTimeout(this.#handshakeTimer);
      this.#initialized = true;
      return;
    }
    if (method === "process/consumed" && this.#session) {
      const { processId, seq } = decodeNotification(method, params);
      this.#session.processes.consumed(processId, seq);
      return;
    }
    for (const { notifications } of this.#services) {
      if (!notifications || !Object.hasOwn(notifications, method)) continue;
      const name = method as keyof ClientNotifications;
      (notifications[name] as (params: unknown) => void)(decodeNotification(name, params));
      return;
    }
    // Methods of that form are optional by the convention of other JSON-RPC protocols.
    if (method.startsWith("$/")) return;
    throw new ProtocolViolation(`The notification "${method.slice(0, 100)}" is not known`);
  }

  #initialize(params: InitializeParams): InitializeResult {
    if (this.#session) {
      throw new RpcError(rpcCode.invalidRequest, "initialize may only be sent once per connection");
    }
    const link: ConnectionLink = {
      send: (text) => this.#peer.send(text),
      ready: () => this.#ready(),
      hold: () => this.#hold(),
    };
    const attachment = {
      ...link,
      sendBase64: (head: string, bytes: Uint8Array, tail: string) => this.#peer.sendBase64(head, bytes, tail),
      probe: (timeoutMs: number) => this.#peer.probe(timeoutMs),
    };
    const { sessions } = this.#options;
    this.#session =
      params.resumeSessionId === undefined
        ? sessions.create(attachment)
        : sessions.resume(params.resumeSessionId, attachment);
    this.#services = (this.#options.services ?? []).map((service) => service.open(link));
    this.#handlers = Object.assign(
      { ...this.#handlers, ...this.#session.processes },
      ...this.#services.map(({ handlers }) => handlers),
    );
    return { sessionId: this.#session.id, environmentInfo: this.#info() };
  }

  #info(): EnvironmentInfo {
    const raw = this.#peer.sendsBytes;
    const added = (this.#options.services ?? []).map(({ capabilities, rawCapabilities }) =>
      raw ? { ...capabilities, ...rawCapabilities } : capabilities,
    );
    const info = environmentInfo();
    return { ...info, capabilities: Object.assign({ ...info.capabilities }, ...added) };
  }

  #hold(): () => void {
    if (++this.#holds === 1) this.#peer.pause();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holds === 0) this.#peer.resume();
    };
  }

  #ready(): Promise<void> | undefined {
    if (this.#peer.closeReason || this.#peer.pendingBytes < HIGH_WATER_BYTES) return undefined;
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #onClosed(reason: CloseReason): void {
    clearTimeout(this.#handshakeTimer);
    this.#release();
    for (const service of this.#services) service.dispose();
    if (this.#session) this.#options.sessions.detach(this.#session);
    this.#options.onClose?.(reason);
  }
}

function unknownMethod(method: string): RpcError {
  return new RpcError(rpcCode.methodNotFound, `exec-server stub does not implement \`${method}\` yet`);
}

function wireResult(row: RequestRow<unknown, unknown>, result: unknown, raw: string | undefined): unknown {
  if (row.result.plain) return result;
  if (raw === undefined) return row.result.encode(result);
  const { [raw]: bytes, ...rest } = result as Record<string, unknown>;
  return new WithBytes(row.result.encode(rest) as object, raw, bytes as Uint8Array);
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
