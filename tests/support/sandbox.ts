/** Sandboxes as a client asks for them, and what this machine has to make them. */

import { afterAll } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { LaunchOptions } from "./servers.ts";

/**
 * A folder outside those for temporary files, which `workspace-write` lets be written, and below which Codex makes no
 * helper links. That is the home directory, unless somebody has it there.
 */
export const beyondTemporary: string =
  [homedir(), "/var/tmp"].find((path) =>
    ["/tmp", tmpdir()].every((other) => !`${path}/`.startsWith(`${other}/`)),
  ) ?? homedir();

/** How servers are started whose sandboxes are asked for, until the end of the test file that says so. */
export function launchForSandboxes(): LaunchOptions {
  const home = mkdtempSync(join(beyondTemporary, ".exec-server-test-"));
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  return { env: { CODEX_HOME: home } };
}

/** Why bubblewrap cannot be used here; undefined when it can. Tests of what only it can do are skipped then. */
export const noBubblewrap: string | undefined = whyNoBubblewrap();

function whyNoBubblewrap(): string | undefined {
  if (process.platform !== "linux") return "not Linux";
  const args = [
    "--unshare-user",
    "--unshare-pid",
    "--ro-bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "--",
    "/bin/true",
  ];
  const { status, error, stderr } = spawnSync("/usr/bin/bwrap", args, { encoding: "utf8", env: {} });
  if (status === 0) return undefined;
  return `bubblewrap does not work: ${error?.message ?? stderr.trim()} (Debian package bubblewrap)`;
}

type Entry = object;

export const special = (kind: string, access: string): Entry => ({
  path: { type: "special", value: { kind } },
  access,
});
export const at = (path: string, access: string): Entry => ({
  path: { type: "path", path: pathToFileURL(path).href },
  access,
});
export const glob = (pattern: string): Entry => ({ path: { type: "glob_pattern", pattern }, access: "deny" });

/** What 0.169.0 sends. */
export function managed(workspace: string, entries: readonly Entry[], network = "restricted"): object {
  const uri = pathToFileURL(workspace).href;
  return {
    permissions: { type: "managed", network, file_system: { type: "restricted", entries } },
    cwd: uri,
    policyContext: { cwd: uri, workspaceRoots: [uri] },
    windowsSandboxLevel: "disabled",
  };
}

export const readOnly = (workspace: string): object => managed(workspace, [special("root", "read")]);

export const workspaceWrite = (workspace: string): object =>
  managed(workspace, [special("root", "read"), special("project_roots", "write")]);

/** Entries that make a folder writable without exception, as the kernel's file rules alone can express it. */
export const withoutExceptions = (folder: string): object[] => [
  at(folder, "write"),
  ...[".git", ".codex", ".agents", ".aws"].map((name) => at(join(folder, name), "write")),
];
