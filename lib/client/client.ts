/** The client side of a session: typed calls, the processes started in it, and its way back after a lost connection. */

import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import type { CallOptions } from "../jsonrpc/peer.ts";
import type { Capabilities, EnvironmentInfo } from "../protocol/environment.ts";
import { ExecServerError, hasCode } from "../protocol/errors.ts";
import type { ClientNotifications, Requests, ServerNotifications } from "../protocol/methods.ts";
import type { StartParams } from "../protocol/process.ts";
import type { ProcessSummary } from "../protocol/process_list.ts";
import { unlessAborted, withinLimits } from "./call_limit.ts";
import { Connection, type ConnectionEvents, type HandshakeOptions } from "./connection.ts";
import { type ConnectionChange, ConnectionChanges } from "./connection_changes.ts";
import { type Fetch, fetchOver } from "./fetch.ts";
import { FileSystem } from "./fs/file_system.ts";
import { type HttpAnswer, type HttpRequestOptions, HttpRequests } from "./http_requests.ts";
import { deliver, NotificationListeners } from "./notifications.ts";
import type { Process } from "./process.ts";
import { ProcessHandles } from "./process_handles.ts";
import { ReceiveWindow } from "./receive_window.ts";
import { type RecoveryOptions, retry } from "./recovery.ts";
import { startOnce } from "./start_once.ts";
import { type StartOptions, startParams } from "./start_options.ts";

export type { ConnectionChange } from "./connection_changes.ts";
export type { StartOptions } from "./start_options.ts";

/** Settings of a client. */
export interface ClientOptions extends HandshakeOptions {
  /** Time for any later call, the way back of a lost connection included. No limit by default. */
  callTimeoutMs?: number;
  /**
   * Output that may wait here for its reader, for each process. Where it is below what the server retains (4 MiB by
   * default), a resumed session has lost nothing. @default {2_097_152} (2 MiB)
   */
  outputWindowBytes?: number;
  /** How a lost session is got back, where a channel can be opened again. */
  recovery?: RecoveryOptions;
}

/**
 * Ends that resuming cannot mend: a server that says that it is going has ended its sessions, and one that breaks a
 * rule would break it again.
 */
const finalKinds: ReadonlySet<CloseReason["kind"]> = new Set(["goingAway", "protocol"]);
/** A connection that did not last so long gives no reason to hurry with the next. */
const SHORT_LIFE_MS = 1000;

/** What carries a client besides its first channel. */
export interface ClientCarrier {
  /** Opens another channel to the same server, for resuming. Without it a lost connection is final. */
  reopen?: (signal: AbortSignal) => Promise<Channel>;
  /** Settles when what carries the channel is gone; `close` waits for it. */
  released?: Promise<unknown>;
}

export class Client implements AsyncDisposable {
  /** The files of the server's machine. */
  readonly fs: FileSystem = new FileSystem(async () => this);
  readonly #options: ClientOptions;
  readonly #carrier: ClientCarrier;
  readonly #handles: ProcessHandles;
  readonly #closed = Promise.withResolvers<CloseReason>();
  readonly #stop = new AbortController();
  readonly #changes = new ConnectionChanges();
  readonly #notified = new NotificationListeners();
  readonly #window: ReceiveWindow;
  readonly #http: HttpRequests;
  readonly #events: ConnectionEvents = {
    notification: (method, params) => deliver(method, params, this.#handles.byId, this.#notified),
    closed: (connection, reason) => this.#onLost(connection, reason),
  };
  #connection: Connection | undefined;
  /** Runs while the session is being got back. */
  #recovery: Promise<void> | undefined;
  #connectedAt = 0;
  /** Connections in a row that were lost at once. */
  #shortLives = 0;
  #closeReason: CloseReason | undefined;
  #info: EnvironmentInfo | undefined;
  #sessionId = "";

  private constructor(options: ClientOptions, carrier: ClientCarrier) {
    this.#options = options;
    this.#carrier = carrier;
    this.#window = new ReceiveWindow(options.outputWindowBytes ?? 2 * 1024 * 1024);
    this.#http = new HttpRequests(this, this.#window.backlog);
    const observes = options.attach === "observe";
    this.#handles = new ProcessHandles({ client: this, window: this.#window, observes });
  }

