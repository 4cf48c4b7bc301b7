/** `fs/*` as a service of connections. */

import { FileMethods } from "../fs/handlers.ts";
import type { Family } from "../protocol/methods.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Service } from "./service.ts";

export function fileService(runtime: Runtime): Service {
  return {
    prefix: "fs/",
    // At the first request of a connection: to load the system's calls takes some milliseconds.
    open: (link) => {
      const files = new FileMethods(runtime, runtime.files(), link);
      return {
        request: (method, params) => files[method as Family<"fs">](params as never),
        dispose: () => files.close(),
      };
    },
  };
}
