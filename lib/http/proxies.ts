/** Which proxy the environment names for a URL. */

import { Buffer } from "node:buffer";
import { parseAddress, parseRange, within } from "./addresses.ts";
import { HttpFailure } from "./failure.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** An HTTP proxy. */
export interface HttpProxy {
  /** For errors. */
  variable: string;
  hostname: string;
  port: number;
  /** `Proxy-Authorization`. */
  authorization: string | undefined;
}

/**
 * The proxy of `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` (lower case too) unless `NO_PROXY` excepts the host. Loopback
 * is no exception of its own.
 * @throws {HttpFailure} `connect`: what is named is no HTTP proxy.
 */
export function proxyFor(url: URL, env: Variables): HttpProxy | undefined {
  const scheme = url.protocol.slice(0, -1);
  const names = [`${scheme.toUpperCase()}_PROXY`, `${scheme}_proxy`, "ALL_PROXY", "all_proxy"];
  // A CGI server passes the header `Proxy` of its client on as that variable.
  const usable = env.REQUEST_METHOD === undefined ? names : names.filter((name) => name !== "HTTP_PROXY");
  const variable = usable.find((name) => env[name]);
  if (variable === undefined || isExcepted(url, env.NO_PROXY ?? env.no_proxy ?? "")) return undefined;
  const text = env[variable]!;
  const named = text.includes("://") ? text : `http://${text}`;
  const target = URL.canParse(named) ? new URL(named) : undefined;
  if (target?.protocol !== "http:") {
    // Without the value: it may hold a password.
    const why = /^socks/i.test(named) ? "SOCKS is not supported, " : "";
    throw new HttpFailure(
      "connect",
      `the proxy of ${variable} cannot be used: ${why}expected http://HOST:PORT`,
    );
  }
  const { username, password } = target;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    variable,
    hostname: target.hostname.replace(/^\[|\]$/g, ""),
    port: target.port === "" ? 80 : Number(target.port),
    authorization:
      username === "" && password === "" ? undefined : `Basic ${Buffer.from(credentials).toString("base64")}`,
  };
}

/** `NO_PROXY`: names with all below them, addresses, ranges, each with `:PORT` or without, or `*`. */
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  const address = parseAddress(host);
  return list.split(/[\s,]+/).some((text) => {
    if (text === "*") return true;
    const entry = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text.toLowerCase());
    const wanted = entry ? (entry[1] ?? entry[2]!) : text.toLowerCase();
    if (entry?.[3] !== undefined && entry[3] !== port) return false;
    const range = parseRange(wanted);
    if (range) return address !== undefined && within(address, range);
    const name = wanted.replace(/^\*?\./, "");
    return name !== "" && (host === name || host.endsWith(`.${name}`));
  });
}
