/** One place to run things, local or remote, through one interface. */

import { Client, type StartOptions } from "../client/client.ts";
import { connectCommand, connectWebsocket } from "../client/connect.ts";
import type { Fetch } from "../client/fetch.ts";
import { FileSystem } from "../client/fs/file_system.ts";
import type { Process } from "../client/process.ts";
import { channelPair } from "../jsonrpc/channel.ts";
import type { EnvironmentInfo } from "../protocol/environment.ts";
import { ExecServerError } from "../protocol/errors.ts";
import type { ProcessSummary } from "../protocol/process_list.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { serveChannel } from "../server/listen.ts";
import { withoutUserInfo } from "../transport/websocket.ts";
import type { EnvironmentConfig } from "./toml.ts";

/** Opens a fresh connection. */
type Connect = () => Promise<Client>;

/** An environment. It connects at first use. */
export class Environment implements AsyncDisposable {
  readonly id: string;
  /** False for the built-in `local`. */
  readonly isRemote: boolean;
  /** For websocket environments. */
  readonly url: string | undefined;
  /** `local`, the URL, or the command line. */
  readonly description: string;
  /** The files there. Each operation connects as {@link client} does. */
  readonly fs: FileSystem = new FileSystem(() => this.client());
  readonly #connect: Connect;
  /** A program that has ended is not started again: it may have been made for one connection. */
  readonly #once: boolean;
  #client: Promise<Client> | undefined;

  constructor(
    id: string,
    options: { description: string; url?: string; isRemote: boolean; once: boolean; connect: Connect },
  ) {
    this.id = id;
    this.isRemote = options.isRemote;
    this.url = options.url;
    this.description = options.description;
    this.#connect = options.connect;
    this.#once = options.once;
  }

  /**
   * The connection: the one that is open, or a fresh one shared by all who wait. A failed attempt is forgotten,
   * so that the next call tries again.
   * @throws {ExecServerError} `ERR_CONNECT`, `ERR_CONNECT_TIMEOUT`, `ERR_INITIALIZE_TIMEOUT`, `ERR_SPAWN`.
   */
  async client(): Promise<Client> {
    const current = this.#client;
    if (current) {
      const client = await current;
      if (!client.closeReason) return client;
      if (this.#once) {
        throw new ExecServerError(
          "ERR_DISCONNECTED",
          `The command of environment "${this.id}" has ended: ${client.closeReason.message}`,
        );
      }
      // Of several who find it closed, the first opens the next.
      if (this.#client === current) this.#client = undefined;
      return await this.client();
    }
    const attempt = this.#connect();
    this.#client = attempt;
    try {
      return await attempt;
    } catch (error) {
      if (this.#client === attempt) this.#client = undefined;
      throw error;
    }
  }

  /** What kind of machine it is. Throws as {@link client} does. */
  async info(): Promise<EnvironmentInfo> {
    return await (await this.client()).info();
  }

  /** Starts a program. Throws as {@link client} and {@link Client.start} do. */
  async start(options: StartOptions): Promise<Process> {
    return await (await this.client()).start(options);
  }

  /** The processes of the session. Throws as {@link client} and {@link Client.processes} do. */
  async processes(): Promise<ProcessSummary[]> {
    return await (await this.client()).processes();
  }
  /**
   * `fetch` from there, as the platform's in all but that. Can be handed on as a function. A connection that cannot be
   * had rejects as in {@link client}.
   */
  readonly fetch: Fetch = async (input, init) => await (await this.client()).fetch(input, init);

  /** Closes the connection, if there is one. The next use opens another. */
  async close(): Promise<void> {
    const current = this.#client;
    this.#client = undefined;
    const client = await current?.catch(() => undefined);
    await client?.close();
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * This machine, in this program. The whole server runs behind a channel in memory, so that nothing can behave
 * otherwise than over a socket.
 */
export function localEnvironment(runtime: Runtime): Environment {
  return new Environment("local", {
    description: "this machine",
    isRemote: false,
    once: false,
    connect: async () => {
      const [near, far] = channelPair("exec-server local");
      serveChannel(runtime, far);
      return await Client.open(near);
    },
  });
}

/** An environment out of its configuration. */
export function configuredEnvironment(runtime: Runtime, config: EnvironmentConfig): Environment {
  const { id, transport, initializeTimeoutMs } = config;
  if (transport.kind === "websocket") {
    const { url, connectTimeoutMs, authBearerToken } = transport;
    return new Environment(id, {
      description: withoutUserInfo(url),
      url,
      isRemote: true,
      once: false,
      connect: () =>
        connectWebsocket(runtime, {
          url,
          connectTimeoutMs,
          initializeTimeoutMs,
          ...(authBearerToken === undefined ? {} : { bearerToken: authBearerToken }),
        }),
    });
  }
  const { program, args, env, cwd } = transport;
  return new Environment(id, {
    description: [program, ...args].join(" "),
    isRemote: true,
    once: true,
    connect: () =>
      connectCommand(runtime, {
        program,
        args,
        env,
        initializeTimeoutMs,
        ...(cwd === undefined ? {} : { cwd }),
      }),
  });
}
