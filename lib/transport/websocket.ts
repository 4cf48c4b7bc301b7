/** Dials a websocket server. */

import { Buffer } from "node:buffer";
import type { Channel } from "../jsonrpc/channel.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { timerMs } from "../protocol/timer.ts";
import type { ByteStream, Runtime, StreamHandlers } from "../runtime/runtime.ts";
import { acceptKey, type HttpHead, HttpHeadReader, hasToken } from "./http_head.ts";
import { WebsocketChannel } from "./websocket_channel.ts";

/** Whom to dial and how long to try. */
export interface DialOptions {
  /** `ws://` or `wss://`. */
  url: string;
  /** Time for TCP, TLS and the upgrade together. @default {10_000} */
  connectTimeoutMs?: number;
  /** Sent as `Authorization: Bearer …`. Never shown in an error. */
  bearerToken?: string;
  /** Time between pings; two without an answer are a lost connection. 0 for none. @default {15_000} */
  pingIntervalMs?: number;
  /** Largest message that is taken. @default {268_435_456} (256 MiB) */
  maxMessageBytes?: number;
  signal?: AbortSignal;
}

/** The server answered the upgrade with an HTTP status instead. */
export class UpgradeRefused extends ExecServerError {
  /** The HTTP status. */
  readonly status: number;

  constructor(status: number, message: string) {
    super("ERR_CONNECT", message);
    this.status = status;
  }
}

const MAX_REFUSAL_CHARACTERS = 200;
/** So much of a refusal's body is waited for. */
const MAX_REFUSAL_BYTES = 1024;

