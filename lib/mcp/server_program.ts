/** An MCP server that is a program: how it is started, and what it says. */

import { Buffer } from "node:buffer";
import type { StartOptions } from "../client/client.ts";
import type { Process } from "../client/process.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { LineSplitter } from "./lines.ts";

/** How to start it. */
export interface ServerProgram {
  /** Program and arguments. */
  argv: readonly string[];
  /** Absolute native path over there. */
  cwd: string;
  /** Variables laid over the few that a program needs. */
  env?: Readonly<Record<string, string>>;
  /** Names of variables that it gets from over there, with their values. */
  inheritedVariables?: readonly string[];
}

/** What a server program tells. */
export interface ProgramReceiver {
  /** A line of standard output. The next is read when this one has been dealt with. */
  line(text: string): void | Promise<void>;
  /** Standard error, which is for people. */
  stderr(bytes: Uint8Array): void | Promise<void>;
  /** The end, once; the error when it was no ordinary one. */
  closed(error?: Error): void;
}

/** The names that stay where some are asked for besides. */
const coreNames = "HOME LOGNAME PATH SHELL USER __CF_USER_TEXT_ENCODING LANG LC_ALL TERM TMPDIR TZ".split(
  " ",
);
/** How long the program may take to end with its input, and again when it is asked to. */
const GRACE_MS = 2000;

/** Where programs can be started: a client or an environment. */
export interface ProgramPlace {
  start(options: StartOptions): Promise<Process>;
}

/** Starts the program. What it says is told from then on. */
export async function startServerProgram(place: ProgramPlace, program: ServerProgram): Promise<Process> {
  if (!program.cwd.startsWith("/")) {
    throw new ExecServerError("ERR_USAGE", `"cwd" is "${program.cwd}": expected an absolute path`);
  }
  const { inheritedVariables = [] } = program;
  return await place.start({
    argv: program.argv,
    cwd: program.cwd,
    stdin: "pipe",
    ...(program.env ? { env: program.env } : {}),
    envPolicy: {
      inherit: inheritedVariables.length > 0 ? "all" : "core",
      ignoreDefaultExcludes: true,
      exclude: [],
      set: {},
      includeOnly: inheritedVariables.length > 0 ? [...coreNames, ...inheritedVariables] : [],
    },
  });
}

/** Reads all that the program says. Settles at its end. */
export async function readServerProgram(child: Process, receiver: ProgramReceiver): Promise<void> {
  const lines = new LineSplitter();
  let error: Error | undefined;
  try {
    for await (const event of child) {
      if (event.kind === "output" && event.stream === "stdout") {
        for (const line of lines.feed(event.bytes)) await receiver.line(line);
      } else if (event.kind === "output") await receiver.stderr(event.bytes);
      else if (event.kind === "gap")
        throw new ExecServerError("ERR_OUTPUT_GAP", "Messages of the MCP server are lost");
      else if (event.kind === "failed") throw new ExecServerError("ERR_DISCONNECTED", event.message);
    }
    // What it has not ended with a line end is a line all the same.
    const rest = lines.rest();
    if (rest !== undefined) await receiver.line(rest);
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
    await child.terminate().catch(() => {});
  }
  receiver.closed(error);
}

/** Sends one message. @throws {ExecServerError} `ERR_STDIN_CLOSED`: it was not taken. */
export async function writeLine(child: Process, line: string): Promise<void> {
  const status = await child.write(Buffer.from(`${line}\n`));
  if (status === "accepted") return;
  throw new ExecServerError("ERR_STDIN_CLOSED", `The MCP server takes no message: ${status}`);
}

/**
 * Ends the program as MCP has it: by the end of its input where the server can do that, then by asking it to end, then by
 * killing it. Waits for its end.
 */
export async function endServerProgram(child: Process): Promise<void> {
  try {
    await child.closeStdin();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, GRACE_MS);
    await Promise.race([child.closed, late.promise]);
    clearTimeout(timer);
  } catch {
    // A Codex server cannot close an input.
  }
  await child.terminate({ graceMs: GRACE_MS }).catch(() => {});
  await child.closed;
}
