/** `exec-server run`: one command in an environment, as `ssh host command`. */

import process from "node:process";
import type { Client, StartOptions } from "../client/client.ts";
import { wrapForEndOfInput, writeAllInput } from "../client/input.ts";
import type { Process } from "../client/process.ts";
import { EnvironmentManager } from "../environments/manager.ts";
import { type FlagSpec, type Parsed, parseFlags } from "../flags/flags.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import { pathFromWire } from "../protocol/path_uri.ts";
import type { SignalName } from "../protocol/process.ts";
import type { LimitName, StartLimits } from "../protocol/process_limits.ts";
import { sandboxOf } from "../protocol/sandbox_modes.ts";
import { timerMs } from "../protocol/timer.ts";
import { type ByteSource, currentRuntime, type Runtime } from "../runtime/runtime.ts";
import { complain, exitStatus, OutputFailed, outputFailure } from "./output.ts";
import { parseSandboxMode } from "./sandbox_flag.ts";
import { parseVariables } from "./variables.ts";

export const runFlags = {
  environment: {
    type: "string",
    short: "e",
    value: "ID",
    help: "Where to run (default: the default environment)",
  },
  tty: { type: "boolean", short: "t", help: "Give the command a terminal" },
  "no-stdin": { type: "boolean", short: "n", help: "Give the command no input" },
  cwd: { type: "string", value: "DIR", help: "Working directory there (default: that of the server)" },
  env: { type: "list", value: "K=V", help: "A variable for the command (repeatable)" },
  sandbox: {
    type: "string",
    value: "MODE",
    help: "Confine the command: read-only, workspace-write (--cwd is\nthe workspace) or danger-full-access",
  },
  "sandbox-network": { type: "boolean", help: "Leave it the network in --sandbox" },
  timeout: { type: "number", value: "S", help: "End the command after so many seconds (status 124)" },
  "idle-timeout": {
    type: "number",
    value: "S",
    help: "End it when it has had no output and no input for so\nmany seconds (status 124)",
  },
  "max-output": {
    type: "number",
    value: "BYTES",
    help: "End it when its output is more than this (status 124)",
  },
} as const satisfies Record<string, FlagSpec>;

type RunFlags = Parsed<typeof runFlags>["flags"];

/** What we end has so long to do it by itself. */
const GRACE_MS = 2000;
const DEFAULT_TERMINAL = { columns: 80, rows: 24 };

/** Answers the exit status: the command's own, or one of ours. */
export async function run(args: readonly string[]): Promise<number> {
  const { flags, rest } = parseFlags(args, runFlags, { stopAtWord: true });
  if (rest.length === 0) throw new ExecServerError("ERR_USAGE", '"run" needs a command: run -- CMD ARG…');
  const env = parseVariables(flags.env);
  if (flags.sandbox !== undefined) parseSandboxMode(flags.sandbox);
  else if (flags["sandbox-network"]) {
    throw new ExecServerError("ERR_USAGE", '"--sandbox-network" needs "--sandbox"');
  }
  if (flags.cwd !== undefined && !flags.cwd.startsWith("/")) {
    throw new ExecServerError("ERR_USAGE", `"--cwd" has the value "${flags.cwd}": expected an absolute path`);
  }
  const runtime = await currentRuntime();
  await using manager = await EnvironmentManager.open();
  try {
    return await runIn(runtime, await manager.get(flags.environment).client(), flags, rest, env);
  } catch (error) {
    if (!(error instanceof RpcError) && !(error instanceof ExecServerError)) throw error;
    complain(`exec-server: ${error.message}`);
    // A start that was on its way when the connection broke may have been carried out.
    const lost = error instanceof ExecServerError && error.code === "ERR_DISCONNECTED";
    return lost ? exitStatus.unknown : exitStatus.ownFailure;
  }
}

async function runIn(
  runtime: Runtime,
  client: Client,
  flags: RunFlags,
  argv: readonly string[],
  env: Record<string, string>,
): Promise<number> {
  const terminal = flags.tty ? terminalSize() : undefined;
  const wantsInput = !flags["no-stdin"];
  const wrapped = wantsInput && !terminal && !client.capabilities.processCloseStdin;
  const child = await startNamed(client, argv[0]!, {
    argv: wrapped ? wrapForEndOfInput(argv) : argv,
    env: terminal && process.env.TERM ? { TERM: process.env.TERM, ...env } : env,
    stdin: wantsInput ? "pipe" : "null",
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...(terminal ? { terminal } : {}),
    ...(await sandboxFor(flags, client)),
    ...limitsOf(flags, client.capabilities.processLimits ?? false),
  });
  const unlisten = client.onConnectionChange((change) => {
    complain(
      change.kind === "lost"
        ? `exec-server: the connection is lost, trying to get it back: ${change.reason.message}`
        : "exec-server: the connection is back",
    );
  });
  const input = wantsInput ? runtime.stdin() : undefined;
  const release = [
    passSignals(child, terminal !== undefined),
    terminal ? passTerminal(child, client) : undefined,
  ];
  // Where the server does not see to the time, we do.
  const isOurs = flags.timeout !== undefined && !client.capabilities.processLimits;
  let timedOut = false;
  const timer = isOurs
    ? setTimeout(
        () => {
          timedOut = true;
          child.terminate({ graceMs: GRACE_MS }).catch(() => {});
        },
        timerMs(flags.timeout! * 1000),
      )
    : undefined;
  if (input) passInput(child, input, wrapped, terminal !== undefined);
  try {
    const { status, endedBy } = await passOutput(runtime, child);
    const limit = endedBy ?? (timedOut ? "wallTime" : undefined);
    if (limit === undefined) return status;
    complain(`exec-server: ended by ${limitFlag[limit]}`);
    return exitStatus.timeout;
  } finally {
    clearTimeout(timer);
    unlisten();
    for (const undo of release) undo?.();
    input?.cancel();
  }
}

