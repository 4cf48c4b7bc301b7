/** Exit statuses and signals, as people call them. */

import { constants } from "node:os";
import type { SignalName } from "../protocol/process.ts";

/** `exit 3`, `exit 137 (SIGKILL)`. */
export function describeStatus(exitCode: number): string {
  // From 0.138.0 for every signal, from ours where it is not known.
  if (exitCode < 0) return "ended without an exit status";
  const signal = signalOf(exitCode);
  return signal ? `exit ${exitCode} (${signal})` : `exit ${exitCode}`;
}

/** The signal behind a status of 128 + n. */
export function signalOf(exitCode: number): string | undefined {
  if (exitCode <= 128) return undefined;
  return Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
}

/** Names that `:kill` takes, with and without `SIG`, in any case, and the numbers. */
const signals: Record<string, SignalName> = {
  INT: "interrupt",
  INTERRUPT: "interrupt",
  "2": "interrupt",
  HUP: "hangup",
  HANGUP: "hangup",
  "1": "hangup",
  QUIT: "quit",
  "3": "quit",
  KILL: "kill",
  "9": "kill",
  TERM: "terminate",
  TERMINATE: "terminate",
  "15": "terminate",
  USR1: "user1",
  "10": "user1",
  USR2: "user2",
  "12": "user2",
  STOP: "stop",
  "19": "stop",
  CONT: "continue",
  CONTINUE: "continue",
  "18": "continue",
};

/** Signals that completion offers. */
export const signalNames: readonly string[] = [
  "INT",
  "TERM",
  "KILL",
  "HUP",
  "QUIT",
  "USR1",
  "USR2",
  "STOP",
  "CONT",
];

export function parseSignal(text: string): SignalName | undefined {
  const key = text.toUpperCase().replace(/^-/, "").replace(/^SIG/, "");
  return Object.hasOwn(signals, key) ? signals[key] : undefined;
}

/** The name that the shell's `kill -s` takes. */
export function shellSignal(signal: SignalName): string {
  return signalNames.find((name) => signals[name] === signal)!;
}
