/** Who may connect: addresses that are safe to listen on, hosts, origins and tokens. */

import { Buffer } from "node:buffer";
import { isIP } from "../protocol/ip_address.ts";
import { digest, sameDigest } from "../runtime/digest.ts";
import { nodeOs } from "../runtime/node_modules.ts";
import type { HttpHead } from "../transport/http_head.ts";

/** How a client proves that it may connect. More modes can follow. */
export type Authenticator = (head: HttpHead) => string | null;

/** Lets everybody in. */
export const noAuthentication: Authenticator = () => null;

/**
 * Wants `Authorization: Bearer TOKEN` with this SHA-256 digest of the token.
 * The answer is the text of the refusal, or null.
 */
export function capabilityToken(sha256: Uint8Array): Authenticator {
  return (head) => {
    const [value] = head.headers.get("authorization") ?? [];
    if (value === undefined) return "missing websocket bearer token";
    const [, scheme = "", token = ""] = /^(\S+)\s+(.*)$/.exec(value) ?? [];
    if (scheme.toLowerCase() !== "bearer" || token.trim() === "") return "invalid authorization header";
    const given = digest("sha256", Buffer.from(token.trim(), "latin1"));
    return sameDigest(given, sha256) ? null : "invalid websocket bearer token";
  };
}

/** SHA-256 of a token, as `capabilityToken` wants it. */
export function tokenDigest(token: string): Uint8Array {
  return digest("sha256", token);
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(address: string): boolean {
  if (isIP(address) === 4) return address.startsWith("127.");
  return address === "::1" || /^::ffff:127\./i.test(address);
}

/**
 * Whether a request may name this host. A page of another site can reach us only by a name that its owner made
 * to point here, so addresses and our own names are right and other names are not.
 */
export function isOwnHost(host: string, allowed: readonly string[]): boolean {
  const name = /^\[([^\]]*)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, "");
  if (isIP(name) !== 0) return true;
  const folded = name.toLowerCase().replace(/\.$/, "");
  return folded === "localhost" || folded === nodeOs().hostname().toLowerCase() || allowed.includes(folded);
}
