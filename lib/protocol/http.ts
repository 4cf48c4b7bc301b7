/** Shapes of `http/*`: requests that the server's machine makes for a client. */

import {
  array,
  boolean,
  bytes,
  nullish,
  object,
  oneOf,
  optional,
  type Schema,
  string,
  unsigned,
} from "./schema.ts";

/** A header line. */
export interface HttpHeader {
  name: string;
  value: string;
}

/** A header line of a request. */
export interface HttpRequestHeader {
  name: string;
  value: string;
  /**
   * A variable of the server's environment whose value is put behind `value`. Only names that the server was told to
   * lend, and only where `httpHeaderEnvVars` is advertised.
   */
  valueEnvVar?: string;
}

/** Parameters of `http/request`. */
export interface HttpRequestParams {
  /** Sent as it is: `GET`, `POST`, … */
  method: string;
  /** `http:` or `https:`. A user name and password in it become Basic credentials. */
  url: string;
  /** Names are sent in lower case, repeated ones together. @default {[]} */
  headers?: HttpRequestHeader[];
  /** Without bytes there is no body and no `content-length`. */
  bodyBase64?: Uint8Array;
  /** From the beginning to the last byte of the body. No limit by default. */
  timeoutMs?: number;
  /** Whether a redirect is followed, ten times at the most, or is the answer. @default {"follow"} */
  redirectPolicy?: "follow" | "stop";
  /** Chosen by the client; free among its streams that are running. */
  requestId: string;
  /** The body follows in `http/request/bodyDelta` notifications instead of being in the answer. @default {false} */
  streamResponse?: boolean;
  /**
   * Ours (`httpResponseWindow`): a streamed body is held back while more than this many bytes of it are not yet
   * acknowledged by `http/request/consumed`.
   */
  windowBytes?: number;
}

/** Answer of `http/request`. Any status is a success. */
export interface HttpRequestResult {
  status: number;
  /**
   * Names in lower case, repeated ones together; values with anything but visible ASCII are left out, but for that of
   * `location`, which is given as in a URL.
   */
  headers: HttpHeader[];
  /** The body as it came, not decompressed; empty when it is streamed. */
  bodyBase64: Uint8Array;
}

/** Parameters of `http/request/bodyDelta`. The first follows the answer to the request. */
export interface BodyDeltaParams {
  requestId: string;
  /** From 1, one more for each. */
  seq: number;
  deltaBase64: Uint8Array;
  /** True in the last one, and only there. */
  done: boolean;
  /** Why the body is not whole, in the last one. */
  error?: string;
}

/** Parameters of `http/request/cancel`. */
export interface CancelParams {
  requestId: string;
}

/** Answer of `http/request/cancel`. */
export interface CancelResult {
  /** Whether a request of that id was running. Its own end, an error, is on its way already. */
  cancelled: boolean;
}

/** Parameters of `http/request/consumed`. */
export interface BodyConsumedParams {
  requestId: string;
  /** Deltas up to this number have been dealt with. */
  seq: number;
}

/** `error.data` of a request that failed. */
export interface HttpFailureData {
  /**
   * `dns`, `connect`, `tls`, `timeout`: what it was about when it failed. `protocol`: what came is not HTTP, or not
   * all of it. `policy`: the server does not make such requests. `cancelled`: by `http/request/cancel`.
   */
  kind: "dns" | "connect" | "tls" | "timeout" | "protocol" | "policy" | "cancelled";
}

const requestHeader: Schema<HttpRequestHeader> = object<HttpRequestHeader>({
  name: string,
  value: string,
  valueEnvVar: nullish(string),
});

const header: Schema<HttpHeader> = object<HttpHeader>({ name: string, value: string });

export const httpRequestParams: Schema<HttpRequestParams> = object<HttpRequestParams>({
  method: string,
  url: string,
  headers: optional(array(requestHeader)),
  bodyBase64: nullish(bytes),
  timeoutMs: nullish(unsigned),
  redirectPolicy: optional(oneOf("follow", "stop")),
  requestId: string,
  streamResponse: optional(boolean),
  windowBytes: nullish(unsigned),
});

export const httpRequestResult: Schema<HttpRequestResult> = object<HttpRequestResult>({
  status: unsigned,
  headers: array(header),
  bodyBase64: bytes,
});

export const bodyDeltaParams: Schema<BodyDeltaParams> = object<BodyDeltaParams>({
  requestId: string,
  seq: unsigned,
  deltaBase64: bytes,
  done: boolean,
  error: nullish(string),
});

export const cancelParams: Schema<CancelParams> = object<CancelParams>({ requestId: string });

export const cancelResult: Schema<CancelResult> = object<CancelResult>({ cancelled: boolean });

export const bodyConsumedParams: Schema<BodyConsumedParams> = object<BodyConsumedParams>({
  requestId: string,
  seq: unsigned,
});
