/** `exec-server serve`: runs the server until a signal or, over stdio, the end of input. */

import process from "node:process";
import { type FlagSpec, type Parsed, parseFlags } from "../flags/flags.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { nodeFs, nodePath } from "../runtime/node_modules.ts";
import { currentRuntime, type Runtime } from "../runtime/runtime.ts";
import type { Policy } from "../sandbox/policy.ts";
import type { Authenticator } from "../server/credentials.ts";
import { environmentInfo } from "../server/info.ts";
import { type ListenerOptions, listen, type ServerOptions, serveStdio } from "../server/listen.ts";
import { authFlags, readAuthentication } from "./auth_flags.ts";
import { httpOptions, httpPolicyFlags } from "./http_policy.ts";
import { parseListenUrl } from "./listen_url.ts";
import { complain, exitStatus, OutputFailed } from "./output.ts";

export const serveFlags = {
  listen: {
    type: "string",
    value: "URL",
    help: 'Where to listen: "ws://IP:PORT" (port 0: a free one) or "stdio"\n(default ws://127.0.0.1:0)',
  },
  ...authFlags,
  "allow-unauthenticated": {
    type: "boolean",
    help: "Listen beyond loopback without credentials: anybody who\nreaches the port can run programs as this user",
  },
  "allow-host": {
    type: "list",
    value: "NAME",
    help: "A name that clients may use for this server besides its\naddresses, its host name and localhost (repeatable)",
  },
  "retain-bytes": {
    type: "number",
    value: "N",
    help: "Output kept of each process for readers that come later\n(default 4194304)",
  },
  "detached-seconds": {
    type: "number",
    value: "S",
    help: "How long a session outlives its connection (default 80)",
  },
  "grace-seconds": {
    type: "number",
    value: "S",
    help: "How long processes may take to end when their session or\nthe server ends, before they are killed (default 0.25)",
  },
  ...httpPolicyFlags,
  sandbox: {
    type: "string",
    value: "MODE",
    help: "Let nothing reach further: read-only, workspace-write (with\n--root) or danger-full-access (the default)",
  },
  root: { type: "list", value: "DIR", help: "What workspace-write may write (repeatable)" },
  "sandbox-network": { type: "boolean", help: "Leave the network open in --sandbox" },
  cgroup: {
    type: "string",
    value: "DIR",
    help: 'Put each process into a control group below this folder;\n"auto": below that of the server. Needed for limits of\nmemory, processes and processor time',
  },
  verbose: { type: "boolean", short: "v", help: "Log connections to stderr" },
  "concurrent-requests": { type: "number", value: "N", help: "", hidden: true },
} as const satisfies Record<string, FlagSpec>;

type ServeFlags = Parsed<typeof serveFlags>["flags"];

/** Runs until the end; answers the exit status. */
export async function serve(args: readonly string[]): Promise<number> {
  const { flags, rest } = parseFlags(args, serveFlags);
  if (rest.length > 0) throw new ExecServerError("ERR_USAGE", `"serve" takes no argument "${rest[0]}"`);
  // The peer's limit of parallel requests; ours are never held up by one another, so any number is right.
  const parallel = flags["concurrent-requests"];
  if (parallel !== undefined && !(Number.isInteger(parallel) && parallel >= 1)) {
    throw new ExecServerError(
      "ERR_USAGE",
      '"--concurrent-requests" has a wrong value: expected a number from 1',
    );
  }
  const address = parseListenUrl(flags.listen ?? "ws://127.0.0.1:0");
  const authenticate = readAuthentication(flags, address.kind === "stdio");
  const runtime = await currentRuntime();
  const stop = stopSignal();
  const ceiling = await readCeiling(flags, runtime);
  const options = { ...serverOptions(flags), ...(ceiling ? { ceiling } : {}) };
  if (address.kind === "stdio") {
    const server = serveStdio(runtime, options);
    // While the first bytes are fetched.
    setImmediate(environmentInfo);
    await Promise.race([server.ended, stop.then(() => server.close())]);
    return exitStatus.ok;
  }
  const listener = await listen(runtime, listenerOptions(flags, options, address, authenticate));
  await announce(runtime, listener.url);
  // The first client asks for this at once.
  setImmediate(environmentInfo);
  const signal = await stop;
  if (flags.verbose) complain(`${signal}: ending`);
  await listener.close();
  return exitStatus.ok;
}

/**
 * Not by `print`, which loads a module of Node, nor by `console.log`, which does not tell that nobody has been told.
 * @throws {OutputFailed}
 */
async function announce(runtime: Runtime, url: string): Promise<void> {
  try {
    await runtime.stdout().write(new TextEncoder().encode(`${url}\n`));
  } catch (error) {
    throw new OutputFailed(error);
  }
}

/** @throws {ExecServerError} `ERR_USAGE`; `ERR_LISTEN`: it cannot be enforced here. */
async function readCeiling(flags: ServeFlags, runtime: Runtime): Promise<Policy | undefined> {
  const { sandbox: mode, root: roots } = flags;
  const network = flags["sandbox-network"];
  if (mode === undefined) {
    if (roots.length > 0)
      throw new ExecServerError("ERR_USAGE", '"--root" needs "--sandbox workspace-write"');
    if (network) throw new ExecServerError("ERR_USAGE", '"--sandbox-network" needs "--sandbox"');
    return undefined;
  }
  const { parseSandboxMode } = await import("./sandbox_flag.ts");
  const { ceilingOf, whyNotEnforceable } = await import("../sandbox/ceiling.ts");
  const known = parseSandboxMode(mode);
  if (roots.length > 0 && known !== "workspace-write") {
    throw new ExecServerError("ERR_USAGE", '"--root" needs "--sandbox workspace-write"');
  }
  const folders = roots.map((root) => nodePath().resolve(root));
  for (const folder of folders) {
    if (!nodeFs().statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
      throw new ExecServerError("ERR_USAGE", `"--root" has the value "${folder}": expected a folder`);
    }
  }
  const ceiling = ceilingOf(known, folders, network, process.env.TMPDIR);
  const why = whyNotEnforceable(runtime, ceiling);
  if (why !== undefined) throw new ExecServerError("ERR_LISTEN", `Cannot enforce --sandbox ${mode}: ${why}`);
  return ceiling;
}

function serverOptions(flags: ServeFlags): ServerOptions {
  const retained = flags["retain-bytes"];
  const detached = flags["detached-seconds"];
  const grace = flags["grace-seconds"];
  return {
    limits: {
      ...(retained === undefined ? {} : { retainedBytes: retained }),
      ...(grace === undefined ? {} : { endGraceMs: grace * 1000 }),
    },
    http: httpOptions(flags),
    ...(flags.cgroup === undefined ? {} : { cgroup: flags.cgroup }),
    ...(detached === undefined ? {} : { detachedSessionMs: detached * 1000 }),
    ...(flags.verbose ? { log: (line: string) => complain(`${new Date().toISOString()} ${line}`) } : {}),
  };
}

function listenerOptions(
  flags: ServeFlags,
  options: ServerOptions,
  address: { hostname: string; port: number },
  authenticate: Authenticator | undefined,
): ListenerOptions {
  return {
    ...options,
    hostname: address.hostname,
    port: address.port,
    allowedHosts: flags["allow-host"],
    allowUnauthenticated: flags["allow-unauthenticated"],
    ...(authenticate ? { authenticate } : {}),
  };
}

/** Settles at the first signal that asks us to end. A second one ends us at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      let seen = false;
      process.on(signal, () => {
        if (seen) process.exit(1);
        seen = true;
        resolve(signal);
      });
    }
  });
}
