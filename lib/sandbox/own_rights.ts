/** Does something without the rights of the administrator, as a confined process would. */

import type { Kernel } from "../runtime/runtime.ts";
import { type Architecture, callNumber } from "./system_calls.ts";

const VERSION = 0x20080522;
/** Two halves, each with what is in effect, what could be, and what is inherited. */
const DATA_BYTES = 24;

/** CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, and to become another user: SETGID, SETUID. */
const FILE_RIGHTS = 0b1101_1111;

/** Those of the administrator's rights that are about files and users, as far as this program has them: a set of bits. */
export function fileRights(kernel: Kernel, architecture: Architecture): number {
  return readRights(kernel, architecture)[1]! & FILE_RIGHTS;
}

/** For each half what is in effect, what could be, and what is inherited. */
function readRights(kernel: Kernel, architecture: Architecture): Uint32Array {
  const rights = new Uint8Array(DATA_BYTES);
  if (kernel.call(callNumber(architecture, "capget")!, header(), rights) !== 0) throw failed("read");
  return new Uint32Array(rights.buffer);
}

function header(): Uint8Array {
  return new Uint8Array(new Uint32Array([VERSION, 0]).buffer);
}

/** What is in effect belongs to a thread: nobody else loses it meanwhile. */
export function withoutRights<T>(kernel: Kernel, architecture: Architecture, action: () => T): T {
  const rights = readRights(kernel, architecture);
  if (rights[0] === 0 && rights[3] === 0) return action();
  const none = rights.slice();
  none[0] = 0;
  none[3] = 0;
  const capset = callNumber(architecture, "capset")!;
  const set = (wanted: Uint32Array, what: string): void => {
    if (kernel.call(capset, header(), new Uint8Array(wanted.buffer)) !== 0) throw failed(what);
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
