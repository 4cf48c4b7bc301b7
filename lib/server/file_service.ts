/** `fs/*` as a service of connections. */

import { FileMethods } from "../fs/handlers.ts";
import { type Runtime, RuntimeUnsupported } from "../runtime/runtime.ts";
import type { Service } from "./service.ts";

/** Without methods where the system's calls cannot be had. */
export function fileService(runtime: Runtime): Service[] {
  try {
    const files = runtime.files();
    return [
      {
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
        },
        rawCapabilities: { fsRawBytes: true },
        open: (link) => {
          const methods = new FileMethods(runtime, files, link);
          return { handlers: methods, dispose: () => methods.close() };
        },
      },
    ];
  } catch (error) {
    if (error instanceof RuntimeUnsupported) return [];
    throw error;
  }
}
