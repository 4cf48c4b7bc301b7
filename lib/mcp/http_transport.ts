/** MCP over Streamable HTTP from another machine, with sessions that may expire. */

import type { Fetch } from "../client/fetch.ts";
import { RpcError } from "../protocol/errors.ts";
import { isRequest, type McpMessage, type McpTransport } from "./transport.ts";

/** `StreamableHTTPClientTransport` of the official SDK, of any release. */
export type StreamableHttpTransportClass = new (
  url: URL,
  // biome-ignore lint/suspicious/noExplicitAny: they are the SDK's own
  options: any,
) => McpTransport & {
  terminateSession?(): Promise<void>;
  finishAuth?(authorizationCode: string): Promise<void>;
};

type Inner = InstanceType<StreamableHttpTransportClass>;

/** Settings of a {@link McpHttpTransport}. */
export interface McpHttpOptions {
  /** `StreamableHTTPClientTransport` of the SDK in use. */
  Transport: StreamableHttpTransportClass;
  /** Handed to it: `authProvider`, `requestInit`, `reconnectionOptions`, … Its `fetch` is ours. */
  options?: Readonly<Record<string, unknown>>;
}

/** From where requests are made: a client or an environment. */
export interface FetchPlace {
  readonly fetch: Fetch;
}

/** How long the server may take to end the session when we close. */
const GOODBYE_MS = 2000;
/** How long a fresh session may take to be there. */
const RENEWAL_MS = 30_000;
/** What has no effect is sent again after so long, when the server or the way to it was not ready. */
const RETRY_AFTER_MS = [250, 1000];
const retried: ReadonlySet<unknown> = new Set(["initialize", "notifications/initialized", "tools/list"]);
const transientStatuses: ReadonlySet<unknown> = new Set([408, 429, 500, 502, 503, 504]);
const SESSION_EXPIRED = -32000;

/**
 * A `Transport` for the official SDK's `Client` whose requests, those of OAuth too, leave from another machine.
 *
 * When the server has forgotten the session (404), a fresh one is made by the same `initialize`, once for all who find
 * out, and the message is sent again, once. Nothing else that may have an effect is ever sent twice. `close` ends the
 * session at the server.
 *
 * ```ts
 * const transport = new McpHttpTransport(environments.get("build-box"), new URL("https://mcp.internal/mcp"), {
 *   Transport: StreamableHTTPClientTransport,
 * });
 * await client.connect(transport);
 * ```
 */
