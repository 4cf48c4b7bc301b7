/** The names of this system's signals. */

import { nodeOs } from "./node_modules.ts";

let names: Map<number, string> | undefined;

/** `SIGKILL` for 9; `SIG34` for one that has no name, as those for real time. */
export function signalName(number: number): string {
  names ??= allNames();
  return names.get(number) ?? `SIG${number}`;
}

function allNames(): Map<number, string> {
  const { signals } = nodeOs().constants;
  const all = new Map<number, string>(Object.entries(signals).map(([name, number]) => [number, name]));
  // Two names for one number: those that `kill -l` says.
  for (const name of ["SIGABRT", "SIGIO"] as const) all.set(signals[name], name);
  return all;
}