/** @throws {ExecServerError} `ERR_CONNECT`, `ERR_CONNECT_TIMEOUT`. */
export async function dialWebsocket(runtime: Runtime, options: DialOptions): Promise<Channel> {
  const { url, connectTimeoutMs = 10_000 } = options;
  const shown = JSON.stringify(withoutUserInfo(url));
  const target = parseUrl(url, shown);
  if (/[\x00-\x1f\x7f]/.test(options.bearerToken ?? "")) {
    throw new ExecServerError(
      "ERR_CONNECT",
      `Cannot connect to ${shown}: the bearer token has a line break or another control character in it`,
    );
  }
  const timeout = AbortSignal.timeout(timerMs(connectTimeoutMs));
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  const upgrade = Promise.withResolvers<Channel>();
  // It may be rejected before it is waited for.
  upgrade.promise.catch(() => {});
  let stream: ByteStream | undefined;
  const onAbort = (): void => {
    upgrade.reject(signal.reason);
    stream?.destroy();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64");
    stream = await runtime.connect(
      { hostname: target.hostname, port: target.port, tls: target.tls, signal },
      (connected) => new Upgrade(connected, key, options, shown, upgrade).handlers,
    );
    stream.write(Buffer.from(requestHead(target, key, options.bearerToken)));
    return await upgrade.promise;
  } catch (error) {
    stream?.destroy();
    if (timeout.aborted && !options.signal?.aborted) {
      throw new ExecServerError(
        "ERR_CONNECT_TIMEOUT",
        `Cannot connect to ${shown}: no answer in ${connectTimeoutMs} ms`,
      );
    }
    if (options.signal?.aborted || error instanceof ExecServerError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new ExecServerError("ERR_CONNECT", `Cannot connect to ${shown}: ${detail}`, { cause: error });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

interface Target {
  hostname: string;
  port: number;
  tls: boolean;
  host: string;
  path: string;
}

function parseUrl(url: string, shown: string): Target {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")) {
    throw new ExecServerError(
      "ERR_CONNECT",
      `Cannot connect to ${shown}: expected a "ws://" or "wss://" URL`,
    );
  }
  const tls = parsed.protocol === "wss:";
  return {
    hostname: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: parsed.port === "" ? (tls ? 443 : 80) : Number(parsed.port),
    tls,
    host: parsed.host,
    path: `${parsed.pathname}${parsed.search}`,
  };
}

function requestHead(target: Target, key: string, bearerToken: string | undefined): string {
  const lines = [
    `GET ${target.path} HTTP/1.1`,
    `Host: ${target.host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
  ];
  if (bearerToken !== undefined) lines.push(`Authorization: Bearer ${bearerToken}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A URL may carry a password; what is shown must not. */
export function withoutUserInfo(url: string): string {
  if (!URL.canParse(url)) return url.replace(/\/\/.*@/s, "//");
  const parsed = new URL(url);
  if (parsed.username === "" && parsed.password === "") return url;
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}

/** The connection until the server has agreed; then the channel takes over. */
class Upgrade {
  readonly #stream: ByteStream;
  readonly #key: string;
  readonly #options: DialOptions;
  readonly #shown: string;
  readonly #outcome: PromiseWithResolvers<Channel>;
  readonly #reader = new HttpHeadReader();
  #refusal: { head: HttpHead; body: Buffer } | undefined;
  #channel: WebsocketChannel | undefined;

  constructor(
    stream: ByteStream,
    key: string,
    options: DialOptions,
    shown: string,
    outcome: PromiseWithResolvers<Channel>,
  ) {
    this.#stream = stream;
    this.#key = key;
    this.#options = options;
    this.#shown = shown;
    this.#outcome = outcome;
  }

  readonly handlers: StreamHandlers = {
    data: (bytes) => {
      if (this.#channel) this.#channel.streamHandlers.data(bytes);
      else if (this.#refusal) this.#onRefusalBody(bytes);
      else this.#onBytes(bytes);
    },
    drain: () => this.#channel?.streamHandlers.drain(),
    close: (error) => {
      if (this.#channel) this.#channel.streamHandlers.close(error);
      else if (this.#refusal) this.#refuse();
      else this.#fail(error?.message ?? "the server closed the connection during the upgrade");
    },
  };

  #onBytes(bytes: Uint8Array): void {
    let head: HttpHead | undefined;
    try {
      head = this.#reader.feed(bytes);
    } catch {
      this.#fail("the answer is not HTTP");
      return;
    }
    if (!head) return;
    const [version, status] = head.start;
    if (!version.startsWith("HTTP/1.")) {
      this.#fail("the answer is not HTTP");
    } else if (status !== "101") {
      this.#refusal = { head, body: Buffer.alloc(0) };
      this.#onRefusalBody(head.rest);
    } else {
      this.#accept(head);
    }
  }

  #onRefusalBody(bytes: Uint8Array): void {
    const refusal = this.#refusal!;
    refusal.body = Buffer.concat([refusal.body, bytes]);
    const length = Number(refusal.head.headers.get("content-length")?.[0] ?? Number.NaN);
    if (!(refusal.body.length < Math.min(length, MAX_REFUSAL_BYTES))) this.#refuse();
  }

  #accept(head: HttpHead): void {
    const accept = head.headers.get("sec-websocket-accept")?.[0];
    if (!hasToken(head, "upgrade", "websocket") || accept !== acceptKey(this.#key)) {
      this.#fail("the server does not speak websocket");
      return;
    }
    const channel = new WebsocketChannel(this.#stream, {
      role: "client",
      label: `exec-server websocket ${new URL(this.#options.url).host}`,
      maxMessageBytes: this.#options.maxMessageBytes ?? 256 * 1024 * 1024,
      pingIntervalMs: this.#options.pingIntervalMs ?? 15_000,
    });
    this.#channel = channel;
    if (head.rest.length > 0) channel.streamHandlers.data(head.rest);
    this.#outcome.resolve(channel);
  }

  #refuse(): void {
    const { head, body } = this.#refusal!;
    const status = Number(head.start[1]);
    const text = body.toString().slice(0, MAX_REFUSAL_CHARACTERS).trim();
    const detail = text === "" ? "" : ` (${text})`;
    this.#outcome.reject(
      new UpgradeRefused(
        status,
        `Cannot connect to ${this.#shown}: the server answered HTTP ${status} ${head.start[2]}${detail}`,
      ),
    );
    this.#stream.destroy();
  }

  #fail(detail: string): void {
    this.#outcome.reject(new ExecServerError("ERR_CONNECT", `Cannot connect to ${this.#shown}: ${detail}`));
    this.#stream.destroy();
  }
}
