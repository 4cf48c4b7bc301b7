/** The common policies by their names, in the form that servers since 0.169.0 take. */

import { pathToUri } from "./path_uri.ts";
import type { Sandbox, SandboxEntry, SandboxMode } from "./sandbox.ts";

export const sandboxModes: readonly SandboxMode[] = ["read-only", "workspace-write", "danger-full-access"];

/** What a mode stands for; `roots` are native paths. */
export function sandboxOf(mode: SandboxMode, roots: readonly string[], network = false): Sandbox {
  if (mode === "danger-full-access")
    return { permissions: { type: "disabled" }, windowsSandboxLevel: "disabled" };
  const special = (kind: string, access: "read" | "write"): SandboxEntry => ({
    path: { type: "special", value: { kind } },
    access,
  });
  const writable = ["project_roots", "slash_tmp", "tmpdir"].map((kind) => special(kind, "write"));
  const workspaceRoots = roots.map(pathToUri);
  const [cwd = pathToUri("/")] = workspaceRoots;
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
    policyContext: { cwd, workspaceRoots },
    windowsSandboxLevel: "disabled",
  };
}
