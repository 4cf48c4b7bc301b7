/**
 * One request and its answer, in HTTP/1.1 over a connection that was kept or is new. It sends the lines that it is given
 * and no others, and gives back what came.
 */

import { Buffer } from "node:buffer";
import type { ConnectionPool } from "./connection_pool.ts";
import { type DialOptions, dial, type Way } from "./dial.ts";
import { HttpFailure } from "./failure.ts";
import { type Answer, type RequestBytes, StaleConnection } from "./origin_connection.ts";
import type { HttpProxy } from "./proxies.ts";
import type { Hop } from "./redirects.ts";
import { allowedAddresses } from "./resolve.ts";

/** What a request goes out with. */
export interface ExchangeOptions extends DialOptions {
  proxy: HttpProxy | undefined;
}

/**
 * Methods without an effect: they may be sent again when a connection that was kept open turns out to be closed. Not
 * PUT and DELETE: what the second answers is another thing than what the first would have.
 */
const repeatable: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Sends a request and waits for the head of its answer. The body must be read or destroyed.
 * @throws {HttpFailure}
 */
export async function exchange(hop: Hop, pool: ConnectionPool, options: ExchangeOptions): Promise<Answer> {
  const { cancellation, proxy, policy, resolve } = options;
  const way = wayTo(hop.url, proxy, options.ca);
  policy.checkHost(way.hostname, way.port);
  if (proxy) {
    // The proxy resolves the name. Where it can be resolved here too, what it stands for must be allowed.
    const allowed = allowedAddresses(way.hostname, way.port, policy, resolve);
    await cancellation.orEnd(allowed).catch((error) => {
      if (error instanceof HttpFailure && error.kind === "dns") return;
      throw error;
    });
  }
  const request = requestBytes(hop, way.secure ? undefined : proxy);
  const kept = pool.take(way.key);
  if (kept) {
    try {
      return await kept.ask(request, cancellation);
    } catch (error) {
      if (!(error instanceof StaleConnection) || !repeatable.has(hop.method) || cancellation.reason)
        throw error;
    }
  }
  const connection = await dial(way, options);
  pool.adopt(way.key, connection);
  return await connection.ask(request, cancellation);
}

function wayTo(url: URL, proxy: HttpProxy | undefined, ca: readonly string[] | undefined): Way {
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  const { hostname: host } = url;
  const hostname = host.startsWith("[") ? host.slice(1, -1) : host;
  const via = proxy ? ` by ${proxy.hostname} ${proxy.port} ${proxy.authorization ?? ""}` : "";
  // A proxy takes requests for all origins over one connection, if they are not secured.
  const origin = proxy && !secure ? "" : `${hostname} ${port}`;
  return { key: `${secure ? trustOf(ca) : "plain"} ${origin}${via}`, hostname, port, secure, proxy };
}

const trusts = new WeakMap<readonly string[], string>();
let lastTrust = 0;

/** Equal for the same authorities. */
function trustOf(ca: readonly string[] | undefined): string {
  if (!ca) return "tls";
  let known = trusts.get(ca);
  if (known === undefined) {
    known = `tls ${++lastTrust}`;
    trusts.set(ca, known);
  }
  return known;
}

/** What the caller has given, and what must not be missing, in the order of the peer. */
function requestBytes(hop: Hop, proxy: HttpProxy | undefined): RequestBytes {
  const { method, url } = hop;
  const isChunked = hop.headers.has("transfer-encoding");
  // Two lengths are what one request is smuggled behind another with.
  const headers = isChunked ? hop.headers.without((name) => name === "content-length") : hop.headers;
  // The form for proxies has the whole URL.
  let head = `${method} ${proxy ? url.href : `${url.pathname}${url.search}`} HTTP/1.1\r\n`;
  head += headers.lines();
  if (!headers.has("accept")) head += "accept: */*\r\n";
  if (!headers.has("host")) head += `host: ${url.host}\r\n`;
  if (proxy?.authorization !== undefined && !headers.has("proxy-authorization")) {
    head += `proxy-authorization: ${proxy.authorization}\r\n`;
  }
  let { body } = hop;
  if (isChunked) body = oneChunk(body);
  else if (body !== undefined && !headers.has("content-length")) {
    head += `content-length: ${body.length}\r\n`;
  }
  const isLast =
    headers.has("connection") &&
    headers.values("connection").some((value) => /(^|,)\s*close\s*(,|$)/i.test(value));
  return { method, head: `${head}\r\n`, body, isLast };
}

function oneChunk(body: Uint8Array | undefined): Uint8Array {
  if (body === undefined) return Buffer.from("0\r\n\r\n");
  const size = Buffer.from(`${body.length.toString(16)}\r\n`);
  return Buffer.concat([size, body, Buffer.from("\r\n0\r\n\r\n")]);
}
