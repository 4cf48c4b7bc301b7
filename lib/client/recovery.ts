/** Gets a lost session back: tries again and again until it works, cannot work, or is too late. */

import { ExecServerError, RpcError, rpcCode } from "../protocol/errors.ts";
import { UpgradeRefused } from "../transport/websocket.ts";

/** When to try, and for how long. */
export interface RecoveryOptions {
  /** From the loss of the connection. @default {45_000} */
  deadlineMs?: number;
  /** Before the second attempt; doubles up to `maxDelayMs`, and varies by half. @default {100} */
  firstDelayMs?: number;
  /** @default {2_000} */
  maxDelayMs?: number;
}

/**
 * Repeats an attempt while its failure may pass: no connection, no answer, the old connection still attached.
 * @throws {Error} The last failure, or the one that says that no attempt can work.
 */
export async function retry<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { deadlineMs = 45_000, firstDelayMs = 100, maxDelayMs = 2000 }: RecoveryOptions,
  stop: AbortSignal,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, maxDelayMs)) {
    const leftMs = Math.max(1, end - performance.now());
    try {
      return await attempt(AbortSignal.any([stop, AbortSignal.timeout(Math.ceil(leftMs))]));
    } catch (error) {
      const pauseMs = delayMs * (0.5 + Math.random());
      if (stop.aborted || !mayPass(error) || performance.now() + pauseMs >= end) throw error;
      await pause(pauseMs, stop);
    }
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof RpcError) return error.code === rpcCode.sessionAttached;
  // Credentials do not get better by themselves.
  if (error instanceof UpgradeRefused) return error.status !== 401 && error.status !== 403;
  return error instanceof ExecServerError && error.code !== "ERR_PROTOCOL";
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop.addEventListener("abort", done, { once: true });
  });
}
