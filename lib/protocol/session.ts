/** Shapes of the handshake: what a client begins with. */

import { nullish, object, oneOf, type Schema, string } from "./schema.ts";

/** Parameters of `initialize`. */
export interface InitializeParams {
  /** Name of the client; not used. */
  clientName: string;
  /** A session to attach to again; absent or null for a new one. */
  resumeSessionId?: string;
  /**
   * Ours (`sessionAttach`): how to attach to the session. `takeOver` puts the connection that is attached out of it;
   * `observe` joins that one, to look on only. Absent or null: as the only one, refused while another is attached.
   */
  attach?: AttachMode;
}

/** How to attach to a session besides being the only one. */
export type AttachMode = "observe" | "takeOver";

export const initializeParams: Schema<InitializeParams> = object<InitializeParams>({
  clientName: string,
  resumeSessionId: nullish(string),
  attach: nullish(oneOf("observe", "takeOver")),
});
