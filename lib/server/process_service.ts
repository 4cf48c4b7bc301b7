/** What is advertised of processes beyond what every server of ours can do. */

import type { Cgroups } from "../process/cgroups.ts";
import { nodeFs } from "../runtime/node_modules.ts";
import type { Service } from "./service.ts";

/** Its methods belong to the session; so this adds words only. */
export function processService(cgroups: Cgroups | undefined): Service {
  return {
    get capabilities() {
      return {
        ...(nodeFs().existsSync("/proc/self/stat") && { processTrees: true }),
        ...(cgroups && { processCgroups: true }),
        ...(cgroups && cgroups.controllers.size > 0 && { processResourceLimits: true }),
      };
    },
    open: () => ({ handlers: {}, dispose: () => {} }),
  };
}
