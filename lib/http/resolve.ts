/** Names to addresses, with the policy asked about each before anything connects to it. */

import { nodeDns } from "../runtime/node_modules.ts";
import { parseAddress } from "./addresses.ts";
import { HttpFailure } from "./failure.ts";
import type { HttpPolicy } from "./policy.ts";

export interface ResolvedAddress {
  address: string;
  family: number;
}

/** Resolves a name as the system does. */
export type Resolve = (hostname: string) => Promise<ResolvedAddress[]>;

const systemResolve: Resolve = async (hostname) => await nodeDns().lookup(hostname, { all: true });

/**
 * The addresses of a name that may be connected to.
 * @throws {HttpFailure} `dns`, or `policy` when none may.
 */
export async function allowedAddresses(
  hostname: string,
  port: number,
  policy: HttpPolicy,
  resolve: Resolve = systemResolve,
): Promise<ResolvedAddress[]> {
  let found: ResolvedAddress[];
  try {
    found = await resolve(hostname);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HttpFailure("dns", `cannot resolve "${hostname}"${code ? `: ${code}` : ""}`, { cause: error });
  }
  let refusal: unknown;
  const allowed = found.filter(({ address }) => {
    const parsed = parseAddress(address);
    if (!parsed) return false;
    try {
      policy.checkAddress(hostname, parsed, port);
      return true;
    } catch (error) {
      refusal = error;
      return false;
    }
  });
  if (allowed.length > 0) return allowed;
  throw refusal ?? new HttpFailure("dns", `cannot resolve "${hostname}": no address`);
}
