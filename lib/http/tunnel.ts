/** A secured connection through an HTTP proxy. */

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isIP } from "../protocol/ip_address.ts";
import { nodeNet, nodeTls } from "../runtime/node_modules.ts";
import { HttpFailure, toFailure } from "./failure.ts";
import type { HttpProxy } from "./proxies.ts";
import { ResponseParser } from "./response_parser.ts";

/** Where a tunnel leads. */
export interface TunnelTarget {
  hostname: string;
  port: number;
}

/** @throws {HttpFailure} `connect`: the proxy cannot be reached or refuses. `tls`: the origin is not who it should be. */
export async function openTunnel(
  proxy: HttpProxy,
  target: TunnelTarget,
  options: { ca: string[] | undefined; signal: AbortSignal },
): Promise<TLSSocket> {
  const { ca, signal } = options;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = nodeNet().connect({ host: proxy.hostname, port: proxy.port });
  let secured: TLSSocket | undefined;
  const onAbort = (): void => {
    reject(signal.reason);
    secured?.destroy();
    socket.destroy();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  /** Ends both; what comes after the first is of no effect. */
  const fail = (failure: HttpFailure): void => {
    reject(failure);
    secured?.destroy();
    socket.destroy();
  };
  socket.once("connect", () => socket.write(tunnelRequest(proxy, target), "latin1"));
  // Its errors are nobody else's, and one without a listener would end the program.
  socket.on("error", (error) => fail(secured ? toFailure(error, "tls") : ofProxy(proxy, error)));
  awaitTunnel(socket, proxy).then(() => {
    const { hostname } = target;
    // An address is no name for SNI.
    const name = isIP(hostname) === 0 ? { servername: hostname } : {};
    secured = nodeTls().connect({ socket, host: hostname, ...name, ...(ca ? { ca } : {}) });
    secured.once("secureConnect", () => resolve(secured!));
    secured.on("error", (error) => fail(toFailure(error, "tls")));
  }, fail);
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function tunnelRequest({ authorization }: HttpProxy, { hostname, port }: TunnelTarget): string {
  const authority = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  const credentials = authorization === undefined ? "" : `proxy-authorization: ${authorization}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${credentials}\r\n`;
}

/** Settles when the proxy has agreed, and what comes now is the origin's. @throws {HttpFailure} */
async function awaitTunnel(socket: Socket, proxy: HttpProxy): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let status: number | undefined;
  const parser = new ResponseParser("CONNECT", {
    head: (head) => {
      status = head.status;
    },
    body: () => {},
  });
  const onData = (bytes: Uint8Array): void => {
    try {
      const taken = parser.feed(bytes);
      if (status === undefined) return;
      if (status !== 200) {
        reject(new HttpFailure("connect", `the proxy of ${proxy.variable} answered HTTP ${status}`));
      }
      // The origin is silent until it is spoken to.
      if (taken < bytes.length) throw new HttpFailure("protocol", "there is more behind its answer");
      resolve();
    } catch (error) {
      reject(ofProxy(proxy, error));
    }
  };
  const onClose = (): void => reject(ofProxy(proxy, new HttpFailure("connect", "it closed the connection")));
  socket.on("data", onData);
  socket.once("close", onClose);
  try {
    await promise;
  } finally {
    socket.off("data", onData);
    socket.off("close", onClose);
    socket.pause();
  }
}

function ofProxy(proxy: HttpProxy, error: unknown): HttpFailure {
  const { kind, message } = toFailure(error, "connect");
  return new HttpFailure(kind, `the proxy of ${proxy.variable}: ${message}`, { cause: error });
}
