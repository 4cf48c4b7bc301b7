/** What the launcher tells over its pipe. */

import { osErrorText } from "../runtime/os_error.ts";
import { type ByteSource, type Child, SpawnError } from "../runtime/runtime.ts";
import { CannotEnforce } from "./ground.ts";
import { launcherStarted, launcherStep } from "./launcher.ts";

/** How much of what bubblewrap says is repeated. */
const MAX_MESSAGE_BYTES = 2000;

/**
 * Settles when the program runs: the pipe has ended without word of a failure. Then `running` has been called.
 * @throws {SpawnError} The program cannot be started.
 * @throws {CannotEnforce} The sandbox could not be made.
 */
export async function watchLaunch(status: ByteSource, child: Child, running: () => void): Promise<void> {
  const told: number[] = [];
  for (;;) {
    const bytes = await status.read();
    if (bytes === null) break;
    told.push(...bytes);
  }
  const [started, step, errno] = told;
  if (started === launcherStarted && step === undefined) return running();
  const message = started === undefined ? await lastWords(child) : undefined;
  await child.exited;
  for (const source of [child.stdout, child.stderr]) source?.cancel();
  child.stdin?.destroy();
  if (step === launcherStep.program) throw new SpawnError(errno!, osErrorText(errno!));
  if (message !== undefined) throw new CannotEnforce(message || "it ended before it was made");
  throw new CannotEnforce(`step ${step} of the launch: ${osErrorText(errno ?? 0)}`);
}

/** Of bubblewrap: why it cannot. */
async function lastWords(child: Child): Promise<string> {
  const source = child.stderr ?? child.stdout;
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const bytes = await source.read().catch(() => null);
    if (bytes === null) break;
    if (text.length < MAX_MESSAGE_BYTES) text += decoder.decode(bytes, { stream: true });
  }
  return text.trim().slice(0, MAX_MESSAGE_BYTES);
}
