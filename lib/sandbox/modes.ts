/** The policies that have a name, for command lines. */

import { RpcError } from "../protocol/errors.ts";
import { pathToUri } from "../protocol/path_uri.ts";
import type { Sandbox, SandboxEntry, SandboxMode } from "../protocol/sandbox.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { CannotEnforce } from "./ground.ts";
import { mechanisms } from "./mechanisms.ts";
import { diskWithoutPlaceholders } from "./placeholders.ts";
import { planFor } from "./plan.ts";
import type { Policy } from "./policy.ts";
import { resolvePolicy } from "./resolve.ts";

export const sandboxModes: readonly SandboxMode[] = ["read-only", "workspace-write", "danger-full-access"];

/** What a mode stands for, in the form that servers since 0.169.0 take. */
export function sandboxOf(mode: SandboxMode, roots: readonly string[], network: boolean): Sandbox {
  if (mode === "danger-full-access") return { permissions: { type: "disabled" } };
  const special = (kind: string, access: "read" | "write"): SandboxEntry => ({
    path: { type: "special", value: { kind } },
    access,
  });
  const writable = ["project_roots", "slash_tmp", "tmpdir"].map((kind) => special(kind, "write"));
  const uris = roots.map(pathToUri);
  const [cwd = pathToUri("/")] = uris;
  return {
    permissions: {
      type: "managed",
      file_system: {
        type: "restricted",
        entries: [special("root", "read"), ...(mode === "workspace-write" ? writable : [])],
      },
      network: network ? "enabled" : "restricted",
    },
    cwd,
    policyContext: { cwd, workspaceRoots: uris },
    workspaceRoots: uris,
  };
}

/** A policy that nothing on a server reaches beyond. */
export function ceilingOf(
  mode: SandboxMode,
  roots: readonly string[],
  network: boolean,
  tmpdir?: string,
): Policy {
  return resolvePolicy(sandboxOf(mode, roots, network), { purpose: "process", cwd: "/", tmpdir });
}

/** Why a policy cannot be enforced here; undefined when it can. */
export function whyNotEnforceable(runtime: Runtime, policy: Policy): string | undefined {
  try {
    planFor(policy, () => mechanisms(runtime.kernel()), diskWithoutPlaceholders);
    return undefined;
  } catch (error) {
    if (error instanceof CannotEnforce || error instanceof RpcError) return error.message;
    throw error;
  }
}
