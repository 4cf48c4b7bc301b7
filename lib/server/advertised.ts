/** What a server can do, as its clients are told with the handshake: nothing of what does it is loaded for that. */

import type { HttpOptions } from "../http/handlers.ts";
import type { Cgroups } from "../process/cgroups.ts";
import type { Capabilities } from "../protocol/environment.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { fileExists } from "../runtime/small_files.ts";
import type { WorkOptions } from "./work.ts";

/** What a part of the server adds to what it can do at all (`info.ts`). */
export interface Advertised {
  readonly capabilities: Readonly<Capabilities>;
  /** And what besides where the connection can send bytes raw. */
  readonly rawCapabilities?: Readonly<Capabilities>;
}

export function advertised(runtime: Runtime, options: WorkOptions): Advertised[] {
  return [
    ...(runtime.hasFiles() ? [ofFiles] : []),
    ...(options.ceiling?.network === false ? [] : [ofHttp(options.http)]),
    ofProcesses(options.cgroups),
  ];
}

const ofFiles: Advertised = {
  capabilities: {
    fileWriteStreaming: true,
    fsWatchMissing: true,
    fsWatch: true,
    fsSearch: true,
    fsRename: true,
    fsChmod: true,
    fsSymlink: true,
    fsHash: true,
    fsResume: true,
    fsAtomicWrite: true,
    fsListLinks: true,
    sandboxedFileStreaming: true,
  },
  rawCapabilities: { fsRawBytes: true },
};

function ofHttp({ lentVariables = [] }: HttpOptions = {}): Advertised {
  return {
    capabilities: {
      httpRequestCancel: true,
      httpResponseWindow: true,
      // Who reads this sends the names of variables, and nothing else works for those that are lent.
      ...(lentVariables.length > 0 ? { httpHeaderEnvVars: true } : {}),
    },
  };
}

/** Beyond what every server of ours can do. */
function ofProcesses(cgroups: Cgroups | undefined): Advertised {
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
