/** Who wants to know of the notifications of a server. */

import type { ServerNotifications } from "../protocol/methods.ts";

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
    for (const listener of [...(this.#listeners.get(method) ?? [])]) {
      (listener as (params: ServerNotifications[N]) => void)(params);
    }
  }
}
