/** The environment of a child, out of the server's and the request (docs/protocol.md, "Child environment"). */

import type { EnvPolicy, StartMetadata } from "../protocol/process.ts";

/** Names of `inherit: "core"`, compared without regard to case. */
const coreNames = new Set([
  "PATH",
  "SHELL",
  "TMPDIR",
  "TEMP",
  "TMP",
  "HOME",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "LOGNAME",
  "USER",
]);

const defaultExcludes = ["*KEY*", "*SECRET*", "*TOKEN*"];

/** The peer keeps these from a child even when the request gives them. */
const neverPassed = [
  "CODEX_EXEC_SERVER_EXIT_ON_STDIN_CLOSE",
  "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN",
  "NODE_REPL_AUTH_TOKEN",
];

/** The server's own credentials: a child gets them only when the request itself carries them. */
const ownSecrets = new Set(["CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "CODEX_EXEC_SERVER_CONNECTION_TOKEN"]);

/** What a child's environment is made of. */
export interface ChildEnvOptions {
  /** Absent: the child gets `env` only. */
  policy?: EnvPolicy | undefined;
  env: Readonly<Record<string, string>>;
  metadata?: StartMetadata | undefined;
  serverEnv: Readonly<Record<string, string | undefined>>;
}

/** Every variable of the child. */
export function childEnv({ policy, env, metadata, serverEnv }: ChildEnvOptions): Record<string, string> {
  const result: Record<string, string> = policy ? fromPolicy(policy, serverEnv) : Object.create(null);
  Object.assign(result, env);
  if (metadata?.toolCallId !== undefined) result.CODEX_TOOL_CALL_ID = metadata.toolCallId;
  if (metadata?.threadId !== undefined) result.CODEX_THREAD_ID = metadata.threadId;
  for (const name of neverPassed) delete result[name];
  return result;
}

function fromPolicy(policy: EnvPolicy, serverEnv: ChildEnvOptions["serverEnv"]): Record<string, string> {
  const result: Record<string, string> = Object.create(null);
  const dropped = matcher([...(policy.ignoreDefaultExcludes ? [] : defaultExcludes), ...policy.exclude]);
  for (const [name, value] of Object.entries(serverEnv)) {
    if (value === undefined || policy.inherit === "none") continue;
    if (policy.inherit === "core" && !coreNames.has(name.toUpperCase())) continue;
    if (!dropped(name) && !ownSecrets.has(name)) result[name] = value;
  }
  Object.assign(result, policy.set);
  if (policy.includeOnly.length > 0) {
    const kept = matcher(policy.includeOnly);
    for (const name of Object.keys(result)) if (!kept(name)) delete result[name];
  }
  return result;
}

/** Whether a name matches one of the patterns, as a whole and in any letter case. */
function matcher(patterns: readonly string[]): (name: string) => boolean {
  const folded = patterns.map((pattern) => [...pattern.toLowerCase()]);
  return (name) => folded.some((pattern) => matches(pattern, [...name.toLowerCase()]));
}

/** `*` is any run and `?` one character. Goes back to the last `*` only, so that no pattern is slow. */
function matches(pattern: readonly string[], name: readonly string[]): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (p < pattern.length && pattern[p] === "*") {
      star = p++;
      resume = n;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  // An empty pattern matches nothing, not even the empty name.
  return p === pattern.length && pattern.length > 0;
}
