/** Chooses a command by the first word and turns what it throws into a message and an exit status. */

import { HelpRequested, suggestion } from "../flags/flags.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { runsAsProgram } from "../sandbox/own_program.ts";
import { refuseUndecodable } from "./arguments.ts";
import { complain, exitStatus, OutputFailed, outputFailure, print } from "./output.ts";

type Command = (args: readonly string[]) => Promise<number>;

/** Each is loaded when it is chosen: the server starts without the client, and the other way round. */
const commands: Record<string, () => Promise<Command>> = {
  serve: async () => (await import("./serve.ts")).serve,
  run: async () => (await import("./run.ts")).run,
  mcp: async () => (await import("./mcp.ts")).mcp,
  http: async () => (await import("./http.ts")).http,
  env: async () => (await import("./env.ts")).env,
  repl: async () => (await import("./repl.ts")).repl,
  ...Object.fromEntries(
    ["cp", "ls", "cat", "rm", "mkdir", "stat", "search", "watch"].map((name) => [
      name,
      async () => (await import("./files.ts")).fileCommand(name),
    ]),
  ),
};

/** Runs the program with its arguments; answers the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const [first] = args;
  runsAsProgram();
  try {
    refuseUndecodable(args);
    if (first === "--version" || first === "-V") {
      const { version } = await import("../protocol/version.ts");
      print(`exec-server ${version}`);
      return exitStatus.ok;
    }
    if (asksForHelp(first)) return await help(asksForHelp(args[1]) ? undefined : args[1]);
    if (first === undefined) return await (await commands.repl!())([]);
    // So that the program can stand where `codex exec-server` stood.
    const name = commandOf(first);
    if (name === undefined) {
      throw new ExecServerError(
        "ERR_USAGE",
        `Unknown command "${first}"${suggestion(first, [...Object.keys(commands), "help"])}`,
      );
    }
    const rest = first.startsWith("-") ? args : args.slice(1);
    return await (await commands[name]!())(rest).catch((error) => {
      if (error instanceof HelpRequested) return help(name);
      throw error;
    });
  } catch (error) {
    return report(error, commandOf(first));
  }
}

/** What the first word chooses; undefined when it is none of ours. */
function commandOf(first: string | undefined): string | undefined {
  if (first === undefined) return undefined;
  const name = first.startsWith("-") ? "serve" : first;
  return Object.hasOwn(commands, name) ? name : undefined;
}

function asksForHelp(word: string | undefined): boolean {
  return word === "help" || word === "--help" || word === "-h";
}

async function help(command: string | undefined): Promise<number> {
  const { helpText } = await import("./help.ts");
  if (command !== undefined && !Object.hasOwn(commands, command)) {
    throw new ExecServerError(
      "ERR_USAGE",
      `Unknown command "${command}"${suggestion(command, Object.keys(commands))}`,
    );
  }
  print(helpText(command));
  return exitStatus.ok;
}

function report(error: unknown, command: string | undefined): number {
  if (error instanceof OutputFailed) return outputFailure(error);
  if (!(error instanceof ExecServerError)) throw error;
  switch (error.code) {
    case "ERR_USAGE":
      complain(`exec-server: ${error.message}\nTry "exec-server ${command ? `${command} ` : ""}--help".`);
      return exitStatus.usage;
    case "ERR_LISTEN":
      // In the form of the peer, which launchers may look at.
      complain(`Error: ${error.message}`);
      return exitStatus.failed;
    default:
      complain(`exec-server: ${error.message}`);
      return exitStatus.failed;
  }
}
