/** How a client proves that it may connect: by a token that both sides know, or one that somebody has signed. */

import { Buffer } from "node:buffer";
import { digest, hmacSha256, sameDigest } from "../runtime/digest.ts";
import type { HttpHead } from "../transport/http_head.ts";

/** Looks at a request to upgrade: the text of the refusal, or null. */
export type Authenticator = (head: HttpHead) => string | null;

/** Lets everybody in. */
export const noAuthentication: Authenticator = () => null;

/** Wants `Authorization: Bearer TOKEN` with this SHA-256 digest of the token. */
export function capabilityToken(sha256: Uint8Array): Authenticator {
  return bearer((token) =>
    sameDigest(digest("sha256", Buffer.from(token, "latin1")), sha256)
      ? null
      : "invalid websocket bearer token",
  );
}

/** SHA-256 of a token, as `capabilityToken` wants it. */
export function tokenDigest(token: string): Uint8Array {
  return digest("sha256", token);
}

/** Which signed tokens are taken. */
export interface SignedTokenOptions {
  /** The key of HMAC with SHA-256. */
  secret: Uint8Array;
  /** What `iss` must be; anything or nothing when absent. */
  issuer?: string | undefined;
  /** What `aud` must be or have among others; anything or nothing when absent. */
  audience?: string | undefined;
  /** How far the clocks may differ. @default {30} */
  maxClockSkewSeconds?: number | undefined;
  /** Milliseconds since 1970. @default {Date.now} */
  now?: () => number;
}

const DEFAULT_SKEW_SECONDS = 30;

/**
 * Wants `Authorization: Bearer JWT` (RFC 7519), signed by HS256 and with `exp`; `nbf`, where it is there, counts too.
 * Nothing is looked at again while the connection lasts.
 */
export function signedBearerToken(options: SignedTokenOptions): Authenticator {
  const { secret, issuer, audience, maxClockSkewSeconds = DEFAULT_SKEW_SECONDS, now = Date.now } = options;
  return bearer((token) => {
    const claims = verified(token, secret);
    if (!claims) return "invalid websocket jwt";
    const { exp, nbf, iss, aud } = claims;
    const seconds = Math.floor(now() / 1000);
    if (seconds > exp + maxClockSkewSeconds) return "expired websocket jwt";
    if (nbf !== undefined && seconds < nbf - maxClockSkewSeconds) return "websocket jwt is not valid yet";
    if (issuer !== undefined && iss !== issuer) return "websocket jwt issuer mismatch";
    if (audience !== undefined && !aud.includes(audience)) return "websocket jwt audience mismatch";
    return null;
  });
}

/** Hands the token on that the client has presented. */
function bearer(check: (token: string) => string | null): Authenticator {
  return (head) => {
    const [value] = head.headers.get("authorization") ?? [];
    if (value === undefined) return "missing websocket bearer token";
    const [, scheme = "", token = ""] = /^(\S+)\s+(.*)$/.exec(value) ?? [];
    if (scheme.toLowerCase() !== "bearer" || token.trim() === "") return "invalid authorization header";
    return check(token.trim());
  };
}

interface Claims {
  exp: number;
  nbf: number | undefined;
  iss: string | undefined;
  aud: readonly string[];
}

/** The claims of a token with a good signature; undefined for any other, and for claims that are not well formed. */
function verified(token: string, secret: Uint8Array): Claims | undefined {
  const parts = token.split(".");
  const [header = "", payload = "", signature = ""] = parts;
  const given = fromBase64Url(signature);
  if (parts.length !== 3 || objectIn(header)?.alg !== "HS256" || !given) return undefined;
  const wanted = hmacSha256(secret, Buffer.from(`${header}.${payload}`, "latin1"));
  if (given.length !== wanted.length || !sameDigest(given, wanted)) return undefined;
  const { exp, nbf, iss, aud = [] } = objectIn(payload) ?? {};
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (!isInteger(exp) || !(nbf === undefined || isInteger(nbf))) return undefined;
  if (!(iss === undefined || typeof iss === "string")) return undefined;
  if (!audiences.every((one) => typeof one === "string")) return undefined;
  return { exp, nbf, iss, aud: audiences };
}

function objectIn(part: string): Record<string, unknown> | undefined {
  const bytes = fromBase64Url(part);
  if (!bytes) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Without padding, as RFC 7515 has it. */
function fromBase64Url(text: string): Uint8Array | undefined {
  return /^[\w-]+$/.test(text) && text.length % 4 !== 1 ? Buffer.from(text, "base64url") : undefined;
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}
