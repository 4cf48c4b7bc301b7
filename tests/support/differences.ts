/** Every known difference between the servers, in one place. Each is asserted, so that it is seen to change. */

import type { ServerId } from "./servers.ts";

/** What some servers do otherwise than the protocol wants of ours. */
export interface Difference {
  why: string;
  does: Partial<Record<ServerId, unknown>>;
}

const both = (does: unknown): Difference["does"] => ({ "codex-0.138.0": does, "codex-0.169.0": does });
const old = (does: unknown): Difference["does"] => ({ "codex-0.138.0": does });
const recent = (does: unknown): Difference["does"] => ({ "codex-0.169.0": does });

const lastIdWins = "-32601 id 2, stays";

export const differences = {
  "bad id": {
    why: "0.138.0 takes such a request for a notification, and closes",
    does: old("closes"),
  },
  "repeated id": {
    why: "0.138.0 as above; ours lets the last of repeated keys win, as the protocol allows",
    does: { ...old("closes"), bun: lastIdWins, deno: lastIdWins, executable: lastIdWins },
  },
  "repeated key": {
    why: "0.169.0 rejects them, ours need not",
    does: recent("-32600 id -1, stays"),
  },
  "value limit": { why: "0.138.0 has none", does: old("-32601 id 1, stays") },
  "$/ notification": {
    why: "ours ignores what is optional in other JSON-RPC protocols",
    does: both("closes"),
  },
  environmentInfo: { why: "0.138.0 has to be asked", does: old(undefined) },
  "method process/signal": { why: "came after 0.138.0", does: old(false) },
  "method environment/status": { why: "came after 0.138.0", does: old(false) },
  "method process/resize": { why: "ours alone", does: both(false) },
  "method process/closeStdin": { why: "ours alone", does: both(false) },
  "environment/status": { why: "came after 0.138.0", does: old(undefined) },
} as const satisfies Record<string, Difference>;
void [both, old, recent];
