/** One channel after its handshake: what a client has until the channel ends. */

import type { Channel, CloseReason } from "../jsonrpc/channel.ts";
import { type CallOptions, Peer, WithBytes } from "../jsonrpc/peer.ts";
import type { EnvironmentInfo } from "../protocol/environment.ts";
import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import { type RequestRow, type Requests, requests } from "../protocol/methods.ts";
import { DecodeError } from "../protocol/schema.ts";
import type { AttachMode } from "../protocol/session.ts";
import { timerMs } from "../protocol/timer.ts";

/** How to shake hands. */
export interface HandshakeOptions {
  /** Name that the server is told. @default {"exec-server"} */
  clientName?: string;
  /** Time for the answer to `initialize`. @default {10_000} */
  initializeTimeoutMs?: number;
  /** A session to attach to again. */
  resumeSessionId?: string;
  /**
   * How to attach to that session. `takeOver`: whoever has it loses it. `observe`: whoever has it keeps it, and this
   * client looks on. Otherwise the session must have nobody. @throws {ExecServerError} `ERR_UNSUPPORTED`
   */
  attach?: AttachMode;
  /** Gives the handshake up. */
  signal?: AbortSignal;
}

/** Who is told of what comes in. Notifications may come before the handshake is done. */
export interface ConnectionEvents {
  notification(method: string, params: unknown): void;
  closed(connection: Connection, reason: CloseReason): void;
}

export class Connection {
  readonly peer: Peer;
  sessionId = "";
  /** Absent from servers up to 0.138.0. */
  info: EnvironmentInfo | undefined;

  private constructor(channel: Channel, events: ConnectionEvents) {
    this.peer = new Peer(channel, {
      request: (method) => {
        throw new RpcError(rpcCode.methodNotFound, `This client does not implement "${method}"`);
      },
      notification: (method, params) => events.notification(method, params),
      unmatched: () => {},
      closed: (reason) => events.closed(this, reason),
    });
  }

  /**
   * Shakes hands over a fresh channel, which the connection then owns.
   * @throws {RpcError} The server refused, as when the session to resume is not known.
   * @throws {ExecServerError} `ERR_INITIALIZE_TIMEOUT`, `ERR_DISCONNECTED`, `ERR_PROTOCOL`. The channel is closed.
   */
  static async open(
    channel: Channel,
    events: ConnectionEvents,
    options: HandshakeOptions,
  ): Promise<Connection> {
    const connection = new Connection(channel, events);
    try {
      await connection.#initialize(options);
      return connection;
    } catch (error) {
      connection.peer.close({ kind: "normal", message: "the handshake failed" });
      throw error;
    }
  }

  /**
   * One request over this connection. Bytes of files go and come raw where both ends can.
   * @throws {RpcError} The server's error.
   * @throws {ExecServerError} `ERR_DISCONNECTED`, `ERR_CALL_TIMEOUT`, `ERR_PROTOCOL`.
   */
  async call<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options?: CallOptions,
  ): Promise<Requests[M]["result"]> {
    const row = requests[method] as unknown as RequestRow<Requests[M]["params"], Requests[M]["result"]>;
    const raw = this.peer.sendsBytes && this.info?.capabilities?.fsRawBytes === true;
    const result = await this.peer.call(
      method,
      raw ? rawParams(row, params) : row.params.encode(params),
      options,
    );
    try {
      return row.result.decode(result);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new ExecServerError("ERR_PROTOCOL", `Cannot use the answer to "${method}": ${error.message}`);
    }
  }

  async #initialize(options: HandshakeOptions): Promise<void> {
    const { clientName = "exec-server", initializeTimeoutMs = 10_000, resumeSessionId } = options;
    this.peer.open();
    const { attach } = options;
    const params = { clientName, resumeSessionId: resumeSessionId ?? null, ...(attach && { attach }) };
    let answer: unknown;
    try {
      answer = await this.peer.call("initialize", params, {
        timeoutMs: timerMs(initializeTimeoutMs),
        ...(options.signal && { signal: options.signal }),
      });
    } catch (error) {
      if (!(error instanceof ExecServerError) || error.code !== "ERR_CALL_TIMEOUT") throw error;
      const message = `No answer to "initialize" in ${initializeTimeoutMs} ms`;
      throw new ExecServerError("ERR_INITIALIZE_TIMEOUT", message, { cause: error });
    }
    try {
      const result = requests.initialize.result.decode(answer);
      this.sessionId = result.sessionId;
      this.info = result.environmentInfo;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new ExecServerError("ERR_PROTOCOL", `Cannot use the answer to "initialize": ${error.message}`);
    }
    if (attach && !this.info?.capabilities?.sessionAttach) {
      throw new ExecServerError(
        "ERR_UNSUPPORTED",
        `The server knows no "${attach}" of a session: it lacks "sessionAttach"`,
      );
    }
    if (attach === "observe" && this.info?.capabilities) {
      // Who looks on holds nobody back.
      this.info.capabilities = { ...this.info.capabilities, processOutputWindow: false };
    }
    if (resumeSessionId !== undefined && this.sessionId !== resumeSessionId) {
      throw new ExecServerError(
        "ERR_PROTOCOL",
        "The server answered with another session than the one asked for",
      );
    }
    this.peer.notify("initialized", {});
  }
}

/** Parameters with their bytes beside them, or with the wish that those of the answer come so. */
function rawParams<P>(row: RequestRow<P, unknown>, params: P): unknown {
  const { rawParam, rawResult } = row;
  if (rawParam !== undefined) {
    const { [rawParam]: bytes, ...rest } = params as Record<string, unknown>;
    return new WithBytes(row.params.encode(rest as P) as object, rawParam, bytes as Uint8Array, {
      raw: true,
      owned: false,
    });
  }
  const encoded = row.params.encode(params);
  return rawResult === undefined ? encoded : { ...(encoded as object), raw: true };
}
