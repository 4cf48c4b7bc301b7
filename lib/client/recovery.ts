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

/** One try. It must settle soon after its signal is aborted. */
export type Attempt<T> = (signal: AbortSignal, leftMs: number) => Promise<T>;

/**
 * Repeats an attempt while its failure may pass: no connection, no answer, the old connection still attached.
 * @param pausesBefore So many pauses are taken to have been made already; with 0 the first attempt is made at once.
 * @throws {Error} The last failure, or the one that says that no attempt can work.
 */
export async function retry<T>(
  attempt: Attempt<T>,
  { deadlineMs = 45_000, firstDelayMs = 100, maxDelayMs = 2000 }: RecoveryOptions,
  stop: AbortSignal,
  pausesBefore = 0,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  const delayAfter = (pauses: number): number =>
    Math.min(firstDelayMs * 2 ** pauses, maxDelayMs) * (0.5 + Math.random());
  if (pausesBefore > 0) await pause(Math.min(delayAfter(pausesBefore - 1), deadlineMs), stop);
  let failure: unknown;
  for (let pauses = pausesBefore; ; pauses++) {
    stop.throwIfAborted();
    const leftMs = Math.max(1, Math.ceil(end - performance.now()));
    const late = AbortSignal.timeout(leftMs);
    try {
      return await attempt(AbortSignal.any([stop, late]), leftMs);
    } catch (error) {
      // That the time is up says less than what came before.
      if (!late.aborted || failure === undefined) failure = late.aborted ? tooLate(deadlineMs, error) : error;
    }
    const pauseMs = delayAfter(pauses);
    if (stop.aborted || late.aborted || !mayPass(failure) || performance.now() + pauseMs >= end)
      throw failure;
    await pause(pauseMs, stop);
  }
}

function tooLate(deadlineMs: number, cause: unknown): ExecServerError {
  return new ExecServerError("ERR_CONNECT_TIMEOUT", `no answer in ${deadlineMs} ms`, { cause });
}

function mayPass(error: unknown): boolean {
  if (error instanceof RpcError) return isAttached(error);
  // Credentials do not get better by themselves.
  if (error instanceof UpgradeRefused) return error.status !== 401 && error.status !== 403;
  return error instanceof ExecServerError && error.code !== "ERR_PROTOCOL";
}

/** The server has not seen the end of the old connection yet. Up to 0.138.0 it has no code of its own for that. */
function isAttached(error: RpcError): boolean {
  if (error.code === rpcCode.sessionAttached) return true;
  return error.code === rpcCode.invalidRequest && error.message.includes("already attached");
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
