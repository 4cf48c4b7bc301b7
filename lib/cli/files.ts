/** `exec-server cp`, `ls`, `cat`, `rm`, `mkdir`, `stat`, `search` and `watch`: files of environments, from a command line. */

import process from "node:process";
import type { Client } from "../client/client.ts";
import { FsError } from "../client/fs/error.ts";
import { bytesOfText } from "../client/fs/path.ts";
import { type Environment, localEnvironment } from "../environments/environment.ts";
import { EnvironmentManager } from "../environments/manager.ts";
import { LOCAL_ID } from "../environments/toml.ts";
import { fileStatus, type Output, problemText } from "../files/command.ts";
import { fileCommands } from "../files/commands.ts";
import { Places } from "../files/places.ts";
import { environmentPlace, herePlace, type Place } from "../files/target.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import { currentRuntime, type Runtime } from "../runtime/runtime.ts";
import { complain, exitStatus, OutputFailed, printBytes, printStatus } from "./output.ts";

/** The command of that name. */
export function fileCommand(name: string): (args: readonly string[]) => Promise<number> {
  return (args) => run(name, args);
}

async function run(name: string, args: readonly string[]): Promise<number> {
  const runtime = await currentRuntime();
  await using manager = await EnvironmentManager.open();
  const known = manager.all.find(({ id }) => id === LOCAL_ID);
  // Files of this machine can be copied also where commands may not run on it.
  await using own = known ? undefined : localEnvironment(runtime);
  const here = herePlace((known ?? own)!.fs, process.cwd());
  const output = terminalOutput(runtime);
  const told = new Set<Environment>();
  const environment = (id?: string): Environment => {
    const found = manager.get(id);
    if (!told.has(found)) tellOfBreaks(found, output);
    told.add(found);
    return found;
  };
  const places = new Places({
    environment,
    plain: name === "cp" ? () => here : (): Place => environmentPlace(environment()),
  });
  const interruption = interruptible();
  try {
    const status = await fileCommands[name]!.run(
      {
        locate: (text, environment) => places.locate(text, environment),
        output,
        signal: interruption.signal,
      },
      args,
    );
    return interruption.status() ?? status;
  } catch (error) {
    const status = interruption.status();
    if (status !== undefined) return status;
    if (!(error instanceof FsError) && !(error instanceof RpcError)) {
      if (!(error instanceof ExecServerError) || error.code === "ERR_USAGE") throw error;
    }
    complain(`exec-server: ${problemText(error)}`);
    return exitStatus.failed;
  } finally {
    interruption.release();
  }
}

/** While a connection is being got back, nothing else would move. */
function tellOfBreaks(environment: Environment, output: Output): void {
  const tell = (client: Client): void => {
    client.onConnectionChange((change) => {
      output.status?.show(undefined);
      output.say(
        change.kind === "lost"
          ? `The connection to "${environment.id}" is lost, trying to get it back: ${change.reason.message}`
          : `The connection to "${environment.id}" is back`,
      );
    });
  };
  // Who uses it is told why it cannot be had.
  environment.client().then(tell, () => {});
}

/** Ctrl-C ends what is going on in order; a second one ends at once. */
function interruptible(): { signal: AbortSignal; status(): number | undefined; release(): void } {
  const controller = new AbortController();
  let ended: number | undefined;
  const statuses = { SIGINT: fileStatus.interrupted, SIGTERM: 143, SIGHUP: 129 };
  const undo = Object.entries(statuses).map(([name, status]) => {
    const onSignal = (): void => {
      if (controller.signal.aborted) process.exit(status);
      ended = status;
      controller.abort(new ExecServerError("ERR_CLOSED", "Interrupted"));
    };
    process.on(name, onSignal);
    return () => process.off(name, onSignal);
  });
  return {
    signal: controller.signal,
    status: () => ended,
    release: () => {
      for (const off of undo) off();
    },
  };
}

function terminalOutput(runtime: Runtime): Output {
  const { stdout, stderr } = process;
  const sink = runtime.stdout();
  return {
    line: (text) => printBytes(bytesOfText(`${text}\n`)),
    bytes: (bytes) =>
      sink.write(bytes).catch((error) => {
        throw new OutputFailed(error);
      }),
    say: (text) => complain(`exec-server: ${text}`),
    columns: stdout.isTTY ? stdout.columns : undefined,
    ...(stderr.isTTY && process.env.TERM !== "dumb"
      ? {
          status: {
            get columns(): number {
              return stderr.getWindowSize?.()[0] ?? stderr.columns ?? 80;
            },
            show: printStatus,
          },
        }
      : {}),
  };
}
