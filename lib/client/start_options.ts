/** What a user asks to start, and how it looks on the wire. */

import type { Capabilities, EnvironmentInfo } from "../protocol/environment.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { pathFromWire, pathToUri } from "../protocol/path_uri.ts";
import type { EnvPolicy, StartParams, TerminalSizeParams } from "../protocol/process.ts";
import type { StartLimits } from "../protocol/process_limits.ts";
import type { Sandbox, SandboxMode } from "../protocol/sandbox.ts";
import { sandboxOf } from "../protocol/sandbox_modes.ts";

/** What to start. */
export interface StartOptions {
  /** Program and arguments. */
  argv: readonly string[];
  /** Absolute native path on the server. @default The working directory of the server. */
  cwd?: string;
  /** Variables laid over those of the policy. */
  env?: Readonly<Record<string, string>>;
  /**
   * How the environment begins; null for `env` alone.
   * @default Everything the server has but names that match `*KEY*`, `*SECRET*` or `*TOKEN*`.
   */
  envPolicy?: EnvPolicy | null;
  /** A terminal of this size instead of pipes. */
  terminal?: TerminalSizeParams;
  /** @default {"null"}, which is `/dev/null` */
  stdin?: "null" | "pipe";
  /** What the program sees as its own name. */
  arg0?: string;
  /**
   * What the process may use; the server sees to it, also while the connection is lost. One that ends it is told as
   * the `limit` of its end.
   */
  limits?: StartLimits;
  /**
   * How far the process may reach. A mode stands for the usual policy, with `cwd` as the workspace. A server that would
   * ignore it is not asked.
   */
  sandbox?: SandboxMode | Sandbox;
  /** Texts for whoever lists the processes, where the server keeps them. */
  labels?: Readonly<Record<string, string>>;
  /** Handle on the wire. @default A new UUID. */
  processId?: string;
  /** Gives the start up, or kills the process that runs; one that starts all the same is killed too. */
  signal?: AbortSignal;
  /** Kills the process when it has run for so long after the answer to its start. No limit by default. */
  timeoutMs?: number;
}

const inheritAll: EnvPolicy = {
  inherit: "all",
  ignoreDefaultExcludes: false,
  exclude: [],
  set: {},
  includeOnly: [],
};

/**
 * The parameters of `process/start` for a server that told this of itself.
 * @throws {ExecServerError} `ERR_UNSUPPORTED`: it cannot hold a process to the limits, or to a sandbox.
 */
export function startParams(
  processId: string,
  options: StartOptions,
  info: EnvironmentInfo,
  outputWindowBytes: number,
): StartParams {
  const { capabilities = {} } = info;
  refuseUnheld(options.limits, capabilities);
  const cwd = wireCwd(options.cwd, info);
  const sandbox = options.sandbox && wireSandbox(options.sandbox, cwd, capabilities);
  const policy = options.envPolicy === undefined ? inheritAll : options.envPolicy;
  return {
    processId,
    argv: [...options.argv],
    cwd,
    env: { ...options.env },
    tty: options.terminal !== undefined,
    pipeStdin: options.stdin === "pipe",
    ...(policy === null ? {} : { envPolicy: policy }),
    ...(options.arg0 === undefined ? {} : { arg0: options.arg0 }),
    ...(options.terminal && capabilities.processResize ? { terminalSize: options.terminal } : {}),
    ...(capabilities.processOutputWindow ? { outputWindowBytes } : {}),
    ...(options.limits ? { limits: options.limits } : {}),
    ...(sandbox ? { sandbox } : {}),
    ...(options.labels && capabilities.processList ? { labels: { ...options.labels } } : {}),
    ...(capabilities.processStartOnce ? { startOnce: true } : {}),
  };
}

/** A limit that nobody holds would be worse than none. */
function refuseUnheld(limits: StartLimits | undefined, capabilities: Capabilities): void {
  if (!limits) return;
  const { memoryBytes, processes, cpuPercent } = limits;
  const needsResources = [memoryBytes, processes, cpuPercent].some((limit) => limit !== undefined);
  const missing = !capabilities.processLimits
    ? "processLimits"
    : needsResources && !capabilities.processResourceLimits
      ? "processResourceLimits"
      : undefined;
  if (missing === undefined) return;
  throw new ExecServerError(
    "ERR_UNSUPPORTED",
    `The server cannot hold a process to these limits: it lacks "${missing}"`,
  );
}

/** Servers up to 0.138.0 run without a sandbox what should be in one. */
function wireSandbox(
  wanted: SandboxMode | Sandbox,
  cwd: string,
  capabilities: Capabilities,
): Sandbox | undefined {
  if (wanted === "danger-full-access") return undefined;
  if (!capabilities.processSandbox && !capabilities.sandboxedFileStreaming) {
    throw new ExecServerError(
      "ERR_UNSUPPORTED",
      'The server would run the process without its sandbox: it has neither "processSandbox" nor "sandboxedFileStreaming"',
    );
  }
  if (typeof wanted === "string") return sandboxOf(wanted, [pathFromWire(cwd)]);
  return { windowsSandboxLevel: "disabled", ...wanted };
}

/** In the form that the server takes: URIs since 0.169.0, paths before. */
function wireCwd(cwd: string | undefined, info: EnvironmentInfo): string {
  const sendsUris = info.executorVersion !== undefined;
  if (cwd !== undefined) return sendsUris ? pathToUri(cwd) : cwd;
  if (info.cwd) return sendsUris ? info.cwd : pathFromWire(info.cwd);
  // Servers up to 0.138.0 do not tell, but take a relative path.
  return sendsUris ? "file:///" : ".";
}
