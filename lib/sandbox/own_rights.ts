/** Does something without the rights of the administrator, as a confined process would. */

import type { Kernel } from "../runtime/runtime.ts";
import { type Architecture, callNumber } from "./system_calls.ts";

const VERSION = 0x20080522;
/** Two halves, each with what is in effect, what could be, and what is inherited. */
const DATA_BYTES = 24;

/** What is in effect belongs to a thread: nobody else loses it meanwhile. */
export function withoutRights<T>(kernel: Kernel, architecture: Architecture, action: () => T): T {
  const header = new Uint8Array(new Uint32Array([VERSION, 0]).buffer);
  const rights = new Uint8Array(DATA_BYTES);
  const capset = callNumber(architecture, "capset")!;
  if (kernel.call(callNumber(architecture, "capget")!, header, rights) !== 0) throw failed("read");
  const [low, , , high] = new Uint32Array(rights.buffer) as unknown as number[];
  if (low === 0 && high === 0) return action();
  const none = rights.slice();
  new Uint32Array(none.buffer)[0] = 0;
  new Uint32Array(none.buffer)[3] = 0;
  const set = (wanted: Uint8Array, what: string): void => {
    if (kernel.call(capset, header, wanted) !== 0) throw failed(what);
  };
  set(none, "lay down");
  try {
    return action();
  } finally {
    set(rights, "take up");
  }
}

function failed(what: string): Error {
  return new Error(`Cannot ${what} the rights of this program`);
}
