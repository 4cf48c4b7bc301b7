/** The client REPL: lines are run by the shell of an environment, here or elsewhere. */

import process from "node:process";
import { isatty } from "node:tty";
import type { EnvironmentManager } from "../environments/manager.ts";
import type { SandboxMode } from "../protocol/sandbox.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { History } from "./history.ts";
import { runInteractive } from "./interactive.ts";
import { Screen } from "./screen.ts";
import { readCommands } from "./script_reader.ts";
import { OWN_FAILURE, Session } from "./session.ts";
import { createStyle, wantsColours } from "./style.ts";
import { Terminal } from "./terminal.ts";

/** Settings of the REPL. Streams and variables are those of the program. */
export interface ReplOptions {
  manager: EnvironmentManager;
  runtime: Runtime;
  /** Where lines go first. @default The default environment of the manager. */
  environmentId?: string | undefined;
  /** Lines of former sessions, and of this one; null to keep none. Not used for scripts. */
  historyFile: string | null;
  /** Lines are run in it, with the folder where a shell begins as the workspace. */
  sandbox?: SandboxMode;
}

/** What a shell says of a program that wrote to nobody. */
const BROKEN_PIPE = 128 + 13;

/**
 * Reads lines from standard input and runs them until `exit`, Ctrl-D or the end. If input and output are
 * terminals, it prompts; otherwise it runs a script. Closes the environments it has used.
 *
 * @returns The exit status: that of the last line or of `exit`; 255 when the environment of a script cannot be
 *   reached or its output not be written; 128 + n after signal n.
 * @throws {ExecServerError} `ERR_UNKNOWN_ENVIRONMENT`, `ERR_NO_DEFAULT_ENVIRONMENT`; nothing was started.
 */
export async function runRepl(options: ReplOptions): Promise<number> {
  const { manager, runtime, environmentId, sandbox } = options;
  manager.get(environmentId);
  const isInteractive = isatty(0) && isatty(1);
  const stdout = runtime.stdout();
  const screenOptions = {
    stdout,
    stderr: runtime.stderr(),
    isTerminal: isInteractive,
    style: createStyle(wantsColours(isInteractive, process.env)),
  };
  if (!isInteractive) {
    const screen = new Screen({ ...screenOptions, columns: () => 80 });
    const session = new Session({ manager, screen, sandbox, history: new History(null) });
    return await runScript(session, runtime, environmentId);
  }
  using terminal = new Terminal(runtime.stdin());
  const screen = new Screen({
    ...screenOptions,
    // Asked for by `2>file`.
    stderrElsewhere: !isatty(2),
    columns: () => terminal.size.columns,
  });
  const session = new Session({
    manager,
    screen,
    sandbox,
    history: new History(options.historyFile),
    terminal,
  });
  try {
    await runInteractive(session, terminal, environmentId);
  } finally {
    await session.leave();
  }
  return session.exitStatus;
}

async function runScript(
  session: Session,
  runtime: Runtime,
  environmentId: string | undefined,
): Promise<number> {
  const source = runtime.stdin();
  const stop = (status: number) => (): void => {
    session.quit(status);
    session.interruptForeground();
    source.cancel();
  };
  const signals = { SIGINT: stop(130), SIGTERM: stop(143), SIGHUP: stop(129) };
  for (const [name, listener] of Object.entries(signals)) process.on(name, listener);
  // A program that writes for ever would not end by itself, as its own output is taken.
  session.screen.onBroken = (stream, error) => {
    const hasGone = (error as NodeJS.ErrnoException).code === "EPIPE";
    if (!hasGone) {
      const name = stream === "stdout" ? "output" : "error";
      session.screen.say(`Cannot write standard ${name}: ${error.message}`);
    }
    session.quit(hasGone ? BROKEN_PIPE : OWN_FAILURE);
    session.endForeground();
    source.cancel();
  };
  try {
    if (!(await session.connect(session.begin(environmentId)))) return OWN_FAILURE;
    for await (const text of readCommands(source)) {
      if (session.ended) break;
      await session.run(text);
      if (session.ended) break;
    }
    await session.screen.flush();
    return session.exitStatus;
  } finally {
    for (const [name, listener] of Object.entries(signals)) process.removeListener(name, listener);
    source.cancel();
    await session.leave();
  }
}
