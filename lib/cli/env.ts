/** `exec-server env`: lists the environments, and tries them. */

import process from "node:process";
import type { Environment } from "../environments/environment.ts";
import { EnvironmentManager } from "../environments/manager.ts";
import type { EnvironmentsConfig } from "../environments/toml.ts";
import { type FlagSpec, parseFlags, suggestion } from "../flags/flags.ts";
import type { Capabilities, SandboxInfo } from "../protocol/environment.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import { pathFromWire } from "../protocol/path_uri.ts";
import { complain, exitStatus, hasColour, print, table } from "./output.ts";

export const envFlags = {
  json: { type: "boolean", help: "Print JSON" },
} as const satisfies Record<string, FlagSpec>;

export async function env(args: readonly string[]): Promise<number> {
  const { flags, rest } = parseFlags(args, envFlags);
  const [action = "list", ...ids] = rest;
  if (action !== "list" && action !== "check") {
    throw new ExecServerError(
      "ERR_USAGE",
      `"env" has no action "${action}"${suggestion(action, ["list", "check"]) || ': expected "list" or "check"'}`,
    );
  }
  if (action === "list" && ids.length > 0) {
    throw new ExecServerError("ERR_USAGE", `"env list" takes no argument "${ids[0]}"`);
  }
  await using manager = await EnvironmentManager.open();
  for (const warning of manager.config.warnings) complain(`exec-server: ${warning}`);
  return action === "list" ? list(manager, flags.json) : await check(manager, ids, flags.json);
}

function list(manager: EnvironmentManager, asJson: boolean): number {
  const { config, defaultId } = manager;
  if (asJson) {
    const environments = manager.all.map((environment) => ({
      id: environment.id,
      default: environment.id === defaultId,
      ...describe(config, environment),
    }));
    const { source, path } = config;
    print(
      JSON.stringify(
        { source, ...(path === undefined ? {} : { path }), default: defaultId, environments },
        null,
        2,
      ),
    );
    return exitStatus.ok;
  }
  const rows = manager.all.map((environment) => [
    environment.id,
    environment.id === defaultId ? "default" : "",
    describe(config, environment).transport,
    environment.description,
  ]);
  print(
    rows.length === 0 ? "No environment is configured." : table([["ID", "", "TRANSPORT", "WHERE"], ...rows]),
  );
  complain(`\nFrom ${sourceText(config)}${defaultId === null ? "; there is no default" : ""}`);
  return exitStatus.ok;
}

function sourceText(config: EnvironmentsConfig): string {
  if (config.source === "file") return config.path ?? "the file";
  return config.source === "variable"
    ? "CODEX_EXEC_SERVER_URL"
    : "the built-in settings: there is no environments.toml";
}

/** What is configured, without secrets. */
function describe(
  config: EnvironmentsConfig,
  environment: Environment,
): { transport: string; [key: string]: unknown } {
  const entry = config.environments.find(({ id }) => id === environment.id);
  if (!entry) return { transport: "local" };
  const { transport, initializeTimeoutMs } = entry;
  return transport.kind === "websocket"
    ? {
        transport: "websocket",
        url: environment.description,
        connectTimeoutMs: transport.connectTimeoutMs,
        initializeTimeoutMs,
        authenticated: transport.authBearerToken !== undefined,
      }
    : {
        transport: "stdio",
        program: transport.program,
        args: transport.args,
        ...(transport.cwd === undefined ? {} : { cwd: transport.cwd }),
        initializeTimeoutMs,
      };
}

/** What a try has found. */
interface Finding {
  id: string;
  ok: boolean;
  /** Time to connect and shake hands. */
  connectMs?: number;
  /** Median time of a small request. */
  latencyMs?: number;
  version?: string;
  shell?: string;
  cwd?: string;
  /** What of a process is ended with it: all in its control group, what the process table connects, or its group. */
  ends?: "cgroup" | "processTable" | "processGroup";
  /** What confines processes there; absent where the server does not say. */
  sandbox?: SandboxInfo;
  reason?: string;
}