export class McpHttpTransport implements McpTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: McpTransport["onmessage"];
  readonly #place: FetchPlace;
  readonly #url: URL;
  readonly #options: McpHttpOptions;
  #inner: Inner;
  #initialize: McpMessage | undefined;
  #version: string | undefined;
  #renewal: Promise<void> | undefined;
  #renewals = 0;
  /** Ends the renewal that is on its way. */
  #giveUpRenewal: ((why: string) => void) | undefined;
  #closed = false;
  /** Requests without an answer, and whether the server has taken them. */
  readonly #waiting = new Map<string | number, { inner: Inner; isTaken: boolean }>();

  constructor(place: FetchPlace, url: URL, options: McpHttpOptions) {
    this.#place = place;
    this.#url = url;
    this.#options = options;
    this.#inner = this.#make();
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  async start(): Promise<void> {
    await this.#inner.start();
  }

  /** For `UnauthorizedError`: goes on with the code that the user's browser came back with. */
  async finishAuth(authorizationCode: string): Promise<void> {
    await this.#inner.finishAuth?.(authorizationCode);
  }

  setProtocolVersion(version: string): void {
    this.#version = version;
    this.#inner.setProtocolVersion?.(version);
  }

  /** @throws What the SDK's transport throws. */
  async send(message: McpMessage, options?: unknown): Promise<void> {
    if (message.method === "initialize") this.#initialize = message;
    await this.#renewal;
    const inner = this.#inner;
    try {
      await this.#sendOver(inner, message, options);
    } catch (error) {
      const hadSession = inner.sessionId !== undefined && message.method !== "initialize";
      if (!hadSession || statusOf(error) !== 404 || this.#closed) throw error;
      await this.#renew(inner);
      await this.#sendOver(this.#inner, message, options);
    }
  }

  /** Ends the session at the server, and the transport. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveUpRenewal?.("the transport was closed");
    await Promise.all([end(this.#inner), this.#renewal?.catch(() => {})]);
  }

  #make(): Inner {
    const inner = new this.#options.Transport(this.#url, {
      ...this.#options.options,
      fetch: this.#place.fetch,
    });
    inner.onmessage = (message: McpMessage, extra?: unknown) => {
      if (message.id !== undefined && message.id !== null && message.method === undefined) {
        this.#waiting.delete(message.id);
      }
      this.onmessage?.(message, extra);
    };
    inner.onerror = (error) => this.onerror?.(error);
    inner.onclose = () => {
      if (inner === this.#inner) this.onclose?.();
    };
    return inner;
  }

  async #sendOver(inner: Inner, message: McpMessage, options: unknown): Promise<void> {
    const id = isRequest(message) ? message.id! : undefined;
    if (id !== undefined) this.#waiting.set(id, { inner, isTaken: false });
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          await inner.send(message as never, options as never);
          const waiting = id === undefined ? undefined : this.#waiting.get(id);
          if (waiting) waiting.isTaken = true;
          return;
        } catch (error) {
          const wait = RETRY_AFTER_MS[attempt];
          if (wait === undefined || !retried.has(message.method) || !isTransient(error) || this.#closed)
            throw error;
          await new Promise((resolve) => setTimeout(resolve, wait));
        }
      }
    } catch (error) {
      if (id !== undefined) this.#waiting.delete(id);
      throw error;
    }
  }

  /** A fresh session in place of one that has expired; one for all who ask. */
  async #renew(expired: Inner): Promise<void> {
    // Another has been quicker.
    if (this.#inner !== expired) return await this.#renewal;
    this.#renewal ??= this.#open(expired).finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  async #open(expired: Inner): Promise<void> {
    if (!this.#initialize) throw new Error("The session has expired before it was initialised");
    const fresh = this.#make();
    const id = `renewed-${++this.#renewals}`;
    const answered = Promise.withResolvers<unknown>();
    const givenUp = Promise.withResolvers<never>();
    for (const { promise } of [answered, givenUp]) promise.catch(() => {});
    const deliver = fresh.onmessage;
    fresh.onmessage = (message: McpMessage, extra?: unknown) => {
      if (message.id !== id) return deliver?.(message, extra);
      if (message.error) answered.reject(cannotRenew(message.error.message));
      else answered.resolve(message.result);
    };
    const initialize = async (first: McpMessage): Promise<void> => {
      await fresh.start();
      await this.#sendOver(fresh, { ...first, id }, undefined);
      const { protocolVersion } = (await answered.promise) as { protocolVersion?: unknown };
      // The server may be another one by now.
      if (typeof protocolVersion === "string") this.#version = protocolVersion;
      if (this.#version !== undefined) fresh.setProtocolVersion?.(this.#version);
      await this.#sendOver(fresh, { jsonrpc: "2.0", method: "notifications/initialized" }, undefined);
    };
    this.#giveUpRenewal = (why) => givenUp.reject(cannotRenew(why));
    const timer = setTimeout(() => this.#giveUpRenewal?.(`no answer in ${RENEWAL_MS} ms`), RENEWAL_MS);
    try {
      const initialized = initialize(this.#initialize);
      initialized.catch(() => {});
      await Promise.race([initialized, givenUp.promise]);
    } catch (error) {
      await end(fresh);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#giveUpRenewal = undefined;
      this.#waiting.delete(id);
    }
    this.#inner = fresh;
    await expired.close();
    this.#giveUp(expired);
  }

  /** Whoever waits for an answer of the session that is gone is told that there will be none. */
  #giveUp(expired: Inner): void {
    for (const [id, { inner, isTaken }] of [...this.#waiting]) {
      // Who is still sending finds out by itself.
      if (inner !== expired || !isTaken) continue;
      this.#waiting.delete(id);
      const message = "The session has expired; whether the request was carried out is not known";
      this.onmessage?.({ jsonrpc: "2.0", id, error: { code: SESSION_EXPIRED, message } });
    }
  }
}

function cannotRenew(why: string): Error {
  return new Error(`The session cannot be renewed: ${why}`);
}

/** Ends the session at the server, and the transport. */
async function end(inner: Inner): Promise<void> {
  if (inner.sessionId !== undefined && inner.terminateSession) {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, GOODBYE_MS);
    // A server that has forgotten it, or is gone, has nothing to end.
    await Promise.race([inner.terminateSession().catch(() => {}), late.promise]);
    clearTimeout(timer);
  }
  await inner.close();
}

/** The HTTP status that an error of the SDK carries. */
function statusOf(error: unknown): unknown {
  const { code, status } = error as { code?: unknown; status?: unknown };
  return typeof status === "number" ? status : code;
}

function isTransient(error: unknown): boolean {
  if (transientStatuses.has(statusOf(error))) return true;
  const { cause, code } = error as { cause?: unknown; code?: unknown };
  if (code === "ERR_HTTP_BODY") return true;
  return cause instanceof RpcError && cause.message.startsWith("http/request failed:");
}
