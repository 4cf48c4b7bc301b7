/** Sends signals to a job: by the server, or where that cannot, by a `kill` on its machine. */

import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import type { SignalName } from "../protocol/process.ts";
import { shellSignal } from "./exit_status.ts";
import type { Job } from "./job.ts";
import type { Shell } from "./shell.ts";

/**
 * Signals the process group of a job.
 * @throws {ExecServerError} `ERR_UNSUPPORTED`: neither way is there.
 */
export async function signalJob(shell: Shell | undefined, job: Job, signal: SignalName): Promise<void> {
  // When the shell has ended, the server signals no more, but the group may live on.
  if (job.state === "left") {
    await killGroup(shell, job, signal);
    return;
  }
  try {
    await job.process.signal(signal);
  } catch (error) {
    if (!isUnsupported(error) || job.pid === undefined) throw error;
    await killGroup(shell, job, signal);
  }
}

/** Ends a job: asks all of it, and has it killed when it still runs after this time. */
export async function endJob(shell: Shell | undefined, job: Job, graceMs: number): Promise<void> {
  if (job.state === "left") await killGroup(shell, job, "kill");
  else await job.process.terminate({ graceMs });
}

async function killGroup(shell: Shell | undefined, job: Job, signal: SignalName): Promise<void> {
  if (!shell?.info || job.pid === undefined) {
    throw new ExecServerError(
      "ERR_UNSUPPORTED",
      `Job ${job.id} cannot be signalled: its process number is not known`,
    );
  }
  const { path } = shell.info.shell;
  const script = 'kill -s "$1" -- "-$2" 2>/dev/null';
  const process = await shell.run([path, "-c", script, "kill", shellSignal(signal), String(job.pid)], {
    // Wherever the shell stands, which may be gone.
    cwd: "/",
  });
  const end = await process.wait();
  if (end.kind !== "exited" || end.exitCode === 0) return;
  throw new ExecServerError(
    "ERR_UNSUPPORTED",
    `Job ${job.id} cannot be signalled: its process group has gone`,
  );
}

/** Version 0.138.0 has no `process/signal` and says so with a code of its own choice. */
function isUnsupported(error: unknown): boolean {
  if (error instanceof ExecServerError) return error.code === "ERR_UNSUPPORTED";
  return (
    error instanceof RpcError &&
    (error.code === rpcCode.methodNotFound || /not implement/.test(error.message))
  );
}
