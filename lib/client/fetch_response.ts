/** The response of `fetch`, with the members that its constructor cannot give it. */

import type { HttpHeader } from "../protocol/http.ts";
import { decodeContent } from "./content_coding.ts";
import type { HttpAnswer } from "./http_requests.ts";

/** What an answer is the answer to. */
export interface Asked {
  method: string;
  url: URL;
  isRedirected: boolean;
}

interface Members {
  status: number;
  url: string;
  redirected: boolean;
}

const withoutBody: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

/** @throws {TypeError} The answer cannot be given. */
export async function toResponse(
  answer: HttpAnswer,
  { method, url, isRedirected }: Asked,
): Promise<Response> {
  const { status } = answer;
  const isEmpty = withoutBody.has(status) || method === "HEAD";
  if (isEmpty) await answer.body.cancel();
  const { body, headers } = isEmpty
    ? { body: null, headers: answer.headers }
    : decodeContent(answer.body, answer.headers);
  let response: Response;
  try {
    // The constructor takes none above, but origins may have them.
    response = new Response(body, { status: status > 599 ? 200 : status, headers: toHeaders(headers) });
  } catch (error) {
    await body?.cancel();
    throw new TypeError(`fetch failed: an answer with status ${status} cannot be given`, { cause: error });
  }
  return withMembers(response, { status, url: url.href, redirected: isRedirected });
}

function withMembers(response: Response, members: Members): Response {
  const { status, url, redirected } = members;
  Object.defineProperty(response, "url", { value: url });
  Object.defineProperty(response, "redirected", { value: redirected });
  if (status !== response.status) {
    Object.defineProperty(response, "status", { value: status });
    Object.defineProperty(response, "ok", { value: false });
  }
  const clone = (): Response => withMembers(Response.prototype.clone.call(response), members);
  Object.defineProperty(response, "clone", { value: clone });
  return response;
}

function toHeaders(lines: readonly HttpHeader[]): Headers {
  const headers = new Headers();
  // How the body came from the origin does not say how it comes from here.
  for (const { name, value } of lines) if (name !== "transfer-encoding") headers.append(name, value);
  return headers;
}
