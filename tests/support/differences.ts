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

export const differences = {
} as const satisfies Record<string, Difference>;
void [both, old, recent];
