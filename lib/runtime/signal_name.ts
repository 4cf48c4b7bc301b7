/** The names of this system's signals. */

import { constants } from "node:os";

const names = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
// Two names for one number: those that `kill -l` says.
for (const name of ["SIGABRT", "SIGIO"] as const) names.set(constants.signals[name], name);

/** `SIGKILL` for 9; `SIG34` for one that has no name, as those for real time. */
export function signalName(number: number): string {
  return names.get(number) ?? `SIG${number}`;
}
