/** `fetch` over another machine: the platform's interface, with the requests of a client behind it. */

import type { HttpRequestHeader } from "../protocol/http.ts";
import { version } from "../protocol/version.ts";
import { contentOf, toRequest } from "./fetch_request.ts";
import { toResponse } from "./fetch_response.ts";
import { toBodyError } from "./http_body.ts";
import type { HttpAnswer, HttpRequests } from "./http_requests.ts";

/** As the platform's `RequestInit`, with what only an exec-server can do. */
export interface FetchInit extends RequestInit {
  /** From the beginning to the last byte of the body, also over redirects. No limit by default. */
  timeoutMs?: number;
  /** Lines that end in a variable of the server; only for the first origin. */
  lentHeaders?: readonly HttpRequestHeader[];
}

/** The type of the platform's `fetch`. */
export type Fetch = (input: string | URL | Request, init?: FetchInit) => Promise<Response>;

/** As many redirects as the platform follows. */
const MAX_REDIRECTS = 20;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const ofBody = ["content-encoding", "content-language", "content-location", "content-type", "content-length"];

interface Ask {
  method: string;
  url: URL;
  headers: Headers;
  lent: readonly HttpRequestHeader[];
  body: Uint8Array | undefined;
}

/**
 * Makes a request from the server's machine. Redirects are followed here, each a request of its own to the server, so that
 * its policy is asked about each and the answer has its `url`.
 * A body that is not whole fails with a `TypeError` too, with the code of its `cause`: `ERR_HTTP_BODY` or `ERR_DISCONNECTED`.
 * @throws {TypeError} There is no answer; `cause` says why. @throws The reason of the signal.
 */
export async function fetchOver(
  requests: HttpRequests,
  input: string | URL | Request,
  init?: FetchInit | null,
): Promise<Response> {
  const { timeoutMs, lentHeaders = [], ...platform } = init ?? {};
  const { request, method, body } = toRequest(input, platform);
  const { signal, redirect } = request;
  signal.throwIfAborted();
  const headers = new Headers(request.headers);
  if (!headers.has("accept")) headers.set("accept", "*/*");
  if (!headers.has("accept-encoding")) {
    // A part of what is compressed cannot be decoded.
    headers.set("accept-encoding", headers.has("range") ? "identity" : "gzip, deflate, br");
  }
  if (!headers.has("user-agent")) headers.set("user-agent", `exec-server/${version}`);
  const content = body === null ? undefined : await contentOf(body, signal);
  // It is that of the body, whatever was said; and some origins want to know that nothing comes.
  headers.delete("content-length");
  if (!content?.length && (method === "POST" || method === "PUT")) headers.set("content-length", "0");
  const url = new URL(request.url);
  url.hash = "";
  let ask: Ask = { method, url, headers, lent: lentHeaders, body: content };
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  for (let followed = 0; ; followed++) {
    const answer = await send(requests, ask, signal, deadline);
    const location = answer.headers.find(({ name }) => name === "location")?.value;
    if (redirect === "manual" || location === undefined || !redirects.has(answer.status)) {
      return await toResponse(answer, { ...ask, isRedirected: followed > 0 });
    }
    await answer.body.cancel();
    if (redirect === "error") throw new TypeError(`fetch failed: "${ask.url}" is redirected`);
    if (followed === MAX_REDIRECTS) throw new TypeError("fetch failed: too many redirects");
    ask = redirected(ask, answer.status, location);
  }
}

async function send(
  requests: HttpRequests,
  ask: Ask,
  signal: AbortSignal,
  deadline: number | undefined,
): Promise<HttpAnswer> {
  try {
    const options = {
      method: ask.method,
      url: ask.url.href,
      headers: [...[...ask.headers].map(([name, value]) => ({ name, value })), ...ask.lent],
      body: ask.body,
      redirectPolicy: "stop" as const,
      timeoutMs: deadline === undefined ? undefined : Math.max(0, Math.ceil(deadline - performance.now())),
      signal,
    };
    return await requests.request(options, toBodyError);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new TypeError(`fetch failed: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function redirected(ask: Ask, status: number, location: string): Ask {
  if (!URL.canParse(location, ask.url))
    throw new TypeError("fetch failed: it is redirected to what is no URL");
  const url = new URL(location, ask.url);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`fetch failed: it is redirected to "${url.protocol}"`);
  }
  const headers = new Headers(ask.headers);
  const toGet =
    ((status === 301 || status === 302) && ask.method === "POST") ||
    (status === 303 && ask.method !== "GET" && ask.method !== "HEAD");
  if (toGet) for (const name of ofBody) headers.delete(name);
  const sameOrigin = url.origin === ask.url.origin;
  if (!sameOrigin) {
    for (const name of ["authorization", "cookie", "proxy-authorization", "host"]) headers.delete(name);
  }
  url.hash = "";
  return {
    method: toGet ? "GET" : ask.method,
    url,
    headers,
    lent: sameOrigin ? ask.lent : [],
    body: toGet ? undefined : ask.body,
  };
}
