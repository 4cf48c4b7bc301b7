/** Shapes of the handshake: what a server answers. By itself, as a server that starts needs no more than the other half. */

import { type EnvironmentInfo, environmentInfo } from "./environment.ts";
import { nullish, object, type Schema, string } from "./schema.ts";

/** Answer of `initialize`. */
export interface InitializeResult {
  /** A UUID; on a resume the one that was asked for. */
  sessionId: string;
  /** Absent from servers up to 0.138.0, which take native paths only. */
  environmentInfo?: EnvironmentInfo;
}

export const initializeResult: Schema<InitializeResult> = object<InitializeResult>({
  sessionId: string,
  environmentInfo: nullish(environmentInfo),
});
