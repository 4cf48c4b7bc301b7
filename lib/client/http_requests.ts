/** HTTP requests over a client: their ids, and the way of each delta to its body. */

import type { CallOptions } from "../jsonrpc/peer.ts";
import type { Capabilities } from "../protocol/environment.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import type { BodyDeltaParams, HttpHeader, HttpRequestHeader } from "../protocol/http.ts";
import type { Requests } from "../protocol/methods.ts";
import type { Backlog } from "./backlog.ts";
import { HttpBody } from "./http_body.ts";

/** An HTTP request to be made from the server's machine. */
export interface HttpRequestOptions {
  /** @default {"GET"} */
  method?: string;
  /** `http:` or `https:`. */
  url: string;
  /** @default {[]} */
  headers?: readonly HttpRequestHeader[];
  /** Up to 47 MiB. */
  body?: Uint8Array | undefined;
  /** From the beginning to the last byte of the body. No limit by default. */
  timeoutMs?: number | undefined;
  /** Who follows redirects: the server, or nobody. @default {"follow"} */
  redirectPolicy?: "follow" | "stop";
  signal?: AbortSignal | undefined;
}

/** An answer. */
export interface HttpAnswer {
  status: number;
  /** Names in lower case, repeated ones together. */
  headers: HttpHeader[];
  /**
   * As it comes, not decompressed. It fails with `ERR_HTTP_BODY` when it is not whole, with `ERR_DISCONNECTED` when the
   * connection ends. To be read to its end, or cancelled.
   */
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** What requests need of the client. */
export interface HttpRequestsLink {
  readonly capabilities: Readonly<Capabilities>;
  call<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options?: CallOptions,
  ): Promise<Requests[M]["result"]>;
  onNotification(method: "http/request/bodyDelta", listener: (params: BodyDeltaParams) => void): unknown;
  notify(method: "http/request/consumed", params: { requestId: string; seq: number }): void;
}

/** A message has 64 MiB at the most, and base64 takes a third more. */
export const MAX_BODY_BYTES: number = 47 * 1024 * 1024;
/** Of a body, as much is on its way or waits for its reader. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Acknowledged in pieces of this part of the window, so that the server never runs dry. */
const PART = 4;

interface Entry {
  body: HttpBody;
  state: "asked" | "answered" | "over";
}

export class HttpRequests {
  readonly #link: HttpRequestsLink;
  readonly #backlog: Backlog;
  readonly #bodies = new Map<string, Entry>();
  #lastId = 0;
  #listens = false;

  constructor(link: HttpRequestsLink, backlog: Backlog) {
    this.#link = link;
    this.#backlog = backlog;
  }

  /**
   * Makes a request and waits for the head of its answer. Any status is an answer.
   * @param toBodyError What the body fails with in place of an error of ours.
   * @throws {RpcError} There is none; `data.kind` says why.
   * @throws {ExecServerError} `ERR_DISCONNECTED`: it may have been carried out. `ERR_UNSUPPORTED`: a variable in a header
   *   that the server does not know, or too large a body.
   */
  async request(
    options: HttpRequestOptions,
    toBodyError?: (error: ExecServerError) => Error,
  ): Promise<HttpAnswer> {
    const { method = "GET", url, headers = [], body: content, timeoutMs, redirectPolicy, signal } = options;
    signal?.throwIfAborted();
    const { capabilities } = this.#link;
    this.#check(headers, content);
    if (!this.#listens) this.#link.onNotification("http/request/bodyDelta", (delta) => this.#accept(delta));
    this.#listens = true;
    const requestId = `http-${++this.#lastId}`;
    const entry = this.#open(requestId, signal, toBodyError);
    const params = {
      method,
      url,
      headers: [...headers],
      requestId,
      streamResponse: true,
      ...(content && content.length > 0 ? { bodyBase64: content } : {}),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(redirectPolicy === undefined ? {} : { redirectPolicy }),
      ...(capabilities.httpResponseWindow ? { windowBytes: WINDOW_BYTES } : {}),
    };
    try {
      const { status, headers: found } = await this.#link.call("http/request", params, signal && { signal });
      entry.state = "answered";
      return { status, headers: found, body: entry.body.stream };
    } catch (error) {
      if (error instanceof RpcError) entry.state = "over";
      // It is told to whoever asked, so the body needs no reader.
      entry.body.stream.cancel().catch(() => {});
      throw error;
    }
  }

  /** A delta came. One of a body that nobody knows any more is late, and nothing. */
  #accept(params: BodyDeltaParams): void {
    this.#bodies.get(params.requestId)?.body.accept(params);
  }

  /** The connection is lost, and with it all bodies. What waits for an answer is told by its call. */
  disconnected(message: string): void {
    const error = new ExecServerError("ERR_DISCONNECTED", `Cannot read on from an HTTP answer: ${message}`);
    for (const entry of [...this.#bodies.values()]) {
      if (entry.state !== "answered") continue;
      entry.state = "over";
      entry.body.fail(error);
    }
  }

  #open(
    requestId: string,
    signal: AbortSignal | undefined,
    toBodyError: ((error: ExecServerError) => Error) | undefined,
  ): Entry {
    const backlogId = `http ${requestId}`;
    let taken = 0;
    const onAbort = (): void => body.fail(signal!.reason);
    const body = new HttpBody(requestId, {
      received: (bytes) => {
        if (!this.#link.capabilities.httpResponseWindow) this.#backlog.received(backlogId, bytes);
      },
      consumed: (bytes, seq) => {
        if (!this.#link.capabilities.httpResponseWindow) {
          this.#backlog.consumed(backlogId, bytes);
          return;
        }
        taken += bytes;
        if (taken < WINDOW_BYTES / PART || body.isComplete) return;
        taken = 0;
        this.#link.notify("http/request/consumed", { requestId, seq });
      },
      ended: () => {
        signal?.removeEventListener("abort", onAbort);
        this.#bodies.delete(requestId);
        this.#backlog.forget(backlogId);
        if (!body.isComplete && entry.state !== "over") this.#cancel(requestId);
      },
      ...(toBodyError && { toError: toBodyError }),
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#backlog.reads(backlogId);
    // Deltas may come before anybody looks at the answer.
    const entry: Entry = { body, state: "asked" };
    this.#bodies.set(requestId, entry);
    return entry;
  }

  /** The server need not go on. One that cannot be told reads to the end, and is not listened to. */
  #cancel(requestId: string): void {
    if (!this.#link.capabilities.httpRequestCancel) return;
    this.#link.call("http/request/cancel", { requestId }).catch(() => {});
  }

  #check(headers: readonly HttpRequestHeader[], content: Uint8Array | undefined): void {
    const lent = headers.find(({ valueEnvVar }) => valueEnvVar !== undefined);
    if (lent && !this.#link.capabilities.httpHeaderEnvVars) {
      throw new ExecServerError(
        "ERR_UNSUPPORTED",
        `Cannot send header "${lent.name}" with a variable of the server: it lends none`,
      );
    }
    if (content && content.length > MAX_BODY_BYTES) {
      throw new ExecServerError(
        "ERR_UNSUPPORTED",
        `Cannot send a body of ${content.length} bytes: one request carries up to ${MAX_BODY_BYTES}`,
      );
    }
  }
}
