/** The server: listens on a websocket address or serves one connection over stdio. */

import { Buffer } from "node:buffer";
import type { HttpOptions } from "../http/handlers.ts";
import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import { Cgroups } from "../process/cgroups.ts";
import { defaultProcessLimits, type ProcessLimits } from "../process/handlers.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { isIP } from "../protocol/ip_address.ts";
import { MAX_TIMER_MS } from "../protocol/timer.ts";
import { errnoByName, osErrorText } from "../runtime/os_error.ts";
import type { ByteStream, Runtime, StreamHandlers, TcpListener } from "../runtime/runtime.ts";
import { type Policy, unrestricted } from "../sandbox/policy.ts";
import { type HttpHead, HttpHeadReader } from "../transport/http_head.ts";
import { LineChannel } from "../transport/lines.ts";
import { WebsocketChannel } from "../transport/websocket_channel.ts";
import { type Authenticator, isLoopback, noAuthentication } from "./access.ts";
import { confinedFiles } from "./confined_files.ts";
import { ServerConnection } from "./connection.ts";
import { fileService } from "./file_service.ts";
import { answerRequest, responseText, upgradeText } from "./http.ts";
import { httpService } from "./http_service.ts";
import { processService } from "./process_service.ts";
import type { Service } from "./service.ts";
import { SessionStore } from "./session.ts";

/** Settings of a server. */
export interface ServerOptions {
  /** Bounds of output and input; those left out have their defaults. */
  limits?: Partial<ProcessLimits>;
  /**
   * Puts each process into a control group (version 2) of its own: below the group that the server is in (`auto`) or
   * below this folder. Nothing leaves it, and where the folder hands its controllers down, `limits` of memory, processes
   * and processor time can be held. None by default, as moving a process costs the whole system milliseconds.
   */
  cgroup?: string;
  /** How long a session without a connection lives. @default {80_000} */
  detachedSessionMs?: number;
  /** Time between pings; a client that answers none is dropped, its session waits for it. @default {20_000} */
  pingIntervalMs?: number;
  /** How long a client may take to finish the handshake. @default {60_000} */
  handshakeMs?: number;
  /** What HTTP requests clients may have made from here. */
  http?: HttpOptions;
  /** No request reaches beyond it. Without the network, HTTP requests are not served. No limit by default. */
  ceiling?: Policy;
  /** One line for an operator. Never holds a secret. */
  log?: (line: string) => void;
}

/** Settings of a websocket listener. */
export interface ListenerOptions extends ServerOptions {
  /** IP address to bind. @default {"127.0.0.1"} */
  hostname?: string;
  /** 0 for a free port. @default {0} */
  port?: number;
  /** Who may connect. Everybody by default. */
  authenticate?: Authenticator;
  /** Listen beyond loopback although everybody may connect. @default {false} */
  allowUnauthenticated?: boolean;
  /** Names besides our own that clients may use for this server in the `Host` header. */
  allowedHosts?: readonly string[];
}

/** A running listener. */
export interface Listener {
  /** `ws://127.0.0.1:43619`: the address that was bound, without a slash at the end. */
  readonly url: string;
  /** Closes connections with status 1001, ends all sessions and kills their processes. */
  close(): Promise<void>;
}

/** How long the last answers over stdio may take to go out. */
const FLUSH_MS = 1000;
/** A head must be whole within this time. */
const HEAD_MS = 30_000;

/**
 * Listens for websocket connections.
 * @throws {ExecServerError} `ERR_LISTEN`: the address cannot be bound, or is open to all without authentication.
 */
