/** `http/*` as a service of connections. */

import { type HttpOptions, HttpRequests } from "../http/handlers.ts";
import type { BodyConsumedParams } from "../protocol/http.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Service } from "./service.ts";

export function httpService(runtime: Runtime, options: HttpOptions = {}): Service {
  return {
    prefix: "http/",
    open: (link) => {
      const requests = new HttpRequests(link, runtime, options);
      return {
        request: (method, params) => requests[method as "http/request"](params as never),
        notification: (_, params) => requests.consumed(params as BodyConsumedParams),
        dispose: () => requests.dispose(),
      };
    },
  };
}
