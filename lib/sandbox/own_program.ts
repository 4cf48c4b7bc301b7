/** How this program is started again inside a sandbox, to serve files there. */

import type { Runtime } from "../runtime/runtime.ts";

/** Command and first arguments, and the files that must be readable for it. */
export interface OwnProgram {
  command: readonly string[];
  files: readonly string[];
}

let isOurs = false;

/** Called where the program begins: who only uses our modules must not be started again in our place. */
export function runsAsProgram(): void {
  isOurs = true;
}

/** Undefined within the program of somebody else. */
export function ownProgram(runtime: Runtime): OwnProgram | undefined {
  return isOurs ? { command: runtime.selfCommand(), files: runtime.selfFiles() } : undefined;
}
