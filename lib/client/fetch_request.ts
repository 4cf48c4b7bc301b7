/** The request that a call of `fetch` means: as the platform has it, where the runtime has it as the platform should. */

import { Buffer } from "node:buffer";
import { isHttpToken } from "../protocol/http_token.ts";
import { MAX_BODY_BYTES } from "./http_requests.ts";

/** What was asked for. */
export interface FetchRequest {
  request: Request;
  method: string;
  /** Where the body is read from; null when there is none. */
  body: ReadableStream<Uint8Array> | null;
}

/**
 * What the arguments of `fetch` mean.
 * @throws {TypeError} They are no request.
 */
export function toRequest(input: string | URL | Request, init: RequestInit): FetchRequest {
  let request: Request;
  try {
    request = new Request(input, init);
  } catch (error) {
    if (error instanceof TypeError) throw error;
    // Bun has other errors for some arguments.
    throw new TypeError(`fetch failed: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  const method = init.method === undefined ? request.method : methodOf(String(init.method));
  const isOwn = (init.body ?? null) !== null;
  if (isOwn && (method === "GET" || method === "HEAD")) {
    throw new TypeError(`fetch failed: a request with the method ${method} has no body`);
  }
  // Bun copies the body of a request that another is made of; what is used up must be the first.
  const isCopied = !isOwn && input instanceof Request && !input.bodyUsed;
  return { request, method, body: isCopied ? input.body : request.body };
}

/** Bun's `Request` has `GET` in place of each method that it does not know, and sends that. */
function methodOf(text: string): string {
  if (!isHttpToken(text) || /^(CONNECT|TRACE|TRACK)$/i.test(text)) {
    throw new TypeError(`fetch failed: ${JSON.stringify(text)} is no method that can be used`);
  }
  return /^(DELETE|GET|HEAD|OPTIONS|POST|PUT)$/i.test(text) ? text.toUpperCase() : text;
}

/**
 * All of a body.
 * @throws What its stream throws, or the reason of the signal. The stream is given up then.
 */
export async function contentOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<Uint8Array> {
  const reader = body.getReader();
  const giveUp = (reason: unknown): void => void reader.cancel(reason).catch(() => {});
  const onAbort = (): void => giveUp(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      if (!(piece.value instanceof Uint8Array))
        throw new TypeError("fetch failed: the body has more than bytes");
      pieces.push(piece.value);
      size += piece.value.length;
      // The rest may have no end.
      if (size > MAX_BODY_BYTES) break;
    }
    signal.throwIfAborted();
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, size);
  } finally {
    signal.removeEventListener("abort", onAbort);
    giveUp(undefined);
  }
}
