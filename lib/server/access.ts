/** From where one may connect: addresses that are safe to listen on, and hosts. */

import { isIP } from "../protocol/ip_address.ts";
import { nodeOs } from "../runtime/node_modules.ts";

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
