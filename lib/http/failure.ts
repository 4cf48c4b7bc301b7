/** Why a request did not succeed, in the words of the wire. */

import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { HttpFailureData } from "../protocol/http.ts";

export type FailureKind = HttpFailureData["kind"];

/** A request, or the body of its answer, failed. The message says with what, without the URL. */
export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** What an exchange is about; a failure without a better sign is of that kind. */
export type Phase = "connect" | "tls" | "protocol";

/** Makes a failure out of what a connection, `node:tls` or the resolver threw. */
export function toFailure(error: unknown, phase: Phase): HttpFailure {
  if (error instanceof HttpFailure) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  // Of several addresses, the error of the last attempt says as much as any.
  const inner = (error as AggregateError).errors?.at(-1) as NodeJS.ErrnoException | undefined;
  if (inner) return toFailure(inner, phase);
  return new HttpFailure(kindOf(code, phase), message === "" ? code : message, { cause: error });
}

const connectCodes = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "ERR_SOCKET_CONNECTION_TIMEOUT",
]);

function kindOf(code: string, phase: Phase): FailureKind {
  if (code === "ENOTFOUND" || code === "ENODATA" || code.startsWith("EAI_")) return "dns";
  if (connectCodes.has(code)) return "connect";
  if (code === "ETIMEDOUT" && phase === "connect") return "connect";
  if (
    /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/.test(
      code,
    )
  )
    return "tls";
  return phase;
}

/** The answer to a request that failed before the head of its answer was there. */
export function requestError(failure: HttpFailure, shownUrl: string): RpcError {
  const data: HttpFailureData = { kind: failure.kind };
  if (failure.kind === "policy") {
    // Not in the words of a failure, which clients try again.
    return new RpcError(rpcCode.invalidRequest, `http/request refused: ${failure.message}`, data);
  }
  if (failure instanceof RedirectFailure) {
    return new RpcError(rpcCode.internal, `http/request failed: ${failure.message}`, data);
  }
  const message = `http/request failed: error sending request for url (${shownUrl}): ${failure.message}`;
  return new RpcError(rpcCode.internal, message, data);
}

/** The answer to a request whose body failed. */
export function bodyError(failure: HttpFailure): RpcError {
  const message = `failed to read http/request response body: ${bodyErrorText(failure)}`;
  return new RpcError(rpcCode.internal, message, { kind: failure.kind } satisfies HttpFailureData);
}

/** `error` of the last delta. */
export function bodyErrorText(failure: HttpFailure): string {
  return `error decoding response body: ${failure.message}`;
}

/** A redirect that cannot be followed. */
export class RedirectFailure extends HttpFailure {}
