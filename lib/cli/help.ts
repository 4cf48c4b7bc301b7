/** The texts of `--help`. */

import { type FileCommand, fileCommands } from "../files/commands.ts";
import { flagLines } from "../flags/flags.ts";
import { version } from "../protocol/version.ts";
import { envFlags } from "./env.ts";
import { httpFlags } from "./http.ts";
import { mcpFlags } from "./mcp.ts";
import { replFlags } from "./repl.ts";
import { runFlags } from "./run.ts";
import { serveFlags } from "./serve.ts";

const texts: Record<string, () => string> = {
  serve: () => `Run the server: let clients run programs here.

Usage: exec-server serve [--listen URL] [FLAGS]
       exec-server --listen URL [FLAGS]

Prints the address that was bound, one line, and runs until SIGINT, SIGTERM or,
over stdio, the end of input. GET /readyz answers 200.

${flagLines(serveFlags)}

Example: exec-server serve --listen ws://127.0.0.1:4500`,
  run: () => `Run one command in an environment, as "ssh host command".

Usage: exec-server run [-e ID] [-t] [FLAGS] [--] CMD [ARG…]

Input goes to the command, its output comes back as it is, and its exit status
is ours: 128+n after signal n, 124 after a limit, 255 when we failed, and 254
when the connection was lost and nobody knows how the command ended. A command
that a limit ends is asked first (SIGTERM) and killed after 2 s. Signals go to
the command: a second one asks it to end, a third kills it.

${flagLines(runFlags)}

Example: tar c src | exec-server run -e build-box --cwd /srv -- tar x`,
  mcp: () => `Run an MCP server in an environment, for an MCP host on this machine.

Usage: exec-server mcp [-e ID] [FLAGS] [--] CMD [ARG…]

Standard input and output carry the messages, one a line; what the server says
to people comes on standard error. The server ends with the input. Exit status 0
then, and 1 when it could not be started, ended by itself, or was lost.

${flagLines(mcpFlags)}

Example, in the settings of an MCP host:
  {"command": "exec-server", "args": ["mcp", "-e", "build-box", "--", "my-mcp-server"]}`,
  http: () => `Make one HTTP request from an environment's machine, in the way of curl.

Usage: exec-server http [-e ID] [FLAGS] [METHOD] URL

The body of the answer goes to standard output as it comes, not decompressed.
Exit status 0 for any answer, 1 when there is none or it is not whole, 22 with
--fail, 124 after --max-time, and 254 when the connection to the environment was
lost and nobody knows whether the request was carried out.

${flagLines(httpFlags)}

Example: exec-server http -e build-box -H @token.txt -d @job.json POST https://ci.example/jobs`,
  env: () => `Show the environments, or try them.

Usage: exec-server env list [--json]
       exec-server env check [--json] [ID…]

"check" connects to each (or to those named) and says what it found. Exit
status 1 if any fails.

${flagLines(envFlags)}`,
  repl: () => `Open a prompt on an environment.

Usage: exec-server repl [ENVIRONMENT]
       exec-server

Each line is run by the environment's shell. ":help" there explains the rest.
A script on standard input is run without a prompt.

${flagLines(replFlags)}`,
  ...Object.fromEntries(
    Object.entries(fileCommands).map(([name, command]) => [name, () => fileHelp(name, command)]),
  ),
};

function fileHelp(name: string, { usage, summary, flags, details, example }: FileCommand): string {
  const paths =
    name === "cp"
      ? `A path is of this machine; ENV:path is of an environment, ":path" of the default
one, and "./a:b" a file of that name.`
      : `A PATH is ENV:path, or a path in the environment of -e, or in the default one.`;
  return [
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.`,
    `Usage: exec-server ${name} ${usage}`,
    `${paths}
Relative paths of an environment begin where its commands run; ~ is its home.`,
    ...(details === "" ? [] : [details]),
    flagLines(flags),
    `Example: exec-server ${example}`,
  ].join("\n\n");
}

/** Help for a command, or for the whole program. */
export function helpText(command?: string): string {
  const text = command === undefined ? undefined : texts[command];
  return text ? text() : overview();
}

function overview(): string {
  return `exec-server ${version}: run processes and terminals on another machine

Usage: exec-server [COMMAND] [FLAGS]

  repl [ENVIRONMENT]      Open a prompt on an environment (also without a command)
  run [-e ID] -- CMD …    Run one command in an environment
  mcp [-e ID] -- CMD …    Run an MCP server in an environment, for a host here
  http [-e ID] URL        Make one HTTP request from an environment
  cp [-r] SRC… DST        Copy files and trees; either side may be ENV:path
  ls, cat, rm, mkdir, stat, search, watch …
                          Work with the files of an environment
  env list | check [ID…]  Show the environments, or try them
  serve --listen URL      Run the server (also without the word "serve")
  help [COMMAND]          Explain a command

Environments are configured in CODEX_HOME/environments.toml; without it there
is "local", this machine. "exec-server help COMMAND" shows the flags.`;
}
