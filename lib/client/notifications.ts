/** Who wants to know of the notifications of a server. */

import { ProtocolViolation } from "../jsonrpc/peer.ts";
import { type ServerNotifications, serverNotifications } from "../protocol/methods.ts";
import { DecodeError } from "../protocol/schema.ts";
import { tellAll } from "./listeners.ts";
import type { Process } from "./process.ts";
import { processEvent } from "./process_events.ts";

type Name = keyof ServerNotifications;

export class NotificationListeners {
  readonly #listeners = new Map<Name, Set<(params: never) => void>>();

  /** @returns What ends it. */
  add<N extends Name>(method: N, listener: (params: ServerNotifications[N]) => void): () => void {
    const listeners = this.#listeners.get(method) ?? new Set();
    this.#listeners.set(method, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Whether somebody does; nothing is decoded for nobody. */
  has(method: Name): boolean {
    return (this.#listeners.get(method)?.size ?? 0) > 0;
  }

  tell<N extends Name>(method: N, params: ServerNotifications[N]): void {
    tellAll(
      (this.#listeners.get(method) ?? []) as Iterable<(params: ServerNotifications[N]) => void>,
      params,
    );
  }
}

/**
 * Takes a notification to its process, or to those that listen.
 * @throws {ProtocolViolation} It does not decode.
 */
export function deliver(
  method: string,
  params: unknown,
  processes: ReadonlyMap<string, Process>,
  listeners: NotificationListeners,
): void {
  if (!Object.hasOwn(serverNotifications, method)) return;
  try {
    const told = processEvent(method, params);
    if (!told) {
      const name = method as Name;
      if (listeners.has(name)) listeners.tell(name, serverNotifications[name].decode(params));
      return;
    }
    processes.get(told.processId)?.accept(told.event);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new ProtocolViolation(`"${method}" does not decode: ${error.message}`);
  }
}
