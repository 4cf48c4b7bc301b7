/** What is advertised of processes beyond what every server of ours can do. */

import type { Cgroups } from "../process/cgroups.ts";
import { fileExists } from "../runtime/early_files.ts";
import type { Advertised } from "./service.ts";

export function processCapabilities(cgroups: Cgroups | undefined): Advertised {
  return {
    get capabilities() {
      return {
        ...(fileExists("/proc/self/stat") && { processTrees: true }),
        ...(cgroups && { processCgroups: true }),
        ...(cgroups && cgroups.controllers.size > 0 && { processResourceLimits: true }),
      };
    },
  };
}
