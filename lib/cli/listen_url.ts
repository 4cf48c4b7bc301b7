/** The grammar of `--listen` (docs/protocol.md, "Transports"). */

import { ExecServerError } from "../protocol/errors.ts";
import { isIP } from "../protocol/ip_address.ts";

/** Where to listen. */
export type ListenAddress = { kind: "stdio" } | { kind: "websocket"; hostname: string; port: number };

/** @throws {ExecServerError} `ERR_LISTEN`, with the words of the peer. */
export function parseListenUrl(value: string): ListenAddress {
  if (value === "stdio" || value === "stdio://") return { kind: "stdio" };
  if (!value.startsWith("ws://")) {
    throw new ExecServerError(
      "ERR_LISTEN",
      `unsupported --listen URL \`${value}\`; expected \`ws://IP:PORT\` or \`stdio\``,
    );
  }
  const match = /^ws:\/\/(?:\[([^\]]+)\]|([^:/]+)):(\d{1,5})$/.exec(value);
  const hostname = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  const family = isIP(hostname);
  if (!match || family === 0 || (family === 6) !== (match[1] !== undefined) || port > 65_535) {
    throw new ExecServerError(
      "ERR_LISTEN",
      `invalid websocket --listen URL \`${value}\`; expected \`ws://IP:PORT\``,
    );
  }
  return { kind: "websocket", hostname, port };
}