const limitFlag: Readonly<Record<LimitName, string>> = {
  wallTime: "--timeout",
  idleTime: "--idle-timeout",
  outputBytes: "--max-output",
  memory: "its memory limit",
};

/** What the server is to see to. It refuses what it cannot; a plain time limit we can hold ourselves. */
function limitsOf(flags: RunFlags, isServers: boolean): { limits?: StartLimits } {
  const limits = {
    ...(flags.timeout === undefined || !isServers ? {} : { wallTimeMs: Math.ceil(flags.timeout * 1000) }),
    ...(flags["idle-timeout"] === undefined ? {} : { idleTimeMs: Math.ceil(flags["idle-timeout"] * 1000) }),
    ...(flags["max-output"] === undefined ? {} : { outputBytes: Math.floor(flags["max-output"]) }),
  };
  return Object.keys(limits).length === 0 ? {} : { limits: { ...limits, graceMs: GRACE_MS } };
}

async function sandboxFor(flags: RunFlags, client: Client): Promise<Pick<StartOptions, "sandbox">> {
  if (flags.sandbox === undefined) return {};
  const mode = parseSandboxMode(flags.sandbox);
  if (mode === "danger-full-access") return {};
  if (!flags["sandbox-network"]) return { sandbox: mode };
  const { cwd } = await client.info();
  const workspace = flags.cwd ?? (cwd ? pathFromWire(cwd) : "/");
  return { sandbox: sandboxOf(mode, [workspace], true) };
}

/** The server's error says what is wrong, but not with what. */
async function startNamed(client: Client, program: string, options: StartOptions): Promise<Process> {
  try {
    return await client.start(options);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    throw new ExecServerError("ERR_SPAWN", `Cannot start "${program}": ${error.message}`, { cause: error });
  }
}

/** Writes output as it comes; the descriptor's own pace is the command's. */
async function passOutput(
  runtime: Runtime,
  child: Process,
): Promise<{ status: number; endedBy?: LimitName }> {
  const stdout = runtime.stdout();
  const stderr = runtime.stderr();
  let status: number | undefined;
  let endedBy: LimitName | undefined;
  for await (const event of child) {
    switch (event.kind) {
      case "output":
        try {
          await (event.stream === "stderr" ? stderr : stdout).write(event.bytes);
        } catch (error) {
          // The command gets what a local one would get.
          await child.terminate().catch(() => {});
          const what = event.stream === "stderr" ? "error" : "output";
          return { status: outputFailure(new OutputFailed(error, what), exitStatus.ownFailure) };
        }
        break;
      case "gap":
        // The end says it.
        if (event.overLimit) break;
        complain(
          `exec-server: output is missing here${event.lostBytes === undefined ? "" : `: ${event.lostBytes} bytes`}`,
        );
        break;
      case "exited":
        status = event.exitCode;
        endedBy = event.endedBy;
        break;
      case "closed":
        endedBy ??= event.endedBy;
        break;
      case "failed":
        complain(`exec-server: ${event.message}; how the command ended is not known`);
        return { status: exitStatus.unknown };
    }
  }
  const isKnown = status !== undefined && status >= 0;
  if (status === undefined) complain("exec-server: the command has ended, but its exit status was lost");
  // From Codex 0.138.0 after every signal.
  else if (!isKnown) complain("exec-server: the command has ended without an exit status");
  return { status: isKnown ? status! : exitStatus.unknown, ...(endedBy === undefined ? {} : { endedBy }) };
}

async function passInput(
  child: Process,
  input: ByteSource,
  wrapped: boolean,
  isTerminal: boolean,
): Promise<void> {
  try {
    await writeAllInput(child, input, { wrapped });
    if (!isTerminal && !wrapped) await child.closeStdin();
  } catch {
    // The end of the connection shows in the output; a command that reads no more is no failure.
  }
}

const passedSignals: readonly (readonly [NodeJS.Signals, SignalName])[] = [
  ["SIGINT", "interrupt"],
  ["SIGTERM", "terminate"],
  ["SIGHUP", "hangup"],
  ["SIGQUIT", "quit"],
];

/**
 * Signals go to the command. One that it, or the server, does not take asks it to end at the second time, and kills it
 * at the third.
 */
function passSignals(child: Process, isTerminal: boolean): () => void {
  const undo = passedSignals.map(([signal, name]) => {
    let count = 0;
    const pass = (): void => {
      count++;
      if (count > 2) child.terminate().catch(() => {});
      else if (count > 1) child.terminate({ graceMs: GRACE_MS }).catch(() => {});
      else child.signal(name).catch(() => child.terminate().catch(() => {}));
    };
    // With a terminal, keys do not make signals here: these come from elsewhere.
    if (!(isTerminal && signal === "SIGINT")) process.on(signal, pass);
    return () => process.off(signal, pass);
  });
  return () => {
    for (const off of undo) off();
  };
}

/** Our terminal becomes the command's: keys go through as they are, and so does the size. */
function passTerminal(child: Process, client: Client): () => void {
  const { stdin, stdout } = process;
  const resize = (): void => {
    if (client.capabilities.processResize) child.resize(terminalSize()).catch(() => {});
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  stdout.on("resize", resize);
  return () => {
    stdout.off("resize", resize);
    if (stdin.isTTY) stdin.setRawMode(false);
  };
}

function terminalSize(): { columns: number; rows: number } {
  const { columns, rows } = process.stdout;
  return columns && rows ? { columns, rows } : DEFAULT_TERMINAL;
}