export async function listen(runtime: Runtime, options: ListenerOptions = {}): Promise<Listener> {
  const { hostname = "127.0.0.1", port = 0, authenticate = noAuthentication } = options;
  if (authenticate === noAuthentication && !isLoopback(hostname) && !options.allowUnauthenticated) {
    throw new ExecServerError(
      "ERR_LISTEN",
      `Refusing to listen on ${hostname}: anybody who reaches it could run programs here. ` +
        "Use --ws-auth capability-token, or --allow-unauthenticated if the network is safe",
    );
  }
  const log = options.log ?? (() => {});
  const cgroups = openCgroups(options);
  const sessions = sessionStore(runtime, options, options.detachedSessionMs ?? 80_000, cgroups);
  const services = connectionServices(runtime, options, cgroups);
  const connections = new Set<ServerConnection>();
  const rules = {
    authenticate,
    allowedHosts: (options.allowedHosts ?? []).map((name) => name.toLowerCase()),
  };
  const accept = (channel: Channel, remote: string): void => {
    log(`${remote} connected`);
    const connection = new ServerConnection(channel, {
      sessions,
      services,
      ...(options.handshakeMs === undefined ? {} : { handshakeMs: options.handshakeMs }),
      onClose: (reason) => {
        connections.delete(connection);
        log(`${remote} disconnected: ${reason.message}`);
      },
    });
    connections.add(connection);
  };
  const waiting = new Set<ByteStream>();
  const listener = await bind(runtime, hostname, port, (stream) => {
    waiting.add(stream);
    return new Greeting(stream, rules, {
      label: () => `exec-server websocket ${listener.hostname}:${listener.port}`,
      pingIntervalMs: options.pingIntervalMs ?? 20_000,
      accept: (channel) => accept(channel, `${stream.remoteAddress}:${stream.remotePort}`),
      refused: (status) => log(`${stream.remoteAddress}:${stream.remotePort} refused with HTTP ${status}`),
      done: () => waiting.delete(stream),
    }).handlers;
  });
  const host = isIP(listener.hostname) === 6 ? `[${listener.hostname}]` : listener.hostname;
  return {
    url: `ws://${host}:${listener.port}`,
    close: async () => {
      listener.close();
      for (const stream of waiting) stream.destroy();
      for (const connection of [...connections]) {
        connection.close({ kind: "goingAway", message: "the server is ending" });
      }
      await sessions.dispose();
      await allEnded(services);
      cgroups?.close();
    },
  };
}

