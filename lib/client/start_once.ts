/** A start that is carried out once, also when its answer is lost. */

import { hasCode } from "../protocol/errors.ts";
import type { StartParams, StartResult } from "../protocol/process.ts";
import { catchUp, type Reader } from "./catch_up.ts";
import type { Process } from "./process.ts";

/** A client, whose calls wait for the next connection. */
export interface Starter extends Reader {
  call: Reader["call"] & ((method: "process/start", params: StartParams) => Promise<StartResult>);
}

/**
 * Sends the start. When the answer is lost, the returned session is asked again where it knows a repeated request, else
 * what became of it.
 * @param isComingBack Whether a lost session is being got back.
 * @throws What the calls do; `ERR_DISCONNECTED`: it may have started.
 */
export async function startOnce(
  client: Starter,
  process: Process,
  params: StartParams,
  isComingBack: () => boolean,
): Promise<void> {
  for (let wasLost = false; ; wasLost = true) {
    try {
      await client.call("process/start", params);
      // It may have come to its end meanwhile, of which nobody would tell again.
      if (wasLost) await catchUp(client, process);
      return;
    } catch (error) {
      if (!hasCode(error, "ERR_DISCONNECTED") || !isComingBack()) throw error;
      if (params.startOnce) continue;
      try {
        await catchUp(client, process);
      } catch {
        throw error;
      }
      return;
    }
  }
}
