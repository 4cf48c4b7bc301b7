/** Shapes of the handshake. */

import { type EnvironmentInfo, environmentInfo } from "./environment.ts";
import { nullish, object, type Schema, string } from "./schema.ts";

/** Parameters of `initialize`. */
export interface InitializeParams {
  /** Name of the client; not used. */
  clientName: string;
  /** A session to attach to again; absent or null for a new one. */
  resumeSessionId?: string;
}

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
});

export const initializeResult: Schema<InitializeResult> = object<InitializeResult>({
  sessionId: string,
  environmentInfo: nullish(environmentInfo),
});
