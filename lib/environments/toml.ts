/** Reads the text of `environments.toml`: after this, nobody checks or fills in anything again. */

import { isAbsolute, sep } from "node:path";
import { TomlFile } from "./toml_file.ts";
import {
  type Decoded,
  decodeFile,
  type EnvironmentFields,
  joinKeyPath,
  offsetOf,
  type RootFields,
} from "./toml_schema.ts";

/** How to reach a remote environment: dial a websocket, or launch a program and talk over its stdio. */
export type TransportConfig = WebsocketTransportConfig | StdioTransportConfig;

export interface WebsocketTransportConfig {
  kind: "websocket";
  /** `ws://` or `wss://`, trimmed. Unchecked if it comes from `CODEX_EXEC_SERVER_URL`. */
  url: string;
  /** How long the connection may take, in whole ms; may exceed what a timer can hold. @default {10_000} */
  connectTimeoutMs: number;
  /** Goes out as `Authorization: Bearer …`; not-ASCII text as its UTF-8 bytes. Keep it out of messages and logs. */
  authBearerToken?: string;
}

export interface StdioTransportConfig {
  kind: "stdio";
  /** Program to launch, trimmed. */
  program: string;
  /** @default {[]} */
  args: string[];
  /** What to add to the environment of the client. @default {{}} */
  env: Record<string, string>;
  /** Absolute, if the file's folder is. Need not exist. Missing: the folder of the client. */
  cwd?: string;
}

/** One remote environment. */
export interface EnvironmentConfig {
  /** `[A-Za-z0-9_-]{1,64}`, neither `local` nor `none`. Unique in its file. */
  id: string;
  transport: TransportConfig;
  /** How long the answer to `initialize` may take, in whole ms; may exceed what a timer can hold. @default {10_000} */
  initializeTimeoutMs: number;
  /** For the model's side; kept, but nothing here looks at it. */
  skills?: { required: string[] };
}

/** Everything that is configured about environments. */
export interface EnvironmentsConfig {
  /** `environments.toml`, `CODEX_EXEC_SERVER_URL`, or neither. */
  source: "file" | "variable" | "built-in";
  /** The file, if it is the source. */
  path?: string;
  /** Whether there is the environment `local`, which is this machine. */
  includeLocal: boolean;
  /** The remote environments, in the order of the file. */
  environments: EnvironmentConfig[];
  /** `local` or the id of one in `environments`; null if every use must name one. */
  defaultId: string | null;
  /** Whether `CODEX_EXEC_SERVER_URL=none` switched environments off, `local` included. */
  disabled: boolean;
  /** What is allowed but hardly meant, one sentence each, with the place. */
  warnings: string[];
}

/** The timeout of connecting and that of initializing, if the file says nothing. */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** The id of the environment that is this machine. */
export const LOCAL_ID = "local";

/**
 * Checks the text of an `environments.toml` and fills in the defaults.
 *
 * @param file `path` is for messages; a relative `cwd` starts from `dir`, which is `CODEX_HOME`.
 * @throws {ExecServerError} `ERR_CONFIG` with path, line, column and key path at the first thing that is wrong:
 *   TOML first, then keys and types, then the environments in their order, then `default`. The message never
 *   holds a word of the file, which may have a token in it.
 */
export function parseEnvironmentsToml(text: string, file: { path: string; dir: string }): EnvironmentsConfig {
  const source = new TomlFile(text, file.path);
  const root = decodeFile(source);
  const pathsOfIds = new Map<string, string>();
  const environments = (root.fields.environments ?? []).map((entry) =>
    checkEnvironment(new Entry(source, entry), file.dir, pathsOfIds),
  );
  const includeLocal = root.fields.include_local ?? true;
  return {
    source: "file",
    path: file.path,
    includeLocal,
    environments,
    defaultId: checkDefault(source, root, includeLocal, pathsOfIds),
    disabled: false,
    warnings: source.warnings,
  };
}

/** Removes outer white space as Unicode defines it, like codex; `trim()` differs in U+0085 and U+FEFF. */
export function trimWhiteSpace(text: string): string {
  return text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "");
}

/** One of `[[environments]]` while it is checked. */
class Entry {
  readonly fields: EnvironmentFields;
  readonly keyPath: string;
  readonly #source: TomlFile;
  readonly #decoded: Decoded<EnvironmentFields>;

  constructor(source: TomlFile, decoded: Decoded<EnvironmentFields>) {
    this.#source = source;
    this.#decoded = decoded;
    this.fields = decoded.fields;
    this.keyPath = decoded.keyPath;
  }

  fail(key: keyof EnvironmentFields, reason: string): never {
    this.#source.fail(offsetOf(this.#decoded, key), joinKeyPath(this.keyPath, key), reason);
  }

  /** Refuses the entry because of the keys it lacks. */
  failWhole(reason: string): never {
    this.#source.fail(this.#decoded.table.offset, this.keyPath, reason);
  }

  warn(key: keyof EnvironmentFields, reason: string): void {
    this.#source.warn(offsetOf(this.#decoded, key), joinKeyPath(this.keyPath, key), reason);
  }
}

