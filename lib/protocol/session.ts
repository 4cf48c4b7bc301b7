/** Shapes of the handshake. */

import { type EnvironmentInfo, environmentInfo } from "./environment.ts";
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

/** Answer of `initialize`. */
export interface InitializeResult {
  /** A UUID; on a resume the one that was asked for. */
  sessionId: string;
  /** Absent from servers up to 0.138.0, which take native paths only. */
  environmentInfo?: EnvironmentInfo;
}

export const initializeParams: Schema<InitializeParams> = object<InitializeParams>({
  clientName: string,
  resumeSessionId: nullish(string),
  attach: nullish(oneOf("observe", "takeOver")),
});

export const initializeResult: Schema<InitializeResult> = object<InitializeResult>({
  sessionId: string,
  environmentInfo: nullish(environmentInfo),
});
