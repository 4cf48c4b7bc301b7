/**
 * One request and its answer, over `node:http`. Of all clients that both runtimes have, it alone sends the lines that
 * it is given and no others, gives back what came, and lets us say where it connects to.
 */

import { Buffer } from "node:buffer";
import type { Agent, ClientRequest, RequestOptions } from "node:http";
import type { Agent as SecureAgent } from "node:https";
import type { Socket } from "node:net";
import { BodyReader } from "./body_reader.ts";
import { HttpFailure, type Phase, toFailure } from "./failure.ts";
import { nodeHttp, nodeHttps } from "./node_modules.ts";
import type { HttpPolicy } from "./policy.ts";
import type { HttpProxy } from "./proxies.ts";
import type { Hop } from "./redirects.ts";
import { allowedAddresses, checkedLookup, type Resolve } from "./resolve.ts";
import { openTunnel } from "./tunnel.ts";

/** An answer of which the body is still to come. */
export interface Answer {
  status: number;
  /** Names and values in turn, as they came. */
  rawHeaders: readonly string[];
  body: BodyReader;
  location: string | undefined;
}

/** What a request goes out with. */
export interface ExchangeOptions {
  policy: HttpPolicy;
  proxy: HttpProxy | undefined;
  /** Authorities to trust; undefined for the runtime's own. */
  ca: string[] | undefined;
  /** Aborted with an {@link HttpFailure}: the connection is closed, and whoever waits gets it. */
  signal: AbortSignal;
  resolve?: Resolve | undefined;
}

const MAX_HEAD_BYTES = 1024 * 1024;
const IDLE_MS = 4000;
/** Methods that may be sent again when a connection that was kept open turns out to be closed. */
const repeatable: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Connections that are kept open for the next request. */
export class ConnectionPool {
  #plain: Agent | undefined;
  #secure: SecureAgent | undefined;

  get plain(): Agent {
    this.#plain ??= new (nodeHttp().Agent)({ keepAlive: true, timeout: IDLE_MS });
    return this.#plain;
  }

  get secure(): SecureAgent {
    this.#secure ??= new (nodeHttps().Agent)({ keepAlive: true, timeout: IDLE_MS });
    return this.#secure;
  }

  destroy(): void {
    this.#plain?.destroy();
    this.#secure?.destroy();
  }
}

/**
 * Sends a request and waits for the head of its answer. The body must be read or destroyed.
 * @throws {HttpFailure}
 */
export async function exchange(hop: Hop, pool: ConnectionPool, options: ExchangeOptions): Promise<Answer> {
  const target = await route(hop, pool, options);
  if (options.signal.aborted) {
    target.tunnel?.destroy();
    throw options.signal.reason;
  }
  try {
    return await send(hop, target, options);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    if (!repeatable.has(hop.method) || options.signal.aborted) throw toFailure(error.cause, "protocol");
    return await send(hop, { ...target, agent: false }, options);
  }
}

type Target = RequestOptions & { tunnel?: Socket };

/** A connection from the pool was closed before the first byte of the answer. */
class StaleConnection extends Error {}

/** The way to the origin: straight, by asking a proxy, or through one. */
async function route(hop: Hop, pool: ConnectionPool, options: ExchangeOptions): Promise<Target> {
  const { url } = hop;
  const { policy, proxy, ca, signal, resolve } = options;
  const isSecure = url.protocol === "https:";
  const port = url.port === "" ? (isSecure ? 443 : 80) : Number(url.port);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  policy.checkHost(hostname, port);
  const path = `${url.pathname}${url.search}`;
  if (!proxy) {
    return {
      hostname,
      port,
      path,
      lookup: checkedLookup(port, policy, resolve),
      agent: isSecure ? pool.secure : pool.plain,
      ...(ca ? { ca } : {}),
    } as RequestOptions;
  }
  // The proxy resolves the name. Where it can be resolved here too, what it stands for must be allowed.
  await allowedAddresses(hostname, port, policy, resolve).catch((error) => {
    if (error instanceof HttpFailure && error.kind === "dns") return;
    throw error;
  });
  if (!isSecure) {
    // The form for proxies, with the whole URL.
    return { hostname: proxy.hostname, port: proxy.port, path: url.href, agent: pool.plain };
  }
  const socket = await openTunnel(proxy, { hostname, port }, { ca, signal });
  // No agent: even a fresh one would make a connection of its own.
  return { hostname, port, path, createConnection: () => socket, tunnel: socket };
}