/** A connection served over a pair of byte streams. */
export interface StreamServer {
  /** Settles when the client has gone and everything that it started has ended. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Serves one connection over stdin and stdout. Its session ends with it. */
export function serveStdio(runtime: Runtime, options: ServerOptions = {}): StreamServer {
  const flushed = Promise.withResolvers<void>();
  const channel = new LineChannel(runtime.stdin(), runtime.stdout(), {
    label: "exec-server stdio",
    onClose: () => flushed.resolve(),
  });
  const server = serveChannel(runtime, channel, options);
  const ended = server.ended.then(async () => {
    // Answers that are there go out, unless nobody takes them.
    const timer = setTimeout(flushed.resolve, FLUSH_MS);
    await flushed.promise;
    clearTimeout(timer);
  });
  return {
    ended,
    close: async () => {
      await server.close();
      await ended;
    },
  };
}

/** Serves one connection over any channel. Its session ends with it. */
export function serveChannel(runtime: Runtime, channel: Channel, options: ServerOptions = {}): StreamServer {
  const cgroups = openCgroups(options);
  const sessions = sessionStore(runtime, options, 0, cgroups);
  const services = connectionServices(runtime, options, cgroups);
  const gone = Promise.withResolvers<CloseReason>();
  const connection = new ServerConnection(channel, {
    sessions,
    services,
    // Whoever started us may take all the time it wants.
    handshakeMs: options.handshakeMs ?? MAX_TIMER_MS,
    onClose: gone.resolve,
  });
  const ended = gone.promise
    .then(() => sessions.dispose())
    .then(() => allEnded(services))
    .then(() => cgroups?.close());
  return {
    ended,
    close: async () => {
      connection.close({ kind: "goingAway", message: "the server is ending" });
      await ended;
    },
  };
}

function connectionServices(
  runtime: Runtime,
  options: ServerOptions,
  cgroups: Cgroups | undefined,
): readonly Service[] {
  const { ceiling = unrestricted } = options;
  const files = fileService(runtime).map((service) => confinedFiles(runtime, service, ceiling));
  const services = [...files, processService(cgroups)];
  return ceiling.network ? [httpService(runtime, options.http), ...services] : services;
}

async function allEnded(services: readonly Service[]): Promise<void> {
  await Promise.all(services.map((service) => service.ended?.()));
}

function sessionStore(
  runtime: Runtime,
  options: ServerOptions,
  detachedMs: number,
  cgroups: Cgroups | undefined,
): SessionStore {
  return new SessionStore(runtime, {
    limits: { ...defaultProcessLimits, ...options.limits },
    ceiling: options.ceiling ?? unrestricted,
    detachedMs,
    cgroups,
  });
}

/** @throws {ExecServerError} `ERR_LISTEN`: they were asked for, and are not to be had. */
function openCgroups({ cgroup }: ServerOptions): Cgroups | undefined {
  if (cgroup === undefined) return undefined;
  try {
    return new Cgroups(cgroup === "auto" ? undefined : cgroup);
  } catch (error) {
    throw new ExecServerError("ERR_LISTEN", `Cannot use control groups: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function bind(
  runtime: Runtime,
  hostname: string,
  port: number,
  accept: (stream: ByteStream) => StreamHandlers,
): Promise<TcpListener> {
  try {
    return await runtime.listen({ hostname, port }, accept);
  } catch (error) {
    // Bun's message does not say why; the code does.
    const errno = errnoByName.get((error as { code?: string }).code ?? "");
    const detail = errno === undefined ? (error as Error).message : osErrorText(errno);
    throw new ExecServerError("ERR_LISTEN", `Cannot listen on ${hostname} port ${port}: ${detail}`, {
      cause: error,
    });
  }
}

/** What a new connection turns into, and when. */
interface GreetingOptions {
  label: () => string;
  pingIntervalMs: number;
  accept: (channel: Channel) => void;
  refused: (status: number) => void;
  done: () => void;
}

/** A connection until its first request has been answered; then the websocket channel takes over. */
class Greeting {
  readonly #stream: ByteStream;
  readonly #rules: Parameters<typeof answerRequest>[1];
  readonly #options: GreetingOptions;
  readonly #reader = new HttpHeadReader();
  readonly #timer: ReturnType<typeof setTimeout>;
  #answered = false;
  #channel: WebsocketChannel | undefined;

  constructor(stream: ByteStream, rules: Parameters<typeof answerRequest>[1], options: GreetingOptions) {
    this.#stream = stream;
    this.#rules = rules;
    this.#options = options;
    this.#timer = setTimeout(() => stream.destroy(), HEAD_MS);
  }

  readonly handlers: StreamHandlers = {
    data: (bytes) => {
      if (this.#channel) this.#channel.streamHandlers.data(bytes);
      else if (!this.#answered) this.#onBytes(bytes);
    },
    drain: () => this.#channel?.streamHandlers.drain(),
    close: (error) => {
      clearTimeout(this.#timer);
      this.#options.done();
      this.#channel?.streamHandlers.close(error);
    },
  };

  #onBytes(bytes: Uint8Array): void {
    let head: HttpHead | undefined;
    try {
      head = this.#reader.feed(bytes);
    } catch {
      this.#respond({ kind: "response", status: 400, body: "" }, "GET");
      return;
    }
    if (!head) return;
    const answer = answerRequest(head, this.#rules);
    if (answer.kind === "response") this.#respond(answer, head.start[0]);
    else this.#upgrade(answer.key, head.rest);
  }

  #respond(answer: Parameters<typeof responseText>[0], method: string): void {
    this.#answered = true;
    if (answer.status >= 400) this.#options.refused(answer.status);
    this.#stream.write(Buffer.from(responseText(answer, method)));
    this.#stream.end();
  }

  #upgrade(key: string, rest: Uint8Array): void {
    clearTimeout(this.#timer);
    this.#options.done();
    this.#stream.write(Buffer.from(upgradeText(key)));
    const channel = new WebsocketChannel(this.#stream, {
      role: "server",
      label: this.#options.label(),
      pingIntervalMs: this.#options.pingIntervalMs,
    });
    this.#channel = channel;
    this.#options.accept(channel);
    if (rest.length > 0) channel.streamHandlers.data(rest);
  }
}
