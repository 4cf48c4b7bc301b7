/** The client side of one connection: the handshake, typed calls, and the processes started over it. */

import { randomUUID } from "node:crypto";
import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import { type CallOptions, Peer, ProtocolViolation } from "../jsonrpc/peer.ts";
import type { Capabilities, EnvironmentInfo } from "../protocol/environment.ts";
import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import { type RequestRow, type Requests, requests, serverNotifications } from "../protocol/methods.ts";
import { pathFromWire, pathToUri } from "../protocol/path_uri.ts";
import type { EnvPolicy, StartParams, TerminalSizeParams } from "../protocol/process.ts";
import { DecodeError } from "../protocol/schema.ts";
import { Process, type ProcessLink } from "./process.ts";
import { ReceiveWindow } from "./receive_window.ts";

/** Settings of a client. */
export interface ClientOptions {
  /** Name that the server is told. @default {"exec-server"} */
  clientName?: string;
  /** Time for the answer to `initialize`. @default {10_000} */
  initializeTimeoutMs?: number;
  /** Time for the answer to any later call. No limit by default. */
  callTimeoutMs?: number;
  /** A session to attach to again. */
  resumeSessionId?: string;
  /** Output that may wait here for its reader, for each process. @default {4_194_304} (4 MiB) */
  outputWindowBytes?: number;
}

/** What to start. */
export interface StartOptions {
  /** Program and arguments. */
  argv: readonly string[];
  /** Absolute native path on the server. @default The working directory of the server. */
  cwd?: string;
  /** Variables laid over those of the policy. */
  env?: Readonly<Record<string, string>>;
  /**
   * How the environment begins; null for `env` alone.
   * @default Everything the server has but names that match `*KEY*`, `*SECRET*` or `*TOKEN*`.
   */
  envPolicy?: EnvPolicy | null;
  /** A terminal of this size instead of pipes. */
  terminal?: TerminalSizeParams;
  /** @default {"null"}, which is `/dev/null` */
  stdin?: "null" | "pipe";
  /** What the program sees as its own name. */
  arg0?: string;
  /** Handle on the wire. @default A new UUID. */
  processId?: string;
  /** Gives the start up; a process that starts all the same is killed. */
  signal?: AbortSignal;
}

const inheritAll: EnvPolicy = {
  inherit: "all",
  ignoreDefaultExcludes: false,
  exclude: [],
  set: {},
  includeOnly: [],
};

