/** Notifications about processes, as what their handles take. */

import { serverNotifications } from "../protocol/methods.ts";
import { exitedEvent, type NumberedEvent } from "./sequencer.ts";

/**
 * The event that a notification is about, or undefined when it is about no process.
 * @throws {DecodeError}
 */
export function processEvent(
  method: string,
  params: unknown,
): { processId: string; event: NumberedEvent } | undefined {
  switch (method) {
    case "process/output": {
      const { processId, seq, stream, chunk } = serverNotifications["process/output"].decode(params);
      return { processId, event: { kind: "output", seq, stream, bytes: chunk } };
    }
    case "process/exited": {
      const { processId, seq, ...exit } = serverNotifications["process/exited"].decode(params);
      return { processId, event: exitedEvent(seq, exit) };
    }
    case "process/closed": {
      const { processId, ...closed } = serverNotifications["process/closed"].decode(params);
      return { processId, event: { kind: "closed", ...closed } };
    }
    default:
      return undefined;
  }
}
