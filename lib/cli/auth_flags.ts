/** Flags of `serve` about the credentials that clients must have. */

import type { FlagSpec, Parsed } from "../flags/flags.ts";
import { ExecServerError } from "../protocol/errors.ts";
import {
  type Authenticator,
  capabilityToken,
  signedBearerToken,
  tokenDigest,
} from "../server/credentials.ts";
import { readText } from "./text_file.ts";

export const authFlags = {
  "ws-auth": {
    type: "string",
    value: "MODE",
    help: 'Demand credentials: "capability-token", one that both sides\nknow, or "signed-bearer-token", a JWT signed by HS256',
  },
  "ws-token-file": { type: "string", value: "FILE", help: "File that holds the token" },
  "ws-token-sha256": { type: "string", value: "HEX", help: "SHA-256 of the token, in place of a file" },
  "ws-shared-secret-file": {
    type: "string",
    value: "FILE",
    help: "File with the secret that JWTs are signed with, of 32 bytes\nor more",
  },
  "ws-issuer": { type: "string", value: "NAME", help: "Take only JWTs with this issuer" },
  "ws-audience": { type: "string", value: "NAME", help: "Take only JWTs for this audience" },
  "ws-max-clock-skew-seconds": {
    type: "number",
    value: "N",
    help: "How far the clock of who signs may differ (default 30)",
  },
} as const satisfies Record<string, FlagSpec>;

const modes = {
  "capability-token": ["ws-token-file", "ws-token-sha256"],
  "signed-bearer-token": ["ws-shared-secret-file", "ws-issuer", "ws-audience", "ws-max-clock-skew-seconds"],
} as const;
type Mode = keyof typeof modes;

const MIN_SECRET_BYTES = 32;

type AuthFlags = Parsed<typeof authFlags>["flags"];

/**
 * Undefined when nothing is demanded.
 * @throws {ExecServerError} `ERR_LISTEN`: a combination that is none, as the peer has it, or a file that cannot be used.
 * `ERR_USAGE`: a mode that is none.
 */
export function readAuthentication(flags: AuthFlags, isStdio: boolean): Authenticator | undefined {
  const mode = flags["ws-auth"];
  if (mode !== undefined && !isMode(mode)) {
    throw new ExecServerError(
      "ERR_USAGE",
      `"--ws-auth" has the value "${mode}": expected "capability-token" or "signed-bearer-token"`,
    );
  }
  for (const other of Object.keys(modes) as Mode[]) {
    const stray = other === mode ? undefined : modes[other].find((name) => flags[name] !== undefined);
    if (stray !== undefined) refuse(`\`--${stray}\` needs \`--ws-auth ${other}\``);
  }
  if (mode === undefined) return undefined;
  if (isStdio) refuse("WebSocket auth requires a WebSocket listener, not stdio");
  return mode === "capability-token" ? readCapabilityToken(flags) : readSignedToken(flags);
}

function isMode(text: string): text is Mode {
  return Object.hasOwn(modes, text);
}

function readCapabilityToken(flags: AuthFlags): Authenticator {
  const file = flags["ws-token-file"];
  const sha256 = flags["ws-token-sha256"]?.trim();
  if ((file === undefined) === (sha256 === undefined)) {
    refuse("`--ws-auth capability-token` needs exactly one of `--ws-token-file` and `--ws-token-sha256`");
  }
  if (sha256 === undefined) return capabilityToken(tokenDigest(readSecret("token", file!)));
  if (!/^[0-9a-f]{64}$/i.test(sha256)) refuse("`--ws-token-sha256` needs 64 hexadecimal characters");
  return capabilityToken(Uint8Array.fromHex(sha256));
}

function readSignedToken(flags: AuthFlags): Authenticator {
  const file = flags["ws-shared-secret-file"];
  if (file === undefined) return refuse("`--ws-auth signed-bearer-token` needs `--ws-shared-secret-file`");
  const secret = new TextEncoder().encode(readSecret("secret", file));
  if (secret.length < MIN_SECRET_BYTES) {
    refuse(`The secret file "${file}" has ${secret.length} bytes: expected ${MIN_SECRET_BYTES} or more`);
  }
  const maxClockSkewSeconds = flags["ws-max-clock-skew-seconds"];
  if (
    maxClockSkewSeconds !== undefined &&
    !(Number.isInteger(maxClockSkewSeconds) && maxClockSkewSeconds >= 0)
  ) {
    throw new ExecServerError(
      "ERR_USAGE",
      `"--ws-max-clock-skew-seconds" has the value "${maxClockSkewSeconds}": expected a whole number, 0 or more`,
    );
  }
  return signedBearerToken({
    secret,
    issuer: name(flags, "ws-issuer"),
    audience: name(flags, "ws-audience"),
    maxClockSkewSeconds,
  });
}

function name(flags: AuthFlags, flag: "ws-issuer" | "ws-audience"): string | undefined {
  const text = flags[flag]?.trim();
  if (text === "") refuse(`\`--${flag}\` is empty`);
  return text;
}

/** Of a file, trimmed; it is never told. */
function readSecret(what: string, path: string): string {
  let text = "";
  try {
    // As the peer trims: a byte order mark is a part of it.
    text = readText(path).replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "");
  } catch (error) {
    refuse(`Cannot read the ${what} file "${path}": ${(error as Error).message}`);
  }
  if (text === "") refuse(`The ${what} file "${path}" is empty`);
  return text;
}

function refuse(message: string): never {
  throw new ExecServerError("ERR_LISTEN", message);
}
