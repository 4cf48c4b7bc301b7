/** What is advertised of processes beyond what every server of ours can do. */

import { existsSync } from "node:fs";
import type { Cgroups } from "../process/cgroups.ts";
import type { Service } from "./service.ts";

/** Its methods belong to the session; so this adds words only. */
export function processService(cgroups: Cgroups | undefined): Service {
  return {
    capabilities: {
      ...(existsSync("/proc/self/stat") && { processTrees: true }),
      ...(cgroups && { processCgroups: true }),
      ...(cgroups && cgroups.controllers.size > 0 && { processResourceLimits: true }),
    },
    open: () => ({ handlers: {}, dispose: () => {} }),
  };
}
