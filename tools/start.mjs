/** `npm start`: installs and builds what is missing, then runs the executable with the arguments given. */

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { build } from "./build.mjs";
import { runMain, ToolError } from "./report.mjs";
import { setup } from "./setup.mjs";

runMain(async () => {
  process.exitCode = await run(build(setup()), process.argv.slice(2));
});

/** Runs a program in our place. Resolves with its exit status, 128 + n when signal n ended it. */
function run(program, args) {
  const child = spawn(program, args, { stdio: "inherit" });
  // The terminal sends these to the whole foreground group, so the child has had its own: stay until it ends.
  for (const signal of ["SIGINT", "SIGQUIT"]) process.on(signal, () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new ToolError(`Cannot run ${program}: ${error.message}`)));
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
