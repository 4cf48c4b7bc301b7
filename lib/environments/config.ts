/** Finds out what configures the environments: the file in `CODEX_HOME`, a variable, or nothing. */

import { readFileSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ExecServerError } from "../protocol/errors.ts";
import {
  DEFAULT_TIMEOUT_MS,
  type EnvironmentsConfig,
  isNone,
  LOCAL_ID,
  parseEnvironmentsToml,
  trimWhiteSpace,
} from "./toml.ts";
import { positionAt } from "./toml_scanner.ts";

export interface LoadOptions {
  /** The environment variables of the client. */
  env: Readonly<Record<string, string | undefined>>;
  /** @default `HOME` of `env`, else what the operating system says. */
  homeDir?: string;
}

/**
 * Reads the configuration of the environments. The first that is there wins: the `CODEX_EXEC_SERVER_NOISE_…`
 * variables; `environments.toml`, even if it is empty; `CODEX_EXEC_SERVER_URL`; the local environment alone.
 *
 * @throws {ExecServerError} `ERR_CONFIG` if `CODEX_HOME`, the file or the variables are not right. No message
 *   holds a word of the file or the value of a `CODEX_EXEC_SERVER_…` variable.
 */
export function loadEnvironments(options: LoadOptions): EnvironmentsConfig {
  refuseNoise(options.env);
  const dir = codexHome(options);
  const path = join(dir, "environments.toml");
  const bytes = readIfExists(path);
  if (bytes !== undefined) return parseEnvironmentsToml(decodeUtf8(bytes, path), { path, dir });
  return fromVariable(options.env);
}

/**
 * The folder `CODEX_HOME` names, with symbolic links resolved; `.codex` in the home folder if it is unset or
 * empty, which need not exist.
 *
 * @throws {ExecServerError} `ERR_CONFIG` if `CODEX_HOME` names something that is not a folder.
 */
export function codexHome(options: LoadOptions): string {
  const named = options.env.CODEX_HOME;
  if (named) {
    try {
      if (statSync(named).isDirectory()) return realpathSync(named);
    } catch (error) {
      throw new ExecServerError("ERR_CONFIG", `Cannot use CODEX_HOME "${named}": ${codeOf(error)}`, {
        cause: error,
      });
    }
    throw new ExecServerError("ERR_CONFIG", `Cannot use CODEX_HOME "${named}": expected a folder`);
  }
  return join(options.homeDir ?? (options.env.HOME || homedir()), ".codex");
}

/** The variables that only work together. */
const NOISE_VARIABLES = [
  "CODEX_EXEC_SERVER_NOISE_REGISTRY_URL",
  "CODEX_EXEC_SERVER_NOISE_ENVIRONMENT_ID",
  "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN",
] as const;

/** Whoever asks for an encrypted relay must not get something else without a word. */
function refuseNoise(env: LoadOptions["env"]): void {
  const missing = NOISE_VARIABLES.filter((name) => trimWhiteSpace(env[name] ?? "") === "");
  if (missing.length === NOISE_VARIABLES.length) return;
  throw new ExecServerError(
    "ERR_CONFIG",
    missing.length > 0
      ? `Cannot use the CODEX_EXEC_SERVER_NOISE variables: expected all of them or none, without ${missing.join(", ")}`
      : "Cannot use the CODEX_EXEC_SERVER_NOISE variables: the relay is not built in yet, unset them",
  );
}

function readIfExists(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    // Of a symbolic link to nothing, too.
    if (codeOf(error) === "ENOENT") return undefined;
    throw new ExecServerError("ERR_CONFIG", `Cannot read "${path}": ${codeOf(error)}`, { cause: error });
  }
}

function decodeUtf8(bytes: Uint8Array, path: string): string {
  // The parser takes care of the byte order mark.
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const offset = findUndecodable(text, bytes);
  if (offset === undefined) return text;
  const { line, column } = positionAt(text, offset);
  throw new ExecServerError("ERR_CONFIG", `Cannot use "${path}": line ${line}, column ${column}: Not UTF-8`);
}

/** Index in `text` of the first U+FFFD that stands for something in `bytes` that is not UTF-8. */
function findUndecodable(text: string, bytes: Uint8Array): number | undefined {
  const encoder = new TextEncoder();
  let start = 0;
  let byteOffset = 0;
  for (let end = text.indexOf("\ufffd"); end >= 0; end = text.indexOf("\ufffd", start)) {
    byteOffset += encoder.encode(text.slice(start, end)).length;
    // A U+FFFD that the file really has is these three bytes.
    if (bytes[byteOffset] !== 0xef || bytes[byteOffset + 1] !== 0xbf || bytes[byteOffset + 2] !== 0xbd)
      return end;
    byteOffset += 3;
    start = end + 1;
  }
  return undefined;
}

function fromVariable(env: LoadOptions["env"]): EnvironmentsConfig {
  const url = trimWhiteSpace(env.CODEX_EXEC_SERVER_URL ?? "");
  const common = { environments: [], disabled: false, warnings: [] };
  if (url === "") return { ...common, source: "built-in", includeLocal: true, defaultId: LOCAL_ID };
  if (isNone(url)) {
    return { ...common, source: "variable", includeLocal: false, defaultId: null, disabled: true };
  }
  const id = "remote";
  return {
    ...common,
    source: "variable",
    includeLocal: false,
    environments: [
      {
        id,
        transport: { kind: "websocket", url, connectTimeoutMs: DEFAULT_TIMEOUT_MS },
        initializeTimeoutMs: DEFAULT_TIMEOUT_MS,
      },
    ],
    defaultId: id,
  };
}

/** The code the operating system gave, like `EISDIR`. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}
