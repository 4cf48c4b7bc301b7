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
  serverNotifications,
} from "../protocol/methods.ts";
import { DecodeError, type Schema } from "../protocol/schema.ts";
import type { InitializeParams, InitializeResult } from "../protocol/session.ts";
import { environmentInfo } from "./info.ts";
import { Observer } from "./observer.ts";
import type { ConnectionLink, OpenService, Service } from "./service.ts";
import { type Attachment, type Session, type SessionStore, takenOver } from "./session.ts";

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
  /** Gives up what the connection has of its session. */
  #leave: () => void = () => {};
  #isObserver = false;
  /** The answer to everything, once the session is another's. */
  #refusal: RpcError | undefined;
  /** How many hold the client back. */
  #holds = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  readonly #handshakeTimer: ReturnType<typeof setTimeout>;

  constructor(channel: Channel, options: ConnectionOptions) {
    this.#options = options;
    this.#handlers = {
      initialize: (params: InitializeParams) => this.#initialize(params),
      "environment/info": () => this.#wholeInfo(),
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
    if (this.#refusal && row.gate !== null) throw this.#refusal;
    const handler = this.#handlers[method as Method] as ((params: unknown) => unknown) | undefined;
    // Not everything that is in the table can be done on every machine.
    if (!handler && this.#isObserver) {
      throw new RpcError(
        rpcCode.invalidRequest,
        `this connection only observes its session: it cannot use ${method}`,
      );
    }
    if (!handler) throw unknownMethod(method);
    const raw = this.#peer.sendsBytes && (decoded as { raw?: boolean } | null)?.raw === true;
    const result = handler(decoded);
    // Bytes that are answered at once may be lent; what comes later is its receiver's.
    return result instanceof Promise
      ? result.then((value) => wireResult(row, value, { raw, owned: true }))
      : wireResult(row, result, { raw, owned: false });
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
      // Of an observer it holds nobody back, and of who has lost the session it counts no more.
      if (this.#isObserver || this.#refusal) return;
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
      sendBase64: (head, bytes, tail) => this.#peer.sendBase64(head, bytes, tail),
      notify: (name, params) => {
        const schema: Schema<unknown> = serverNotifications[name];
        this.#peer.notify(name, schema.encode(params));
      },
      ready: () => this.#ready(),
      hold: () => this.#hold(),
    };
    const { resumeSessionId, attach } = params;
    if (attach !== undefined && resumeSessionId === undefined) {
      throw new RpcError(rpcCode.invalidParams, "attach: there is no resumeSessionId to attach to");
    }
    const { sessions } = this.#options;
    if (attach === "observe") {
      this.#observe(sessions.find(resumeSessionId!), link);
    } else {
      const attachment: Attachment = {
        ...link,
        probe: (timeoutMs: number) => this.#peer.probe(timeoutMs),
        takenOver: () => this.#onTakenOver(),
      };
      this.#session =
        resumeSessionId === undefined
          ? sessions.create(attachment)
          : sessions.resume(resumeSessionId, attachment, { takesOver: attach === "takeOver" });
      const session = this.#session;
      this.#leave = () => sessions.detach(session, attachment);
      this.#services = (this.#options.services ?? []).map((service) => service.open(link));
      this.#handlers = Object.assign(
        { ...this.#handlers, ...session.processes },
        ...this.#services.map(({ handlers }) => handlers),
      );
    }
    return { sessionId: this.#session!.id, environmentInfo: this.#info() };
  }

  #observe(session: Session, link: ConnectionLink): void {
    this.#session = session;
    const observer = new Observer(session, {
      ...link,
      ended: () => this.close({ kind: "normal", message: "the session has ended" }),
    });
    this.#leave = () => observer.dispose();
    this.#isObserver = true;
    this.#handlers = { ...this.#handlers, ...observer.handlers };
  }

  /** What waited has been refused; that goes out first. Not to be resumed: the two would go on taking it in turns. */
  #onTakenOver(): void {
    this.#refusal = takenOver();
    const { message } = this.#refusal;
    // Nothing of the session waits for this connection any more.
    this.#release();
    setImmediate(() => this.close({ kind: "goingAway", message }));
  }

  #info(): EnvironmentInfo {
    const raw = this.#peer.sendsBytes;
    const added = (this.#options.services ?? []).map(({ capabilities, rawCapabilities }) =>
      raw ? { ...capabilities, ...rawCapabilities } : capabilities,
    );
    const info = environmentInfo();
    return { ...info, capabilities: Object.assign({ ...info.capabilities }, ...added) };
  }

  #wholeInfo(): EnvironmentInfo {
    const added = (this.#options.services ?? []).map((service) => service.info?.());
    return Object.assign(this.#info(), ...added);
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
    if (this.#peer.closeReason || this.#refusal || this.#peer.pendingBytes < HIGH_WATER_BYTES)
      return undefined;
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
    this.#leave();
    this.#options.onClose?.(reason);
  }
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
