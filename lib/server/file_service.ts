/** `fs/*` as a service of connections. */

import { FileMethods } from "../fs/handlers.ts";
import type { Family } from "../protocol/methods.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Service } from "./service.ts";

/** Nothing where the system's calls cannot be had: the methods are not known then. */
export function fileService(runtime: Runtime): Service[] {
  if (!runtime.hasFiles()) return [];
  return [
    {
      prefix: "fs/",
      // At the first request: to load the system's calls takes some milliseconds, and not every client has one.
      open: (link) => {
        const files = new FileMethods(runtime, runtime.files(), link);
        return {
          request: (method, params) => files[method as Family<"fs">](params as never),
          dispose: () => files.close(),
        };
      },
    },
  ];
}
