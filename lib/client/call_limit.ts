/** The limits of one call, over all that it waits for: the way back of the connection, then the answer. */

import type { CallOptions } from "../jsonrpc/peer.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { timerMs } from "../protocol/timer.ts";

/**
 * Runs a call with a signal that is aborted when its time is up, or by the caller.
 * @throws {ExecServerError} `ERR_CALL_TIMEOUT`, if the call rejects with the reason of the signal.
 */
export async function withinLimits<T>(
  method: string,
  { signal, timeoutMs }: CallOptions,
  call: (limit: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return await call(signal);
  const limit = new AbortController();
  const timer = setTimeout(() => {
    const message = `No answer to "${method}" in ${timeoutMs} ms`;
    limit.abort(new ExecServerError("ERR_CALL_TIMEOUT", message));
  }, timerMs(timeoutMs));
  const onAbort = (): void => limit.abort(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    return await call(limit.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Waits for a promise, or for the abort, whose reason it throws. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