/** The longest that timers take. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Client implements AsyncDisposable {
  readonly #peer: Peer;
  readonly #options: ClientOptions;
  readonly #processes = new Map<string, Process>();
  readonly #closed = Promise.withResolvers<CloseReason>();
  readonly #window: ReceiveWindow;
  readonly #released: Promise<unknown>;
  #sessionId = "";
  #info: EnvironmentInfo | undefined;
  #sendsUris = false;

  private constructor(channel: Channel, options: ClientOptions, released: Promise<unknown>) {
    this.#options = options;
    this.#released = released;
    this.#peer = new Peer(channel, {
      request: (method) => {
        throw new RpcError(rpcCode.methodNotFound, `This client does not implement "${method}"`);
      },
      notification: (method, params) => this.#notification(method, params),
      unmatched: () => {},
      closed: (reason) => this.#onClosed(reason),
    });
    this.#window = new ReceiveWindow(this.#peer, options.outputWindowBytes ?? 4 * 1024 * 1024);
  }

  /**
   * Does the handshake over a fresh channel, which the client then owns.
   * @param released Settles when what carries the channel is gone; `close` waits for it.
   * @throws {RpcError} The server refused, as when the session to resume is not known.
   * @throws {ExecServerError} `ERR_INITIALIZE_TIMEOUT`, `ERR_DISCONNECTED`, `ERR_PROTOCOL`. The channel is closed.
   */
  static async open(
    channel: Channel,
    options: ClientOptions = {},
    released: Promise<unknown> = Promise.resolve(),
  ): Promise<Client> {
    const client = new Client(channel, options, released);
    try {
      await client.#initialize();
      return client;
    } catch (error) {
      client.#peer.close({ kind: "normal", message: "the handshake failed" });
      throw error;
    }
  }

  /** Can be handed to `resumeSessionId` while the server keeps the session. */
  get sessionId(): string {
    return this.#sessionId;
  }

  /** What the server can do beyond the common methods. */
  get capabilities(): Readonly<Capabilities> {
    return this.#info?.capabilities ?? {};
  }

  /** Settles at the end of the connection, with the reason. */
  get closed(): Promise<CloseReason> {
    return this.#closed.promise;
  }

  /** Why the connection is over; undefined while it lives. */
  get closeReason(): CloseReason | undefined {
    return this.#peer.closeReason;
  }

  /** What kind of machine the server runs on; asked for once. */
  async info(): Promise<EnvironmentInfo> {
    this.#info ??= await this.call("environment/info", null);
    return this.#info;
  }

  /**
   * Any request of the protocol.
   * @throws {RpcError} The server's error.
   * @throws {ExecServerError} `ERR_DISCONNECTED`, `ERR_CALL_TIMEOUT`, `ERR_PROTOCOL`.
   */
  async call<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options: CallOptions = {},
  ): Promise<Requests[M]["result"]> {
    const row = requests[method] as unknown as RequestRow<Requests[M]["params"], Requests[M]["result"]>;
    const { callTimeoutMs } = this.#options;
    const limited = callTimeoutMs === undefined ? options : { timeoutMs: callTimeoutMs, ...options };
    const result = await this.#peer.call(method, row.params.encode(params), limited);
    try {
      return row.result.decode(result);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new ExecServerError("ERR_PROTOCOL", `Cannot use the answer to "${method}": ${error.message}`);
    }
  }

  /**
   * Starts a program.
   * @throws {RpcError} It did not start; −32603 carries the text of the server's system.
   * @throws {ExecServerError} `ERR_DISCONNECTED`: it may have started. `ERR_DUPLICATE_PROCESS`, `ERR_UNSUPPORTED`.
   */
  async start(options: StartOptions): Promise<Process> {
    options.signal?.throwIfAborted();
    const processId = options.processId ?? randomUUID();
    if (this.#processes.has(processId)) {
      throw new ExecServerError("ERR_DUPLICATE_PROCESS", `Process id "${processId}" is in use`);
    }
    const params = await this.#startParams(processId, options);
    const process = new Process(processId, this.#link(processId, options.terminal !== undefined));
    // Output may come before the answer.
    this.#processes.set(processId, process);
    process.closed.then(() => {
      if (this.#processes.get(processId) === process) this.#forget(processId);
    });
    const started = this.call("process/start", params);
    const { signal } = options;
    const abort = Promise.withResolvers<never>();
    const onAbort = (): void => {
      abort.reject(signal!.reason);
      started.then(() => process.terminate()).catch(() => {});
      process.wait();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await (signal ? Promise.race([started, abort.promise]) : started);
    } catch (error) {
      this.#forget(processId);
      process.fail(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    return process;
  }

  /** Ends the connection; its processes end with the session, which a server may keep for a while. */
  async close(): Promise<void> {
    this.#peer.close({ kind: "normal", message: "the client closed the connection" });
    await this.#closed.promise;
    await this.#released;
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #initialize(): Promise<void> {
    const { initializeTimeoutMs = 10_000, resumeSessionId } = this.#options;
    this.#peer.open();
    const timeoutMs = Math.min(initializeTimeoutMs, MAX_TIMER_MS);
    const params = {
      clientName: this.#options.clientName ?? "exec-server",
      resumeSessionId: resumeSessionId ?? null,
    };
    let answer: unknown;
    try {
      answer = await this.#peer.call("initialize", params, { timeoutMs });
    } catch (error) {
      if (!(error instanceof ExecServerError) || error.code !== "ERR_CALL_TIMEOUT") throw error;
      const message = `No answer to "initialize" in ${initializeTimeoutMs} ms`;
      throw new ExecServerError("ERR_INITIALIZE_TIMEOUT", message, { cause: error });
    }
    try {
      const result = requests.initialize.result.decode(answer);
      this.#sessionId = result.sessionId;
      this.#info = result.environmentInfo;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new ExecServerError("ERR_PROTOCOL", `Cannot use the answer to "initialize": ${error.message}`);
    }
    if (resumeSessionId !== undefined && this.#sessionId !== resumeSessionId) {
      throw new ExecServerError(
        "ERR_PROTOCOL",
        "The server answered with another session than the one asked for",
      );
    }
    this.#sendsUris = this.#info?.executorVersion !== undefined;
    this.#peer.notify("initialized", {});
  }

  async #startParams(processId: string, options: StartOptions): Promise<StartParams> {
    const { capabilities } = this;
    const policy = options.envPolicy === undefined ? inheritAll : options.envPolicy;
    return {
      processId,
      argv: [...options.argv],
      cwd: await this.#wireCwd(options.cwd),
      env: { ...options.env },
      tty: options.terminal !== undefined,
      pipeStdin: options.stdin === "pipe",
      ...(policy === null ? {} : { envPolicy: policy }),
      ...(options.arg0 === undefined ? {} : { arg0: options.arg0 }),
      ...(options.terminal && capabilities.processResize ? { terminalSize: options.terminal } : {}),
      ...(capabilities.processOutputWindow ? { outputWindowBytes: this.#window.bytes } : {}),
    };
  }

  /** In the form that the server takes: URIs since 0.169.0, paths before. */
  async #wireCwd(cwd: string | undefined): Promise<string> {
    if (cwd !== undefined) return this.#sendsUris ? pathToUri(cwd) : cwd;
    const info = await this.info();
    if (info.cwd) return this.#sendsUris ? info.cwd : pathFromWire(info.cwd);
    // Servers up to 0.138.0 do not tell, but take a relative path.
    return this.#sendsUris ? "file:///" : ".";
  }

  #link(processId: string, isTerminal: boolean): ProcessLink {
    const need = (capability: keyof Capabilities, what: string): void => {
      if (this.capabilities[capability]) return;
      throw new ExecServerError("ERR_UNSUPPORTED", `The server cannot ${what}: it lacks "${capability}"`);
    };
    let writes = 0;
    return {
      write: async (chunk) => {
        const writeId = String(++writes);
        return (await this.call("process/write", { processId, chunk, writeId })).status;
      },
      closeStdin: async () => {
        if (isTerminal) return (await this.call("process/write", eof(processId, String(++writes)))).status;
        need("processCloseStdin", "end the input of a process");
        return (await this.call("process/closeStdin", { processId })).status;
      },
      signal: async (signal) => {
        if (signal !== "interrupt") need("processSignals", `send the signal "${signal}"`);
        await this.call("process/signal", { processId, signal });
      },
      terminate: async () => (await this.call("process/terminate", { processId })).running ?? false,
      resize: async ({ columns, rows }) => {
        need("processResize", "set the size of a terminal");
        await this.call("process/resize", { processId, columns, rows });
      },
      consumed: (bytes) => {
        const acknowledges = this.capabilities.processOutputWindow ?? false;
        // Of a process that has ended the server wants to know nothing.
        if (acknowledges && !this.#processes.has(processId)) return;
        this.#window.consumed(processId, bytes, acknowledges);
      },
      readAfter: (afterSeq) =>
        this.closeReason ? Promise.resolve(undefined) : this.call("process/read", { processId, afterSeq }),
    };
  }

  #notification(method: string, params: unknown): void {
    if (!Object.hasOwn(serverNotifications, method)) return;
    try {
      switch (method) {
        case "process/output": {
          const { processId, seq, stream, chunk } = serverNotifications["process/output"].decode(params);
          const process = this.#processes.get(processId);
          if (!process) return;
          this.#window.received(chunk.length, this.capabilities.processOutputWindow ?? false);
          process.accept({ kind: "output", seq, stream, bytes: chunk });
          return;
        }
        case "process/exited": {
          const { processId, seq, exitCode, sandboxDenied } =
            serverNotifications["process/exited"].decode(params);
          const event = { kind: "exited", seq, exitCode, sandboxDenied: sandboxDenied ?? false } as const;
          this.#processes.get(processId)?.accept(event);
          return;
        }
        case "process/closed": {
          const { processId, seq } = serverNotifications["process/closed"].decode(params);
          this.#processes.get(processId)?.accept({ kind: "closed", seq });
        }
      }
    } catch (error) {
      if (error instanceof DecodeError)
        throw new ProtocolViolation(`"${method}" does not decode: ${error.message}`);
      throw error;
    }
  }

  #forget(processId: string): void {
    this.#processes.delete(processId);
    this.#window.forget(processId);
  }

  #onClosed(reason: CloseReason): void {
    for (const process of this.#processes.values()) process.fail(reason.message);
    this.#processes.clear();
    this.#closed.resolve(reason);
  }
}

/** What ends the input of a terminal, as typed by a user: Ctrl-D. */
function eof(processId: string, writeId: string): Requests["process/write"]["params"] {
  return { processId, chunk: new Uint8Array([4]), writeId };
}
