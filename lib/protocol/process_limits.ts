/** Shapes of the limits of a process. */

import { nullish, object, oneOf, type Schema, unsigned } from "./schema.ts";

/** A limit that ends a process. */
export type LimitName = "wallTime" | "idleTime" | "outputBytes" | "memory";

/** Limits of one process, all of them optional. One that the server cannot hold is refused. */
export interface StartLimits {
  /** It may run for so long; ends it as `wallTime`. */
  wallTimeMs?: number;
  /**
   * It may be without output, and without input that comes for it, for so long; ends it as `idleTime`. While its
   * output is held back it is not idle.
   */
  idleTimeMs?: number;
  /** Output of all streams together. What is above it is dropped, and the process ends as `outputBytes`. */
  outputBytes?: number;
  /** On the way to such an end it is asked first, as by `graceMs` of `process/terminate`. @default {0} */
  graceMs?: number;
  /**
   * Ours (`processResourceLimits`): memory of all that it has started. When it needs more the system kills all of
   * it, which ends it as `memory`.
   */
  memoryBytes?: number;
  /** Ours (`processResourceLimits`): processes and threads at a time. More cannot be started. */
  processes?: number;
  /** Ours (`processResourceLimits`): time of processors, in hundredths of one. It is slowed down to that. */
  cpuPercent?: number;
}

export const limitName: Schema<LimitName> = oneOf("wallTime", "idleTime", "outputBytes", "memory");

export const startLimits: Schema<StartLimits> = object<StartLimits>({
  wallTimeMs: nullish(unsigned),
  idleTimeMs: nullish(unsigned),
  outputBytes: nullish(unsigned),
  graceMs: nullish(unsigned),
  memoryBytes: nullish(unsigned),
  processes: nullish(unsigned),
  cpuPercent: nullish(unsigned),
});