/** The order of the checks is that of codex, so that both name the same fault of a file with several. */
function checkEnvironment(entry: Entry, dir: string, pathsOfIds: Map<string, string>): EnvironmentConfig {
  const { fields } = entry;
  const id = checkId(entry);
  if (fields.program === undefined) {
    for (const key of ["args", "env", "cwd"] as const) {
      if (fields[key] !== undefined) entry.fail(key, "only goes with program");
    }
  }
  if (fields.url === undefined) {
    for (const key of ["auth_bearer_token", "connect_timeout_sec"] as const) {
      if (fields[key] !== undefined) entry.fail(key, "only goes with url");
    }
  }
  const transport = checkTransport(entry, dir);
  const firstPath = pathsOfIds.get(id);
  if (firstPath !== undefined) entry.fail("id", `expected a unique id, this is that of ${firstPath}`);
  pathsOfIds.set(id, entry.keyPath);

  return {
    id,
    transport,
    initializeTimeoutMs: timeoutMs(entry, "initialize_timeout_sec"),
    ...(fields.skills && { skills: { required: fields.skills.fields.required ?? [] } }),
  };
}

function checkId(entry: Entry): string {
  const { id } = entry.fields;
  const trimmed = trimWhiteSpace(id);
  if (trimmed === "") entry.fail("id", "expected an id that is not empty");
  if (trimmed !== id) entry.fail("id", "expected an id without white space around it");
  if (id === LOCAL_ID || isNone(id)) entry.fail("id", 'expected an id other than "local" and "none"');
  if (new TextEncoder().encode(id).length > 64) entry.fail("id", "expected an id of at most 64 bytes");
  if (!/^[A-Za-z0-9_-]+$/.test(id)) entry.fail("id", 'expected ASCII letters, digits, "-" and "_" only');
  return id;
}

function checkTransport(entry: Entry, dir: string): TransportConfig {
  const { url, program, args = [], env = {}, cwd } = entry.fields;
  if (url !== undefined && program !== undefined)
    entry.fail("program", "expected only one of url and program");
  if (url !== undefined) return checkWebsocket(entry, url);
  if (program === undefined) entry.failWhole("expected one of url and program");
  const trimmed = trimWhiteSpace(program);
  if (trimmed === "") entry.fail("program", "expected a program that is not empty");
  return {
    kind: "stdio",
    program: trimmed,
    args,
    env,
    ...(cwd !== undefined && { cwd: resolveCwd(cwd, dir) }),
  };
}

function checkWebsocket(entry: Entry, untrimmedUrl: string): WebsocketTransportConfig {
  const url = trimWhiteSpace(untrimmedUrl);
  const parsed = parseWebsocketUrl(url) ?? entry.fail("url", "expected ws://host:port or wss://host:port");
  const token = entry.fields.auth_bearer_token;
  if (token !== undefined) checkToken(entry, token, parsed);
  return {
    kind: "websocket",
    url,
    connectTimeoutMs: timeoutMs(entry, "connect_timeout_sec"),
    ...(token !== undefined && { authBearerToken: token }),
  };
}

/**
 * The parsed form of a URL that both codex and `new URL` take, else null. Codex wants a URI as RFC 3986 has it,
 * which `URL` would mend in silence: it encodes spaces, drops line ends, decodes the host, finds one in `ws:///h`.
 */
function parseWebsocketUrl(url: string): URL | null {
  const [, authority, rest] = /^wss?:\/\/([^/?#]*)([^#]*)/.exec(url) ?? [];
  if (authority === undefined || rest === undefined) return null;
  if (!/^(?:[\w.~!$&'()*+,;=:%-]*@)?[\w.~!$&'()*+,;=:[\]-]+$/.test(authority)) return null;
  if (/[\x00-\x20\x7f<>]/.test(rest)) return null;
  return URL.canParse(url) ? new URL(url) : null;
}

function checkToken(entry: Entry, token: string, url: URL): void {
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(token)) {
    entry.fail("auth_bearer_token", "expected the value of a header, without control characters");
  }
  if (trimWhiteSpace(token) !== token) {
    entry.fail("auth_bearer_token", "expected a token without white space around it");
  }
  if (url.protocol === "ws:" && !isLoopback(url.hostname)) {
    entry.fail(
      "auth_bearer_token",
      "expected a wss:// url or one of this machine, as ws:// would send it in clear",
    );
  }
  if (token === "") entry.warn("auth_bearer_token", "is empty");
}

/** @param hostname of a parsed URL, thus in lower case and with addresses in their canonical form. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
}

function timeoutMs(entry: Entry, key: "connect_timeout_sec" | "initialize_timeout_sec"): number {
  const seconds = entry.fields[key];
  if (seconds === undefined) return DEFAULT_TIMEOUT_MS;
  if (seconds === 0) entry.warn(key, "0 leaves no time at all");
  // Never round a timeout down to none.
  return seconds === 0 ? 0 : Math.max(1, Math.round(seconds * 1000));
}

/** Not `path.join`: it would drop `x/..`, which means something else where `x` is a symbolic link. */
function resolveCwd(cwd: string, dir: string): string {
  if (isAbsolute(cwd)) return cwd;
  return cwd === "" ? dir : `${dir}${dir.endsWith(sep) ? "" : sep}${cwd}`;
}

function checkDefault(
  source: TomlFile,
  root: Decoded<RootFields>,
  includeLocal: boolean,
  ids: ReadonlyMap<string, unknown>,
): string | null {
  const value = root.fields.default;
  // A single remote is not the default of itself: work only leaves this machine where someone said so.
  if (value === undefined) return includeLocal ? LOCAL_ID : null;
  const id = trimWhiteSpace(value);
  if (id === "") source.fail(offsetOf(root, "default"), "default", "expected an id that is not empty");
  if (isNone(id)) return null;
  if (id === LOCAL_ID ? includeLocal : ids.has(id)) return id;
  source.fail(
    offsetOf(root, "default"),
    "default",
    `expected "none"${includeLocal ? ', "local"' : ""} or the id of one of environments`,
  );
}

/** Whether `text` is the word that stands for no environment. */
export function isNone(text: string): boolean {
  return /^none$/i.test(text);
}