function send(hop: Hop, target: RequestOptions, options: ExchangeOptions): Promise<Answer> {
  const { signal, proxy } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  signal.throwIfAborted();
  // Through a tunnel the socket is secured already.
  const isSecure = hop.url.protocol === "https:" && target.createConnection === undefined;
  let phase: Phase = "connect";
  let outgoing: ClientRequest;
  try {
    outgoing = (isSecure ? nodeHttps() : nodeHttp()).request({
      ...target,
      setDefaultHeaders: false,
      maxHeaderSize: MAX_HEAD_BYTES,
    } as RequestOptions);
  } catch (error) {
    throw toFailure(error, "protocol");
  }
  const onAbort = (): void => {
    reject(signal.reason);
    outgoing.destroy(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  // As it was given: it would be sent in upper case.
  outgoing.method = hop.method;
  outgoing.maxHeadersCount = 0;
  let reused = false;
  outgoing.on("socket", (socket: Socket) => {
    reused = outgoing.reusedSocket;
    // Deno would send a request again by itself, also one that must not be, or that was given up.
    outgoing.reusedSocket = false;
    if (!socket.connecting) {
      phase = "protocol";
      return;
    }
    socket.once("connect", () => {
      phase = isSecure ? "tls" : "protocol";
    });
    socket.once("secureConnect", () => {
      phase = "protocol";
    });
  });
  outgoing.on("response", (response) => {
    signal.removeEventListener("abort", onAbort);
    resolve({
      status: response.statusCode!,
      rawHeaders: response.rawHeaders,
      location: response.headers.location,
      body: new BodyReader(response),
    });
  });
  outgoing.on("upgrade", (_response, socket) => {
    socket.on("error", () => {});
    socket.destroy();
    reject(new HttpFailure("protocol", "the origin changed to another protocol"));
  });
  outgoing.on("error", (error: NodeJS.ErrnoException) => {
    signal.removeEventListener("abort", onAbort);
    const stale = reused && error.code === "ECONNRESET" && !signal.aborted;
    reject(stale ? new StaleConnection("", { cause: error }) : toFailure(error, phase));
  });
  try {
    for (const [name, values] of wireHeaders(hop, target.createConnection ? undefined : proxy)) {
      // Deno wants one string of `host`.
      outgoing.setHeader(name, values.length === 1 ? values[0]! : values);
    }
    outgoing.end(hop.body);
  } catch (error) {
    // Headers that contradict each other, such as `trailer` without chunks.
    signal.removeEventListener("abort", onAbort);
    reject(toFailure(error, "protocol"));
    outgoing.destroy();
  }
  return promise;
}

/** What the caller has given, and what must not be missing, in the order of the peer. */
function wireHeaders(hop: Hop, proxy: HttpProxy | undefined): [string, string[]][] {
  const { headers, url, body } = hop;
  const lines = headers.lines();
  if (!headers.has("accept")) lines.push(["accept", ["*/*"]]);
  if (!headers.has("host")) lines.push(["host", [url.host]]);
  if (proxy?.authorization !== undefined && !headers.has("proxy-authorization")) {
    lines.push(["proxy-authorization", [proxy.authorization]]);
  }
  if (body !== undefined && !headers.has("content-length") && !headers.has("transfer-encoding")) {
    lines.push(["content-length", [String(Buffer.byteLength(body))]]);
  }
  return lines;
}