async function check(manager: EnvironmentManager, ids: readonly string[], asJson: boolean): Promise<number> {
  const chosen = ids.length > 0 ? ids.map((id) => manager.get(id)) : manager.all;
  const showsProgress = !asJson && process.stderr.isTTY === true;
  if (showsProgress) complain(`Trying ${chosen.map(({ id }) => id).join(", ")} …`);
  const findings = await Promise.all(chosen.map(tryOut));
  if (asJson) print(JSON.stringify(findings, null, 2));
  else print(findings.length === 0 ? "No environment is configured." : findings.map(findingText).join("\n"));
  return findings.every(({ ok }) => ok) ? exitStatus.ok : exitStatus.failed;
}

const LATENCY_SAMPLES = 5;

async function tryOut(environment: Environment): Promise<Finding> {
  const { id } = environment;
  try {
    const start = performance.now();
    const client = await environment.client();
    const connectMs = performance.now() - start;
    const info = await client.info();
    const samples: number[] = [];
    let { sandbox } = info;
    for (let i = 0; i < LATENCY_SAMPLES; i++) {
      const sent = performance.now();
      ({ sandbox } = await client.call("environment/info", null, { timeoutMs: 10_000 }));
      samples.push(performance.now() - sent);
    }
    samples.sort((a, b) => a - b);
    return {
      id,
      ok: true,
      connectMs: round(connectMs),
      latencyMs: round(samples[Math.floor(LATENCY_SAMPLES / 2)]!),
      ...(info.executorVersion === undefined ? {} : { version: info.executorVersion }),
      shell: info.shell.path,
      ...(info.cwd ? { cwd: pathFromWire(info.cwd) } : {}),
      ends: endsOf(info.capabilities ?? {}),
      ...(sandbox ? { sandbox } : {}),
    };
  } catch (error) {
    if (error instanceof ExecServerError || error instanceof RpcError)
      return { id, ok: false, reason: error.message };
    throw error;
  }
}

const endsText = {
  cgroup: "processes end by control group",
  processTable: "processes end by process table",
  processGroup: "processes end by process group",
};

function endsOf({ processCgroups, processTrees }: Capabilities): NonNullable<Finding["ends"]> {
  return processCgroups ? "cgroup" : processTrees ? "processTable" : "processGroup";
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function findingText(finding: Finding): string {
  const colour = hasColour(process.stdout);
  const mark = finding.ok ? paint("ok  ", 32, colour) : paint("FAIL", 31, colour);
  if (!finding.ok) return `${mark}  ${finding.id}: ${finding.reason}`;
  const facts = [
    `version ${finding.version ?? "unknown (0.138.0 or older)"}`,
    `shell ${finding.shell}`,
    `cwd ${finding.cwd ?? "unknown"}`,
    endsText[finding.ends ?? "processGroup"],
    ...(finding.sandbox ? [sandboxText(finding.sandbox)] : []),
    `connected in ${finding.connectMs} ms`,
    `latency ${finding.latencyMs} ms`,
  ];
  return `${mark}  ${finding.id}: ${facts.join(", ")}`;
}

function sandboxText({ mechanisms, missing }: SandboxInfo): string {
  if (mechanisms.some((name) => name === "bubblewrap" || name === "seatbelt")) {
    return `sandboxes by ${mechanisms.join(" and ")}`;
  }
  const why = missing.bubblewrap ?? missing.seccomp ?? "";
  const some = mechanisms.length > 0 ? `some sandboxes (${mechanisms.join(", ")})` : "no sandboxes";
  return `${some}: bubblewrap does not work: ${why}`;
}

function paint(text: string, code: number, colour: boolean): string {
  return colour ? `\x1b[${code}m${text}\x1b[0m` : text;
}
