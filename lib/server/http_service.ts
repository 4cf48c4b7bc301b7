/** `http/*` as a service of connections. */

import { type HttpOptions, HttpRequests } from "../http/handlers.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Service } from "./service.ts";

export function httpService(runtime: Runtime, options: HttpOptions = {}): Service {
  return {
    capabilities: {
      httpRequestCancel: true,
      httpResponseWindow: true,
      // Who reads this sends the names of variables, and nothing else works for those that are lent.
      ...((options.lentVariables ?? []).length > 0 ? { httpHeaderEnvVars: true } : {}),
    },
    open: (link) => {
      const requests = new HttpRequests(link, runtime, options);
      return {
        handlers: {
          "http/request": requests["http/request"],
          "http/request/cancel": requests["http/request/cancel"],
        },
        notifications: { "http/request/consumed": (params) => requests.consumed(params) },
        dispose: () => requests.dispose(),
      };
    },
  };
}
