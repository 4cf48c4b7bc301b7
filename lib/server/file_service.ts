/** `fs/*` as a service of connections. */

import { FileMethods } from "../fs/handlers.ts";
import { type Handlers, requests } from "../protocol/methods.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Service } from "./service.ts";

type Method = keyof FileMethods & keyof Handlers;

const names = Object.keys(requests).filter((name): name is Method => name.startsWith("fs/"));

/** Nothing where the system's calls cannot be had: the methods are not known then. */
export function fileService(runtime: Runtime): Service[] {
  if (!runtime.hasFiles()) return [];
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
        let methods: FileMethods | undefined;
        // Made at the first request: to load the system's calls takes some milliseconds, and not every client has one.
        const made = (): FileMethods => {
          methods ??= new FileMethods(runtime, runtime.files(), link);
          return methods;
        };
        const handlers = Object.fromEntries(
          names.map((name) => [name, (params: never): unknown => made()[name](params)]),
        );
        return { handlers: handlers as Partial<Handlers>, dispose: () => methods?.close() };
      },
    },
  ];
}
