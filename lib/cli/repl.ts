/** `exec-server repl`: opens the prompt. */

import { join } from "node:path";
import process from "node:process";
import { codexHome } from "../environments/config.ts";
import { EnvironmentManager } from "../environments/manager.ts";
import { type FlagSpec, parseFlags } from "../flags/flags.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { currentRuntime } from "../runtime/runtime.ts";
import { complain } from "./output.ts";
import { parseSandboxMode } from "./sandbox_flag.ts";

export const replFlags = {
  sandbox: {
    type: "string",
    value: "MODE",
    help: "Confine every line: read-only, workspace-write (the folder\nwhere the prompt begins) or danger-full-access",
  },
  "no-history": { type: "boolean", help: "Read and keep no history" },
} as const satisfies Record<string, FlagSpec>;

export async function repl(args: readonly string[]): Promise<number> {
  const { flags, rest } = parseFlags(args, replFlags);
  if (rest.length > 1)
    throw new ExecServerError("ERR_USAGE", `"repl" takes one environment, not also "${rest[1]}"`);
  const sandbox = flags.sandbox === undefined ? undefined : parseSandboxMode(flags.sandbox);
  const runtime = await currentRuntime();
  await using manager = await EnvironmentManager.open();
  for (const warning of manager.config.warnings) complain(`exec-server: ${warning}`);
  // Loaded here: the server does without it.
  const { runRepl } = await import("../repl/repl.ts");
  return await runRepl({
    manager,
    runtime,
    historyFile: flags["no-history"] ? null : historyFile(),
    ...(sandbox === undefined ? {} : { sandbox }),
    ...(rest[0] === undefined ? {} : { environmentId: rest[0] }),
  });
}

function historyFile(): string | null {
  try {
    return join(codexHome({ env: process.env }), "exec-server", "history");
  } catch {
    // No home: nothing is kept.
    return null;
  }
}
