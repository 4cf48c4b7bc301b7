/** THE table: every method and notification of the wire with its shapes. Handlers and calls are computed from it. */

import {
  type EnvironmentInfo,
  type EnvironmentStatus,
  environmentInfo,
  environmentStatus,
} from "./environment.ts";
import {
  type BodyConsumedParams,
  type BodyDeltaParams,
  bodyConsumedParams,
  bodyDeltaParams,
  type CancelParams,
  type CancelResult,
  cancelParams,
  cancelResult,
  type HttpRequestParams,
  type HttpRequestResult,
  httpRequestParams,
  httpRequestResult,
} from "./http.ts";
import {
  type ClosedParams,
  type CloseStdinParams,
  type ConsumedParams,
  closedParams,
  closeStdinParams,
  consumedParams,
  type Empty,
  type ExitedParams,
  empty,
  exitedParams,
  type OutputParams,
  outputParams,
  type ReadParams,
  type ReadResult,
  type ResizeParams,
  readParams,
  readResult,
  resizeParams,
  type SignalParams,
  type StartParams,
  type StartResult,
  signalParams,
  startParams,
  startResult,
  type TerminateParams,
  type TerminateResult,
  terminateParams,
  terminateResult,
  type WriteParams,
  type WriteResult,
  writeParams,
  writeResult,
} from "./process.ts";
import { nothing, type Schema } from "./schema.ts";
import {
  type InitializeParams,
  type InitializeResult,
  initializeParams,
  initializeResult,
} from "./session.ts";

/** Parameters and answer of one request. */
export interface Call<P, R> {
  params: P;
  result: R;
}

/** The requests that a client sends. */
export interface Requests {
  /** Opens a session or attaches to one. Once per connection, before all else. */
  initialize: Call<InitializeParams, InitializeResult>;
  /** What kind of machine this is. */
  "environment/info": Call<null, EnvironmentInfo>;
  /** Whether the server takes work. */
  "environment/status": Call<null, EnvironmentStatus>;
  /** Starts a program. Its output may be notified before the answer. */
  "process/start": Call<StartParams, StartResult>;
  /** Gives retained output; waits for some if asked to. Consumes nothing. */
  "process/read": Call<ReadParams, ReadResult>;
  /** Queues bytes for stdin or the terminal. */
  "process/write": Call<WriteParams, WriteResult>;
  /** Signals the process group. Nothing happens when it is gone. */
  "process/signal": Call<SignalParams, Empty>;
  /** Kills the process and all that it has started. Answers at once; `process/exited` follows. */
  "process/terminate": Call<TerminateParams, TerminateResult>;
  /** Ours (`processResize`): sets the size of the terminal. */
  "process/resize": Call<ResizeParams, Empty>;
  /** Ours (`processCloseStdin`): the child sees the end of its input after what was written before. */
  "process/closeStdin": Call<CloseStdinParams, WriteResult>;
  /** Makes an HTTP request from the server's machine. It belongs to the connection and ends with it. */
  "http/request": Call<HttpRequestParams, HttpRequestResult>;
  /** Ours (`httpRequestCancel`): gives a request up, whether it is streamed or not. */
  "http/request/cancel": Call<CancelParams, CancelResult>;
}

/** The notifications that a client sends. */
export interface ClientNotifications {
  /** Ends the handshake. */
  initialized: null;
  /** Ours (`processOutputWindow`): output has been dealt with, more may come. */
  "process/consumed": ConsumedParams;
  /** Ours (`httpResponseWindow`): deltas of a body have been dealt with, more may come. */
  "http/request/consumed": BodyConsumedParams;
}

/** The notifications that a server sends. */
export interface ServerNotifications {
  "process/output": OutputParams;
  "process/exited": ExitedParams;
  "process/closed": ClosedParams;
  /** A piece of the body of a streamed answer. */
  "http/request/bodyDelta": BodyDeltaParams;
}

/** The words by which a refused request before the handshake names what it is. */
export type Gate = "exec" | "environment info" | "environment status" | "filesystem" | "http";

/** One row: the shapes, and what must have happened before (`null`: nothing). */
export interface RequestRow<P, R> {
  readonly params: Schema<P>;
  readonly result: Schema<R>;
  readonly gate: Gate | null;
}

export type RequestTable = {
  readonly [M in keyof Requests]: RequestRow<Requests[M]["params"], Requests[M]["result"]>;
};

export const requests: RequestTable = {
  initialize: { params: initializeParams, result: initializeResult, gate: null },
  "environment/info": { params: nothing, result: environmentInfo, gate: "environment info" },
  "environment/status": { params: nothing, result: environmentStatus, gate: "environment status" },
  "process/start": { params: startParams, result: startResult, gate: "exec" },
  "process/read": { params: readParams, result: readResult, gate: "exec" },
  "process/write": { params: writeParams, result: writeResult, gate: "exec" },
  "process/signal": { params: signalParams, result: empty, gate: "exec" },
  "process/terminate": { params: terminateParams, result: terminateResult, gate: "exec" },
  "process/resize": { params: resizeParams, result: empty, gate: "exec" },
  "process/closeStdin": { params: closeStdinParams, result: writeResult, gate: "exec" },
  "http/request": { params: httpRequestParams, result: httpRequestResult, gate: "http" },
  "http/request/cancel": { params: cancelParams, result: cancelResult, gate: "http" },
};

export const clientNotifications: {
  readonly [N in keyof ClientNotifications]: Schema<ClientNotifications[N]>;
} = {
  // Any parameters are accepted, as the peer does.
  initialized: { ...nothing, decode: () => null },
  "process/consumed": consumedParams,
  "http/request/consumed": bodyConsumedParams,
};

export const serverNotifications: {
  readonly [N in keyof ServerNotifications]: Schema<ServerNotifications[N]>;
} = {
  "process/output": outputParams,
  "process/exited": exitedParams,
  "process/closed": closedParams,
  "http/request/bodyDelta": bodyDeltaParams,
};

/** The methods of one family: `Family<"process">` is every `process/…`. */
export type Family<F extends string> = Extract<keyof Requests, `${F}/${string}`>;

/** One function for each request; the answer may come later. */
export type Handlers = {
  readonly [M in keyof Requests]: (
    params: Requests[M]["params"],
  ) => Requests[M]["result"] | Promise<Requests[M]["result"]>;
};
