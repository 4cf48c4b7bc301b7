/** New connections to addresses that the policy has passed. */

import type { TLSSocket } from "node:tls";
import { isIP } from "../protocol/ip_address.ts";
import { nodeTls } from "../runtime/node_modules.ts";
import { errnoByName, osErrorText } from "../runtime/os_error.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Cancellation } from "./cancellation.ts";
import { HttpFailure, type Phase, toFailure } from "./failure.ts";
import { streamOfSocket } from "./node_stream.ts";
import { OriginConnection } from "./origin_connection.ts";
import type { HttpPolicy } from "./policy.ts";
import type { HttpProxy } from "./proxies.ts";
import { allowedAddresses, type Resolve } from "./resolve.ts";
import { openTunnel } from "./tunnel.ts";

/** Where a connection leads. */
export interface Way {
  /** Equal for ways whose connections can stand for each other. */
  key: string;
  hostname: string;
  port: number;
  secure: boolean;
  /** Connected to in place of the origin. */
  proxy: HttpProxy | undefined;
}

/** What a connection is made with. */
export interface DialOptions {
  runtime: Runtime;
  policy: HttpPolicy;
  /** Authorities to trust; undefined for the runtime's own. */
  ca: string[] | undefined;
  cancellation: Cancellation;
  resolve?: Resolve | undefined;
}

/** An address that is silent so long is not waited for any more before the next is tried. */
const NEXT_ADDRESS_MS = 250;

/** @throws {HttpFailure} */
export async function dial(way: Way, options: DialOptions): Promise<OriginConnection> {
  const { hostname, port, proxy, secure } = way;
  const { ca, cancellation } = options;
  cancellation.throwIfOver();
  const { signal } = cancellation;
  if (proxy && secure) {
    const socket = await openTunnel(proxy, { hostname, port }, { ca, signal });
    return streamOfSocket(socket, (stream) => new OriginConnection(stream));
  }
  // The proxy is the choice of whoever runs this server: no client's policy is about it.
  if (proxy) return await dialPlain(proxy.hostname, proxy.port, options.runtime, signal);
  const connect = secure
    ? (address: string, signal: AbortSignal) => dialSecure(address, way, ca, signal)
    : (address: string, signal: AbortSignal) => dialPlain(address, port, options.runtime, signal);
  if (isIP(hostname) !== 0) return await connect(hostname, signal);
  // The system can take long over a name, and cannot be told to stop.
  const addresses = await cancellation.orEnd(
    allowedAddresses(hostname, port, options.policy, options.resolve),
  );
  signal.throwIfAborted();
  return await firstOf(
    addresses.map(({ address }) => address),
    connect,
    signal,
  );
}

async function dialPlain(
  hostname: string,
  port: number,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<OriginConnection> {
  let connection: OriginConnection | undefined;
  try {
    await runtime.connect({ hostname, port, tls: false, signal }, (stream) => {
      connection = new OriginConnection(stream);
      return connection;
    });
  } catch (error) {
    throw signal.aborted ? signal.reason : connectFailure(error as NodeJS.ErrnoException);
  }
  return connection!;
}

/** In the system's words, as the runtimes have each their own. */
function connectFailure(error: NodeJS.ErrnoException): HttpFailure {
  const errno = errnoByName.get(error.code ?? "");
  if (errno === undefined) return toFailure(error, "connect");
  return new HttpFailure("connect", `cannot connect: ${osErrorText(errno)}`, { cause: error });
}

/** By `node:tls`, which takes authorities and checks names alike on both runtimes. */
async function dialSecure(
  address: string,
  way: Way,
  ca: string[] | undefined,
  signal: AbortSignal,
): Promise<OriginConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  // An address is no name for SNI.
  const name = isIP(way.hostname) === 0 ? { servername: way.hostname } : {};
  const socket = nodeTls().connect({
    host: address,
    port: way.port,
    ALPNProtocols: ["http/1.1"],
    ...name,
    ...(ca ? { ca } : {}),
  });
  let phase: Phase = "connect";
  const onAbort = (): void => {
    reject(signal.reason);
    socket.destroy();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("connect", () => {
    phase = "tls";
  });
  socket.once("secureConnect", () => resolve(socket));
  socket.on("error", (error) => reject(toFailure(error, phase)));
  socket.once("close", () =>
    reject(new HttpFailure(phase, "the connection was closed during the handshake")),
  );
  try {
    const secured = await promise;
    return streamOfSocket(secured, (stream) => new OriginConnection(stream));
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The first address that answers; the next one is tried when one has failed, or is slow. */
async function firstOf(
  addresses: readonly string[],
  connect: (address: string, signal: AbortSignal) => Promise<OriginConnection>,
  signal: AbortSignal,
): Promise<OriginConnection> {
  if (addresses.length === 1) return await connect(addresses[0]!, signal);
  const { promise, resolve, reject } = Promise.withResolvers<OriginConnection>();
  const giveUp = new AbortController();
  const onAbort = (): void => {
    giveUp.abort(signal.reason);
    reject(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  let tried = 0;
  let failed = 0;
  let isDecided = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tryNext = (): void => {
    clearTimeout(timer);
    if (isDecided || tried === addresses.length) return;
    connect(addresses[tried++]!, giveUp.signal).then(
      (connection) => {
        if (isDecided) return connection.destroy();
        isDecided = true;
        resolve(connection);
      },
      (error) => {
        if (++failed === addresses.length) reject(error);
        else tryNext();
      },
    );
    timer = setTimeout(tryNext, NEXT_ADDRESS_MS);
  };
  tryNext();
  try {
    return await promise;
  } finally {
    isDecided = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    giveUp.abort(new HttpFailure("cancelled", "another address has answered"));
  }
}
