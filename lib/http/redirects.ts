/** What becomes of a request when its answer points elsewhere. */

import { RedirectFailure } from "./failure.ts";
import { inAscii, type RequestHeaders } from "./headers.ts";

/** One request on its way through redirects. */
export interface Hop {
  method: string;
  /** Without user name, password and fragment. */
  url: URL;
  headers: RequestHeaders;
  body: Uint8Array | undefined;
}

/** So many redirects are followed. */
export const MAX_REDIRECTS = 10;

const followed: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const ofBody: ReadonlySet<string> = new Set([
  "content-type",
  "content-length",
  "content-encoding",
  "transfer-encoding",
]);
/** What is meant for one origin: who asks, and as what the origin is addressed. */
const ofOrigin: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "cookie2",
  "proxy-authorization",
  "www-authenticate",
  "host",
]);

/**
 * The next request, or undefined when the answer is no redirect that can be followed, and is the answer then.
 * @throws {RedirectFailure} It points to what is not HTTP.
 */
export function nextHop(hop: Hop, status: number, location: string | undefined): Hop | undefined {
  if (!followed.has(status) || location === undefined) return undefined;
  const target = inAscii(location);
  if (!URL.canParse(target, hop.url)) return undefined;
  const url = new URL(target, hop.url);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new RedirectFailure(
      "protocol",
      `redirect target uses unsupported URL scheme: ${url.protocol.slice(0, -1)}`,
    );
  }
  url.hash = "";
  url.username = "";
  url.password = "";
  const sameOrigin = url.origin === hop.url.origin;
  const toGet =
    (status === 303 && hop.method !== "GET" && hop.method !== "HEAD") ||
    ((status === 301 || status === 302) && hop.method === "POST");
  const headers = hop.headers.without(
    (name, lent) =>
      (toGet && ofBody.has(name)) || (!sameOrigin && (ofOrigin.has(name) || lent)) || name === "referer",
  );
  // Never from a protected page to an open one, and to another origin only where it came from.
  if (!(hop.url.protocol === "https:" && url.protocol === "http:")) {
    headers.set("referer", sameOrigin ? hop.url.href : `${hop.url.origin}/`);
  }
  return { method: toGet ? "GET" : hop.method, url, headers, body: toGet ? undefined : hop.body };
}
