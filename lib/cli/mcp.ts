/** `exec-server mcp`: an MCP host here talks to a server program in an environment, over our standard streams. */

import { Buffer } from "node:buffer";
import process from "node:process";
import type { Client } from "../client/client.ts";
import type { Process } from "../client/process.ts";
import { EnvironmentManager } from "../environments/manager.ts";
import { type FlagSpec, type Parsed, parseFlags } from "../flags/flags.ts";
import { LineSplitter, parseLine } from "../mcp/lines.ts";
import { endServerProgram, readServerProgram, startServerProgram, writeLine } from "../mcp/server_program.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import { pathFromWire } from "../protocol/path_uri.ts";
import { type ByteSource, currentRuntime, type Runtime } from "../runtime/runtime.ts";
import { complain, exitStatus, OutputFailed, outputFailure } from "./output.ts";
import { parseVariables } from "./variables.ts";

export const mcpFlags = {
  environment: {
    type: "string",
    short: "e",
    value: "ID",
    help: "Where the server runs (default: the default environment)",
  },
  cwd: { type: "string", value: "DIR", help: "Working directory there (default: that of the server)" },
  env: { type: "list", value: "K=V", help: "A variable for the server program (repeatable)" },
  "env-there": {
    type: "list",
    value: "NAME",
    help: "A variable that it gets from over there, with its value\n(repeatable)",
  },
} as const satisfies Record<string, FlagSpec>;

type McpFlags = Parsed<typeof mcpFlags>["flags"];

/** Answers the exit status: 0 when the host has ended the conversation. */
export async function mcp(args: readonly string[]): Promise<number> {
  const { flags, rest } = parseFlags(args, mcpFlags, { stopAtWord: true });
  if (rest.length === 0)
    throw new ExecServerError("ERR_USAGE", '"mcp" needs a server program: mcp -- CMD ARG…');
  const env = parseVariables(flags.env);
  const runtime = await currentRuntime();
  await using manager = await EnvironmentManager.open();
  try {
    const client = await manager.get(flags.environment).client();
    return await bridge(runtime, client, flags, rest, env);
  } catch (error) {
    if (!(error instanceof RpcError) && !(error instanceof ExecServerError)) throw error;
    if (error instanceof ExecServerError && error.code === "ERR_USAGE") throw error;
    complain(
      `exec-server: ${error instanceof RpcError ? `cannot start "${rest[0]}": ` : ""}${error.message}`,
    );
    return exitStatus.failed;
  }
}

async function bridge(
  runtime: Runtime,
  client: Client,
  flags: McpFlags,
  argv: readonly string[],
  env: Record<string, string>,
): Promise<number> {
  const cwd = flags.cwd ?? (await workingFolder(client));
  const child = await startServerProgram(client, { argv, cwd, env, inheritedVariables: flags["env-there"] });
  const unlisten = client.onConnectionChange((change) => {
    complain(
      change.kind === "lost"
        ? `exec-server: the connection is lost, trying to get it back: ${change.reason.message}`
        : "exec-server: the connection is back",
    );
  });
  const input = runtime.stdin();
  let isOver = false;
  let isCut = false;
  const end = async (): Promise<void> => {
    isOver = true;
    input.cancel();
    await endServerProgram(child);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const onSignal = (): void => void end();
  for (const signal of signals) process.on(signal, onSignal);
  const host = passInput(child, input).then(end, async (error) => {
    // Whoever ends it for a message that was not delivered is not the host.
    isCut = !isOver;
    if (isCut) complain(`exec-server: ${error instanceof Error ? error.message : error}`);
    await end();
  });
  try {
    const failure = await passOutput(runtime, child);
    if (failure instanceof OutputFailed) outputFailure(failure);
    else if (failure) complain(`exec-server: ${failure.message}`);
    else if (!isOver) complain("exec-server: the MCP server has ended by itself");
    const ordinary = isOver && !isCut && !failure;
    isOver = true;
    input.cancel();
    await host;
    return ordinary ? exitStatus.ok : exitStatus.failed;
  } finally {
    unlisten();
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** An MCP server is told where it is; the protocol wants it said. */
async function workingFolder(client: Client): Promise<string> {
  const { cwd } = await client.info();
  return cwd ? pathFromWire(cwd) : "/";
}

/** Whole lines only: a host that dies in the middle of one has said nothing. */
async function passInput(child: Process, input: ByteSource): Promise<void> {
  const lines = new LineSplitter();
  for (let bytes = await input.read(); bytes; bytes = await input.read()) {
    for (const line of lines.feed(bytes)) if (line.trim() !== "") await writeLine(child, line);
  }
}

/** Standard output of the server is messages and nothing else; what is none goes to where people look. */
async function passOutput(runtime: Runtime, child: Process): Promise<Error | undefined> {
  const [stdout, stderr] = [runtime.stdout(), runtime.stderr()];
  const write = async (sink: typeof stdout, bytes: Uint8Array): Promise<void> => {
    try {
      await sink.write(bytes);
    } catch (error) {
      if (sink === stdout) failure ??= new OutputFailed(error);
      // A host that has gone takes the server along.
      await child.terminate().catch(() => {});
    }
  };
  let failure: Error | undefined;
  await readServerProgram(child, {
    line: async (text) => {
      if (text.trim() !== "") await write(parseLine(text) ? stdout : stderr, Buffer.from(`${text}\n`));
    },
    stderr: (bytes) => write(stderr, bytes),
    closed: (error) => {
      failure ??= error;
    },
  });
  return failure;
}
