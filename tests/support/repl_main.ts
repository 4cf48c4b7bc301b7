/** Runs the REPL on the environments of `CODEX_HOME`: `repl_main.ts [ENVIRONMENT]`, with `REPL_HISTORY` as its file. */

import process from "node:process";
import { EnvironmentManager } from "../../lib/environments/manager.ts";
import { runRepl } from "../../lib/repl/repl.ts";
import { currentRuntime } from "../../lib/runtime/runtime.ts";

const runtime = await currentRuntime();
const manager = await EnvironmentManager.open();
process.exit(
  await runRepl({
    manager,
    runtime,
    environmentId: process.argv[2],
    historyFile: process.env.REPL_HISTORY || null,
  }),
);
