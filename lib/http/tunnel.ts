/** A secured connection through an HTTP proxy. */

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isIP } from "../protocol/ip_address.ts";
import { nodeHttp, nodeTls } from "../runtime/node_modules.ts";
import { HttpFailure, toFailure } from "./failure.ts";
import type { HttpProxy } from "./proxies.ts";

/** @throws {HttpFailure} `connect`: the proxy cannot be reached or refuses. `tls`: the origin is not who it should be. */
export async function openTunnel(
  proxy: HttpProxy,
  target: { hostname: string; port: number },
  options: { ca: string[] | undefined; signal: AbortSignal },
): Promise<TLSSocket> {
  const { ca, signal } = options;
  signal.throwIfAborted();
  const host = target.hostname.includes(":") ? `[${target.hostname}]` : target.hostname;
  const authority = `${host}:${target.port}`;
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const asking = nodeHttp().request({
    hostname: proxy.hostname,
    port: proxy.port,
    method: "CONNECT",
    path: authority,
    agent: false,
    setDefaultHeaders: false,
  });
  asking.setHeader("host", authority);
  if (proxy.authorization !== undefined) asking.setHeader("proxy-authorization", proxy.authorization);
  let secured: TLSSocket | undefined;
  const onAbort = (): void => {
    reject(signal.reason);
    secured?.destroy();
    asking.destroy();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  const fail = (error: HttpFailure): void => reject(error);
  const refused = (status: number | undefined): HttpFailure =>
    new HttpFailure("connect", `the proxy of ${proxy.variable} answered HTTP ${status}`);
  asking.on("error", (error) => {
    const { kind, message } = toFailure(error, "connect");
    fail(new HttpFailure(kind, `the proxy of ${proxy.variable}: ${message}`, { cause: error }));
  });
  asking.on("response", (response) => {
    response.destroy();
    fail(refused(response.statusCode));
  });
  asking.on("connect", (response, socket: Socket) => {
    // Its errors are nobody else's, and one without a listener would end the program.
    socket.on("error", (error) => {
      secured?.destroy();
      fail(toFailure(error, "tls"));
    });
    if (response.statusCode !== 200) {
      socket.destroy();
      return fail(refused(response.statusCode));
    }
    const { hostname } = target;
    // An address is no name for SNI.
    const name = isIP(hostname) === 0 ? { servername: hostname } : {};
    secured = nodeTls().connect({ socket, host: hostname, ...name, ...(ca ? { ca } : {}) });
    secured.once("secureConnect", () => resolve(secured!));
    secured.on("error", (error) => {
      socket.destroy();
      fail(toFailure(error, "tls"));
    });
  });
  asking.end();
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
