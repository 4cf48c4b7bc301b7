/** Requests under a sandbox: the one place where it is decided what becomes of them. */

import { refused } from "./errors.ts";

/**
 * Working unconfined where a confinement was asked for would be the worst of answers.
 * @throws {RpcError} The request must not be carried out here.
 */
export function refuseConfinement(sandbox: unknown): void {
  if (!isConfined(sandbox)) return;
  throw refused("filesystem sandbox cannot be enforced on this executor");
}

/** False when a request asks for no limit: absent, null, disabled, left to somebody else, or with the whole disk. */
export function isConfined(sandbox: unknown): boolean {
  if (sandbox === undefined || sandbox === null) return false;
  const { permissions } = sandbox as { permissions?: { type?: unknown; file_system?: { type?: unknown } } };
  const type = permissions?.type;
  if (type === "disabled" || type === "external") return false;
  return !(type === "managed" && permissions?.file_system?.type === "unrestricted");
}