  /**
   * Does the handshake over a fresh channel, which the client then owns.
   * @throws {RpcError} The server refused, as when the session to resume is not known.
   * @throws {ExecServerError} `ERR_INITIALIZE_TIMEOUT`, `ERR_DISCONNECTED`, `ERR_PROTOCOL`. The channel is closed.
   */
  static async open(
    channel: Channel,
    options: ClientOptions = {},
    carrier: ClientCarrier = {},
  ): Promise<Client> {
    const client = new Client(options, carrier);
    const connection = await Connection.open(channel, client.#events, options);
    client.#sessionId = connection.sessionId;
    client.#info = connection.info;
    client.#use(connection);
    return client;
  }

  /** Can be handed to `resumeSessionId` while the server keeps the session. */
  get sessionId(): string {
    return this.#sessionId;
  }

  /** What the server can do beyond the common methods. */
  get capabilities(): Readonly<Capabilities> {
    return this.#info?.capabilities ?? {};
  }

  /** Undefined up to 0.138.0, which do not tell it. */
  get serverVersion(): string | undefined {
    return this.#info?.executorVersion;
  }

  /** Settles when the session is over for this client, with the reason. */
  get closed(): Promise<CloseReason> {
    return this.#closed.promise;
  }

  /** Why the session is over; undefined while it lives, also while it is being got back. */
  get closeReason(): CloseReason | undefined {
    return this.#closeReason;
  }

  /** Tells of losses and returns of the connection; the answer ends that. The final end is {@link closed}. */
  onConnectionChange(listener: (change: ConnectionChange) => void): () => void {
    return this.#changes.add(listener);
  }

  /** Tells of notifications that belong to no process; the answer ends that. */
  onNotification<N extends keyof ServerNotifications>(
    method: N,
    listener: (params: ServerNotifications[N]) => void,
  ): () => void {
    return this.#notified.add(method, listener);
  }

  /** Whether a call would go out at once. */
  get connected(): boolean {
    return this.#connection !== undefined && !this.#recovery;
  }

  /** What kind of machine the server runs on; asked for once. */
  async info(): Promise<EnvironmentInfo> {
    this.#info ??= await this.call("environment/info", null);
    return this.#info;
  }

  /**
   * Any request of the protocol. Waits while the connection is being got back. One that was sent when the
   * connection broke fails, as it may have been carried out; only `process/read` is asked again.
   * @throws {RpcError} The server's error.
   * @throws {ExecServerError} `ERR_DISCONNECTED`, `ERR_CALL_TIMEOUT`, `ERR_PROTOCOL`.
   */
  async call<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options: CallOptions = {},
  ): Promise<Requests[M]["result"]> {
    const { callTimeoutMs } = this.#options;
    const limits = callTimeoutMs === undefined ? options : { timeoutMs: callTimeoutMs, ...options };
    const { backlog } = this.#window;
    return await withinLimits(method, limits, async (signal) => {
      for (;;) {
        const connection = await this.#ready(method, signal);
        try {
          const send = () => connection.call(method, params, signal && { signal });
          // Input may have to wait for output, as of a program that copies one to the other.
          return await (method === "process/write" ? send() : backlog.during(send));
        } catch (error) {
          if (method !== "process/read" || !hasCode(error, "ERR_DISCONNECTED") || this.#closeReason)
            throw error;
        }
      }
    });
  }

  /**
   * Starts a program.
   * @throws {RpcError} It did not start; −32603 carries the text of the server's system.
   * @throws {ExecServerError} `ERR_DISCONNECTED`: it may have started; `ERR_CALL_TIMEOUT`: if it starts all the same, it
   * is killed; `ERR_DUPLICATE_PROCESS`; `ERR_UNSUPPORTED`: the server cannot hold it to its limits.
   */
  async start(options: StartOptions): Promise<Process> {
    options.signal?.throwIfAborted();
    const processId = options.processId ?? crypto.randomUUID();
    const info = await this.info();
    options.signal?.throwIfAborted();
    // From here to its entry nothing is waited for, so that of two with one id the second is seen.
    this.#handles.refuseDuplicate(processId);
    const params = startParams(processId, options, info, this.#window.bytes);
    const process = this.#handles.add(processId, options);
    const started = this.#startOnce(process, params);
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
      // It may start all the same, and nobody would know of it.
      if (hasCode(error, "ERR_CALL_TIMEOUT")) process.terminate().catch(() => {});
      this.#handles.forget(processId);
      process.fail(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    process.started();
    return process;
  }

  /**
   * A handle on a process of the session that another connection has started, with what is retained of its output.
   * @throws {RpcError} The session has no such process.
   * @throws {ExecServerError} `ERR_DISCONNECTED`, `ERR_DUPLICATE_PROCESS`: there is a handle already.
   */
  async attach(processId: string): Promise<Process> {
    const { processList } = (await this.info()).capabilities ?? {};
    const known = processList
      ? (await this.processes()).find((one) => one.processId === processId)
      : undefined;
    // Its size is not asked about; only whether there is one.
    const process = this.#handles.add(processId, known?.tty ? { terminal: { columns: 0, rows: 0 } } : {});
    try {
      await this.#handles.follow(this, process);
    } catch (error) {
      this.#handles.forget(processId);
      process.fail(error instanceof Error ? error.message : String(error));
      throw error;
    }
    process.started();
    return process;
  }

  /**
   * The processes of the session, also those that other connections have started and those that have ended lately.
   * @throws {ExecServerError} `ERR_UNSUPPORTED`: the server has no list.
   */
  async processes(): Promise<ProcessSummary[]> {
    if (!(await this.info()).capabilities?.processList) {
      throw new ExecServerError(
        "ERR_UNSUPPORTED",
        'The server cannot list processes: it lacks "processList"',
      );
    }
    return (await this.call("process/list", null)).processes;
  }

  /** Makes an HTTP request from the server's machine; see {@link HttpRequests.request}. It ends with the connection. */
  async httpRequest(options: HttpRequestOptions): Promise<HttpAnswer> {
    return await this.#http.request(options);
  }

  /** `fetch` from the server's machine; see {@link fetchOver}. Can be handed on as a function. */
  readonly fetch: Fetch = (input, init) => fetchOver(this.#http, input, init);

  /** Sends a notification, if there is a connection. */
  notify<N extends keyof ClientNotifications>(method: N, params: ClientNotifications[N]): void {
    this.#connection?.peer.notify(method, params);
  }

  /** Ends the connection; its processes end with the session, which a server may keep for a while. */
  async close(): Promise<void> {
    const reason: CloseReason = { kind: "normal", message: "the client closed the connection" };
    this.#stop.abort(new ExecServerError("ERR_CLOSED", reason.message));
    if (this.#connection) this.#connection.peer.close(reason);
    else this.#end(reason);
    await this.#closed.promise;
    await this.#carrier.released;
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The connection, when there is one again. */
  async #ready(method: string, signal?: AbortSignal): Promise<Connection> {
    while (this.#recovery) await unlessAborted(this.#recovery, signal);
    if (this.#connection) return this.#connection;
    const reason = this.#closeReason?.message ?? "the client was closed";
    throw new ExecServerError("ERR_DISCONNECTED", `Cannot finish "${method}": ${reason}`);
  }

  #use(connection: Connection): void {
    this.#connection = connection;
    this.#connectedAt = performance.now();
    this.#window.use(connection.peer);
    // It may have ended while nobody looked.
    const { closeReason } = connection.peer;
    if (closeReason) this.#onLost(connection, closeReason);
  }

  async #startOnce(process: Process, params: StartParams): Promise<void> {
    this.#handles.starting.add(process.id);
    try {
      await startOnce(this, process, params, () => this.#recovery !== undefined);
    } finally {
      this.#handles.starting.delete(process.id);
    }
  }

  #onLost(connection: Connection, reason: CloseReason): void {
    // One that never came into use is its opener's.
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.#http.disconnected(reason.message);
    const { reopen } = this.#carrier;
    if (!reopen || this.#stop.signal.aborted || finalKinds.has(reason.kind)) {
      this.#end(reason);
      return;
    }
    const wasShort = performance.now() - this.#connectedAt < SHORT_LIFE_MS;
    this.#shortLives = wasShort ? this.#shortLives + 1 : 0;
    const recovery = this.#recover(reopen, reason).finally(() => {
      // The connection may have been lost again, and the next attempt be on its way.
      if (this.#recovery === recovery) this.#recovery = undefined;
    });
    this.#recovery = recovery;
    this.#changes.tell({ kind: "lost", reason });
  }

  async #recover(reopen: NonNullable<ClientCarrier["reopen"]>, reason: CloseReason): Promise<void> {
    // What was taken over once is taken back by nobody.
    const { initializeTimeoutMs = 10_000, attach, ...rest } = this.#options;
    try {
      const connection = await retry(
        async (signal, leftMs) =>
          await Connection.open(await reopen(signal), this.#events, {
            ...rest,
            ...(attach === "observe" && { attach }),
            initializeTimeoutMs: Math.min(initializeTimeoutMs, leftMs),
            resumeSessionId: this.#sessionId,
            signal,
          }),
        this.#options.recovery ?? {},
        this.#stop.signal,
        this.#shortLives,
      );
      if (this.#stop.signal.aborted) {
        connection.peer.close({ kind: "normal", message: "the client was closed" });
        throw this.#stop.signal.reason;
      }
      this.#use(connection);
      if (this.#connection !== connection) return;
      await this.#handles.followAll(connection);
      if (this.#connection === connection) this.#changes.tell({ kind: "resumed" });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#end({ kind: "lost", message: `${reason.message}; the session could not be resumed: ${why}` });
    }
  }

  /** The end for good. */
  #end(reason: CloseReason): void {
    if (this.#closeReason) return;
    this.#connection = undefined;
    this.#closeReason = reason;
    this.#http.disconnected(reason.message);
    this.#handles.failAll(reason.message);
    this.#closed.resolve(reason);
  }
}
