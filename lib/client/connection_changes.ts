/** Who wants to know of losses and returns of the connection. */

import type { CloseReason } from "../jsonrpc/channel.ts";
import { tellAll } from "./listeners.ts";

/** What happens to the connection while the client lives. */
export type ConnectionChange =
  /** It is lost; calls wait while the session is being got back. */
  | { kind: "lost"; reason: CloseReason }
  /** The session is back, and so is all output that the server has kept. */
  | { kind: "resumed" };

export class ConnectionChanges {
  readonly #listeners = new Set<(change: ConnectionChange) => void>();

  /** The answer ends it. */
  add(listener: (change: ConnectionChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(change: ConnectionChange): void {
    tellAll(this.#listeners, change);
  }
}
