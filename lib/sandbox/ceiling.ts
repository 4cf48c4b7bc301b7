/** Policies for a whole server. */

import type { SandboxInfo } from "../protocol/environment.ts";
import { RpcError } from "../protocol/errors.ts";
import type { SandboxMode } from "../protocol/sandbox.ts";
import { sandboxOf } from "../protocol/sandbox_modes.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { CannotEnforce } from "./ground.ts";
import { mechanisms } from "./mechanisms.ts";
import { diskWithoutPlaceholders } from "./placeholders.ts";
import { planFor } from "./plan.ts";
import type { Policy } from "./policy.ts";
import { resolvePolicy } from "./resolve.ts";

/** A policy that nothing on a server reaches beyond. */
export function ceilingOf(
  mode: SandboxMode,
  roots: readonly string[],
  network: boolean,
  tmpdir?: string,
): Policy {
  return resolvePolicy(sandboxOf(mode, roots, network), { purpose: "process", cwd: "/", tmpdir });
}

/** What `environment/info` says of this machine. */
export function sandboxInfo(runtime: Runtime): SandboxInfo {
  const tried = Object.entries(mechanisms(runtime.kernel()));
  return {
    mechanisms: tried.filter(([, { works }]) => works).map(([name]) => name),
    missing: Object.fromEntries(tried.flatMap(([name, one]) => (one.works ? [] : [[name, one.why]]))),
  };
}

/** Why a policy cannot be enforced here; undefined when it can. */
export function whyNotEnforceable(runtime: Runtime, policy: Policy): string | undefined {
  try {
    planFor(policy, () => mechanisms(runtime.kernel()), diskWithoutPlaceholders());
    return undefined;
  } catch (error) {
    if (error instanceof CannotEnforce || error instanceof RpcError) return error.message;
    throw error;
  }
}
