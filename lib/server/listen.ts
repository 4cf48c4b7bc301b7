/** The server: listens on a websocket address or serves one connection over stdio. */

import { Buffer } from "node:buffer";
import type { HttpOptions } from "../http/handlers.ts";
import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import { Cgroups } from "../process/cgroups.ts";
import type { ProcessLimits } from "../process/handlers.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { isIP } from "../protocol/ip_address.ts";
import { Deadlines } from "../runtime/deadlines.ts";
import { errnoByName, osErrorText } from "../runtime/os_error.ts";
import type { ByteStream, Runtime, StreamHandlers, TcpListener } from "../runtime/runtime.ts";
import type { Policy } from "../sandbox/policy.ts";
import { type HttpHead, HttpHeadReader } from "../transport/http_head.ts";
import { LineChannel } from "../transport/lines.ts";
import { WebsocketChannel } from "../transport/websocket_channel.ts";
import { isLoopback } from "./access.ts";
import { advertised } from "./advertised.ts";
import { type ConnectionOptions, handshakes, ServerConnection } from "./connection.ts";
import { type Authenticator, noAuthentication } from "./credentials.ts";
import { answerRequest, type HttpRules, responseText, upgradeBytes } from "./http.ts";
import { InfoTexts } from "./info_texts.ts";
import { Loader } from "./loader.ts";
import { SessionStore } from "./session.ts";
import type { Work } from "./work.ts";

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
  const { log } = options;
  const cgroups = openCgroups(options);
  const parts = partsOf(runtime, options, options.detachedSessionMs ?? 80_000, cgroups);
  /** With the address of the client, where that is told. */
  const connections = new Map<ServerConnection, string>();
  const ofConnections: ConnectionOptions = {
    ...parts,
    handshakes: handshakes(options.handshakeMs),
    onClose: (connection, reason) => {
      log?.(`${connections.get(connection)} disconnected: ${reason.message}`);
      connections.delete(connection);
    },
  };
  const greetings: GreetingOptions = {
    rules: {
      authenticate,
      allowedHosts: (options.allowedHosts ?? []).map((name) => name.toLowerCase()),
    },
    label: "exec-server websocket",
    pingIntervalMs: options.pingIntervalMs ?? 20_000,
    waiting: new Deadlines(HEAD_MS, (greeting) => greeting.end()),
    accept: (channel, stream) => {
      const remote = log ? remoteOf(stream) : "";
      log?.(`${remote} connected`);
      connections.set(new ServerConnection(channel, ofConnections), remote);
    },
    refused: (status, stream) => log?.(`${remoteOf(stream)} refused with HTTP ${status}`),
  };
  const listener = await bind(runtime, hostname, port, (stream) => new Greeting(stream, greetings));
  greetings.label = `exec-server websocket ${listener.hostname}:${listener.port}`;
  const host = isIP(listener.hostname) === 6 ? `[${listener.hostname}]` : listener.hostname;
  return {
    url: `ws://${host}:${listener.port}`,
    close: async () => {
      listener.close();
      for (const greeting of greetings.waiting.owners) greeting.end();
      for (const connection of [...connections.keys()]) {
        connection.close({ kind: "goingAway", message: "the server is ending" });
      }
      await endParts(parts);
      cgroups?.close();
    },
  };
}

function remoteOf({ remoteAddress, remotePort }: ByteStream): string {
  return `${remoteAddress}:${remotePort}`;
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
    isServer: true,
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
  const parts = partsOf(runtime, options, 0, cgroups);
  const gone = Promise.withResolvers<CloseReason>();
  const connection = new ServerConnection(channel, {
    ...parts,
    // Whoever started us may take all the time it wants.
    ...(options.handshakeMs === undefined ? {} : { handshakes: handshakes(options.handshakeMs) }),
    onClose: (_, reason) => gone.resolve(reason),
  });
  const ended = gone.promise.then(() => endParts(parts)).then(() => cgroups?.close());
  return {
    ended,
    close: async () => {
      connection.close({ kind: "goingAway", message: "the server is ending" });
      await ended;
    },
  };
}

type Parts = Pick<ConnectionOptions, "sessions" | "info" | "work">;

/** What the connections of a server share. */
function partsOf(
  runtime: Runtime,
  options: ServerOptions,
  detachedMs: number,
  cgroups: Cgroups | undefined,
): Parts {
  const offered = { ...options, cgroups };
  const info = new InfoTexts(advertised(runtime, offered));
  // A server listens sooner by a quarter, and its first client is greeted sooner, than with all of it.
  const work = new Loader<Work>(async () => {
    const { fullWork } = await import("./work.ts");
    return fullWork(runtime, info, offered);
  });
  const sessions = new SessionStore({
    detachedMs,
    processTable: (observer) => work.get().processTable(observer),
  });
  return { sessions, info, work };
}

/** Ends all sessions; settles when nothing is left of what connections have begun. */
async function endParts({ sessions, work }: Parts): Promise<void> {
  await sessions.dispose();
  await work.loaded?.services.ended();
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

/** What new connections turn into, and when; the same for all of a listener. */
interface GreetingOptions {
  readonly rules: HttpRules;
  /** What errors call the channels. */
  label: string;
  readonly pingIntervalMs: number;
  /** Those that have not been answered yet. */
  readonly waiting: Deadlines<Greeting>;
  accept(channel: Channel, stream: ByteStream): void;
  refused(status: number, stream: ByteStream): void;
}

/** A connection until its first request has been answered; then the websocket channel takes over. */
class Greeting implements StreamHandlers {
  readonly #stream: ByteStream;
  readonly #options: GreetingOptions;
  readonly #reader = new HttpHeadReader();
  #answered = false;
  #channel: StreamHandlers | undefined;

  constructor(stream: ByteStream, options: GreetingOptions) {
    this.#stream = stream;
    this.#options = options;
    options.waiting.start(this);
  }

  end(): void {
    this.#stream.destroy();
  }

  data(bytes: Uint8Array): void {
    if (this.#channel) this.#channel.data(bytes);
    else if (!this.#answered) this.#onBytes(bytes);
  }

  drain(): void {
    this.#channel?.drain();
  }

  close(error?: Error): void {
    if (this.#channel) this.#channel.close(error);
    else this.#options.waiting.stop(this);
  }

  #onBytes(bytes: Uint8Array): void {
    let head: HttpHead | undefined;
    try {
      head = this.#reader.feed(bytes);
    } catch {
      this.#respond({ kind: "response", status: 400, body: "" }, "GET");
      return;
    }
    if (!head) return;
    const answer = answerRequest(head, this.#options.rules);
    if (answer.kind === "response") this.#respond(answer, head.start[0]);
    else this.#upgrade(answer.key, head.rest);
  }

  #respond(answer: Parameters<typeof responseText>[0], method: string): void {
    this.#answered = true;
    if (answer.status >= 400) this.#options.refused(answer.status, this.#stream);
    this.#stream.write(Buffer.from(responseText(answer, method)));
    this.#stream.end();
  }

  #upgrade(key: string, rest: Uint8Array): void {
    this.#options.waiting.stop(this);
    this.#stream.writeBorrowed(upgradeBytes(key));
    const { label, pingIntervalMs } = this.#options;
    const channel = new WebsocketChannel(this.#stream, { role: "server", label, pingIntervalMs });
    this.#channel = channel.streamHandlers;
    this.#options.accept(channel, this.#stream);
    if (rest.length > 0) this.#channel.data(rest);
  }
}
