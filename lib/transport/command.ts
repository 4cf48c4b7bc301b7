/** Launches a program and talks to it over its stdin and stdout. */

import process from "node:process";
import { TextLineStream } from "@std/streams";
import type { Channel } from "../jsonrpc/channel.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { findProgram } from "../runtime/find_program.ts";
import { type Child, type ExitStatus, type Runtime, SpawnError } from "../runtime/runtime.ts";
import { LineChannel } from "./lines.ts";

/** What to launch. */
export interface CommandOptions {
  /** Name or path of the program; a name is looked up in the PATH. */
  program: string;
  args: readonly string[];
  /** Laid over what the program inherits. */
  env?: Readonly<Record<string, string>>;
  /** @default The working directory of this program. */
  cwd?: string;
  /** Gets each line that the program writes to stderr. */
  onStderrLine?: (line: string) => void;
  /** Time between SIGTERM and SIGKILL at the end. @default {2_000} */
  graceMs?: number;
}

/** Credentials that a launched program does not inherit; `env` can hand them on. */
const withheld = [
  /^CODEX_API_KEY$/,
  /^CODEX_ACCESS_TOKEN$/,
  /^OPENAI_API_KEY$/,
  /^CODEX_EXEC_SERVER_.*(?:TOKEN|KEY|SECRET)/,
  /^NODE_REPL_AUTH_TOKEN$/,
];

/** A launched program. */
export interface Launched {
  channel: Channel;
  /** Settles when the program has ended. After the end of the channel that takes no longer than the grace time. */
  ended: Promise<ExitStatus>;
  /** The last line on stderr so far, cut to a sensible length. */
  lastStderrLine(): string;
}

const MAX_SHOWN_LINE = 300;
const LAST_WORDS_MS = 200;

/** @throws {ExecServerError} `ERR_SPAWN` */
export function launchCommand(runtime: Runtime, options: CommandOptions): Launched {
  const child = spawn(runtime, options);
  let lastLine = "";
  const drained = drainLines(child, (line) => {
    if (line.trim() !== "") lastLine = line.slice(0, MAX_SHOWN_LINE);
    options.onStderrLine?.(line);
  });
  let over = false;
  const ended = child.exited.then(async (status) => {
    over = true;
    // Its helpers end with it, and what it said last is heard.
    child.signalGroup(9);
    // A descendant in a session of its own may hold stderr for ever.
    const timer = setTimeout(() => child.stderr!.cancel(), LAST_WORDS_MS);
    await drained;
    clearTimeout(timer);
    return status;
  });
  const channel = new LineChannel(child.stdout, child.stdin!, {
    label: "exec-server stdio",
    maxLineBytes: 256 * 1024 * 1024,
    onEnd: () => {
      if (over) return;
      // One that does not read its input must end too.
      const { graceMs = 2000 } = options;
      const timers = [
        setTimeout(() => child.signalGroup(15), graceMs / 2),
        setTimeout(() => child.signalGroup(9), graceMs),
      ];
      child.exited.then(() => timers.forEach(clearTimeout));
    },
    onClose: () => {
      if (!over) child.signalGroup(15);
    },
  });
  return { channel, ended, lastStderrLine: () => lastLine };
}

function spawn(runtime: Runtime, options: CommandOptions): Child {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !withheld.some((pattern) => pattern.test(name))) env[name] = value;
  }
  Object.assign(env, options.env);
  const cwd = options.cwd ?? process.cwd();
  try {
    return runtime.spawn({
      file: findProgram(options.program, env.PATH, cwd),
      argv: [options.program, ...options.args],
      env,
      cwd,
      stdin: "pipe",
    });
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    throw new ExecServerError(
      "ERR_SPAWN",
      `Cannot start "${options.program}" in "${cwd}": ${error.message}`,
      {
        cause: error,
      },
    );
  }
}

/** Reads stderr to its end, whoever listens: a full pipe would stop the program. */
async function drainLines(child: Child, onLine: (line: string) => void): Promise<void> {
  const stderr = child.stderr!;
  const decoder = new TextDecoder();
  const text = new ReadableStream<string>({
    async pull(controller) {
      const bytes = await stderr.read();
      if (bytes === null) controller.close();
      else controller.enqueue(decoder.decode(bytes, { stream: true }));
    },
  });
  const lines = text.pipeThrough(new TextLineStream());
  for await (const line of lines) onLine(line);
}
