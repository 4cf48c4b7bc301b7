/** What connections are made of in tests. */

import { defaultProcessLimits, ProcessTable } from "../../../lib/process/handlers.ts";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import type { ConnectionOptions } from "../../../lib/server/connection.ts";
import { InfoTexts } from "../../../lib/server/info_texts.ts";
import { Loader } from "../../../lib/server/loader.ts";
import { type Service, Services } from "../../../lib/server/service.ts";
import { SessionStore } from "../../../lib/server/session.ts";
import { Work } from "../../../lib/server/work.ts";

export function sessionStore(runtime: Runtime, detachedMs: number): SessionStore {
  return new SessionStore({
    detachedMs,
    processTable: (observer) => new ProcessTable(runtime, observer, defaultProcessLimits),
  });
}

/** The work with these services; loaded when `load` says so, at once by default. */
export function serverParts(
  services: readonly Service[] = [],
  load: Promise<unknown> = Promise.resolve(),
): Pick<ConnectionOptions, "info" | "work"> {
  const info = new InfoTexts([]);
  const work = new Work(
    new Services(services),
    (raw) => info.whole(raw, () => ({})),
    () => {
      throw new Error("The store of the test makes these");
    },
  );
  return { info, work: new Loader(() => load.then(() => work)) };
}
