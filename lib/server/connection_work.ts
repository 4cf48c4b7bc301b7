/** What one connection is given after its handshake: requests to the session's processes and to services. */

import { JsonText, ProtocolViolation, WithBytes } from "../jsonrpc/peer.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import {
  type ClientNotifications,
  clientNotifications,
  type Family,
  type Handlers,
  type RequestRow,
} from "../protocol/methods.ts";
import { DecodeError } from "../protocol/schema.ts";
import type { Observer, ObserverLink } from "./observer.ts";
import type { ConnectionLink, OpenService, Service } from "./service.ts";
import type { Session } from "./session.ts";
import type { Work } from "./work.ts";

/** A connection as its work sees it. */
export interface WorkLink extends ConnectionLink, ObserverLink {
  /** Whether it can send bytes raw. */
  readonly sendsBytes: boolean;
}

type Method = keyof Handlers;
/** A request of the table. */
export type Row = RequestRow<unknown, unknown>;

const isReady = new JsonText('{"status":"ready"}');

/** The work for one connection. */
export class ConnectionWork {
  readonly #work: Work;
  readonly #link: WorkLink;
  readonly #session: Session;
  readonly #observer: Observer | undefined;
  /** Those that have been asked for something. */
  #services: Map<Service, OpenService> | undefined;

  constructor(work: Work, link: WorkLink, session: Session, observer?: Observer) {
    this.#work = work;
    this.#link = link;
    this.#session = session;
    this.#observer = observer;
  }

  /** Whether it only looks on at the session. */
  get observes(): boolean {
    return this.#observer !== undefined;
  }

  /** The wire form of the answer. */
  request(method: string, row: Row, params: unknown): unknown {
    if (row.gate === "environment status") return isReady;
    if (row.gate === "environment info") {
      return new JsonText(this.#work.info(this.#link.sendsBytes));
    }
    const raw = this.#link.sendsBytes && (params as { raw?: boolean } | null)?.raw === true;
    const result = this.#handle(method as Method, row, params);
    // Bytes that are answered at once may be lent; what comes later is its receiver's.
    return result instanceof Promise
      ? result.then((value) => wireResult(row, value, { raw, owned: true }))
      : wireResult(row, result, { raw, owned: false });
  }

  /** Whether it is known. @throws {ProtocolViolation} It is wrong. */
  notification(method: string, params: unknown): boolean {
    if (method === "process/consumed") {
      const { processId, seq } = decodeNotification(method, params);
      // Of an observer it holds nobody back.
      if (!this.#observer) this.#session.processes.consumed(processId, seq);
      return true;
    }
    const isKnown = Object.hasOwn(clientNotifications, method) && !this.#observer;
    const service = isKnown && this.#work.services.of(method);
    if (!service) return false;
    const name = method as keyof ClientNotifications;
    const decoded = decodeNotification(name, params);
    // Where nothing has been asked for there is nothing that it could be about.
    this.#services?.get(service)?.notification?.(name, decoded);
    return true;
  }

  /** The connection is over. */
  dispose(): void {
    for (const service of this.#services?.values() ?? []) service.dispose();
    this.#observer?.dispose();
  }

  #handle(method: Method, row: Row, params: unknown): unknown {
    if (this.#observer) return observed(this.#observer, method)(params as never);
    if (row.gate === "exec") return this.#session.processes[method as Family<"process">](params as never);
    const service = this.#work.services.of(method);
    // Not everything that is in the table can be done on every machine.
    if (!service) throw unknownMethod(method);
    let open = this.#services?.get(service);
    if (!open) {
      open = service.open(this.#link);
      this.#services ??= new Map();
      this.#services.set(service, open);
    }
    return open.request(method, params);
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

export function unknownMethod(method: string): RpcError {
  return new RpcError(rpcCode.methodNotFound, `exec-server stub does not implement \`${method}\` yet`);
}

function wireResult(row: Row, result: unknown, options: { raw: boolean; owned: boolean }): unknown {
  if (row.result.plain) return result;
  if (row.rawResult === undefined) return row.result.encode(result);
  const { [row.rawResult]: bytes, ...rest } = result as Record<string, unknown>;
  return new WithBytes(row.result.encode(rest) as object, row.rawResult, bytes as Uint8Array, options);
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
