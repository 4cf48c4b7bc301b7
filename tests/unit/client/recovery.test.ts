import { describe, expect, test } from "bun:test";
import { retry } from "../../../lib/client/recovery.ts";
import { ExecServerError, RpcError } from "../../../lib/protocol/errors.ts";
import { UpgradeRefused } from "../../../lib/transport/websocket.ts";
import { within } from "../../support/deadline.ts";

const quick = { firstDelayMs: 1, maxDelayMs: 2 };
const forever = new AbortController().signal;

/** How many attempts are made of which the first fails so. */
async function attemptsAfter(failure: unknown): Promise<number> {
  let attempts = 0;
  const attempt = async (): Promise<number> => {
    if (++attempts === 1) throw failure;
    return attempts;
  };
  try {
    return await retry(attempt, quick, forever);
  } catch (error) {
    expect(error).toBe(failure);
    return attempts;
  }
}

describe("a failure", () => {
  test.each([
    ["no connection", new ExecServerError("ERR_CONNECT", "x")],
    ["no connection in time", new ExecServerError("ERR_CONNECT_TIMEOUT", "x")],
    ["no answer to initialize", new ExecServerError("ERR_INITIALIZE_TIMEOUT", "x")],
    ["an end in the middle", new ExecServerError("ERR_DISCONNECTED", "x")],
    ["the status 404, as of a proxy whose server is away", new UpgradeRefused(404, "x")],
    ["the status 503", new UpgradeRefused(503, "x")],
    ["a session that is attached", new RpcError(-32010, "x")],
    ["the same up to 0.138.0", new RpcError(-32600, "session s is already attached to another connection")],
  ])("that may pass is followed by another attempt: %s", async (_name, failure) => {
    expect(await attemptsAfter(failure)).toBe(2);
  });

  test.each([
    ["the status 401", new UpgradeRefused(401, "x")],
    ["the status 403", new UpgradeRefused(403, "x")],
    ["an unknown session", new RpcError(-32600, "unknown session id s")],
    ["another error of the server", new RpcError(-32603, "x")],
    ["an answer that is none", new ExecServerError("ERR_PROTOCOL", "x")],
    ["a fault of ours", new TypeError("x")],
  ])("that stays ends it at once: %s", async (_name, failure) => {
    expect(await attemptsAfter(failure)).toBe(1);
  });
});

describe("the time", () => {
  test("that is up gives the last failure, and no pause goes beyond it", async () => {
    const failure = new ExecServerError("ERR_CONNECT", "nobody there");
    const from = performance.now();
    const ended = retry(() => Promise.reject(failure), { ...quick, deadlineMs: 60 }, forever);
    await expect(within(5000, "the end", ended)).rejects.toBe(failure);
    expect(performance.now() - from).toBeLessThan(1000);
  });

  test("aborts an attempt that hangs, and says so when there was no other failure", async () => {
    const hang = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const ended = within(5000, "the end", retry(hang, { ...quick, deadlineMs: 30 }, forever));
    await expect(ended).rejects.toMatchObject({ code: "ERR_CONNECT_TIMEOUT", message: "no answer in 30 ms" });
    let attempts = 0;
    const failure = new ExecServerError("ERR_CONNECT", "nobody there");
    const then = (signal: AbortSignal): Promise<never> =>
      ++attempts === 1 ? Promise.reject(failure) : hang(signal);
    await expect(within(5000, "the end", retry(then, { ...quick, deadlineMs: 30 }, forever))).rejects.toBe(
      failure,
    );
  });

  test("of an attempt is what is left", async () => {
    const left: number[] = [];
    const attempt = async (_signal: AbortSignal, leftMs: number): Promise<void> => {
      left.push(leftMs);
      if (left.length < 3) throw new ExecServerError("ERR_CONNECT", "x");
    };
    await retry(attempt, { firstDelayMs: 10, maxDelayMs: 10, deadlineMs: 5000 }, forever);
    expect(left[0]!).toBeLessThanOrEqual(5000);
    expect(left[2]!).toBeLessThan(left[0]! - 8);
  });
});

describe("the pauses", () => {
  /** The pauses before so many attempts, in ms. */
  async function pausesOf(count: number, pausesBefore: number): Promise<number[]> {
    const random = Math.random;
    Math.random = () => 0.5;
    const starts = [performance.now()];
    try {
      const attempt = async (): Promise<void> => {
        starts.push(performance.now());
        if (starts.length <= count) throw new ExecServerError("ERR_CONNECT", "x");
      };
      await retry(attempt, { firstDelayMs: 20, maxDelayMs: 60 }, forever, pausesBefore);
    } finally {
      Math.random = random;
    }
    return starts.slice(1).map((at, i) => at - starts[i]!);
  }

  test("grow from the first to the longest; the first attempt needs none", async () => {
    const [first, second, third, fourth] = await pausesOf(4, 0);
    expect(first).toBeLessThan(15);
    expect(second).toBeGreaterThan(18);
    expect(third).toBeGreaterThan(38);
    expect(fourth).toBeGreaterThan(58);
    expect(fourth).toBeLessThan(75);
  });

  test("go on from those that were made before", async () => {
    const [first, second] = await pausesOf(2, 2);
    expect(first).toBeGreaterThan(38);
    expect(second).toBeGreaterThan(58);
  });

  test("vary by half", async () => {
    const pauses: number[] = [];
    for (let i = 0; i < 20; i++) {
      let attempts = 0;
      let from = 0;
      const attempt = async (): Promise<void> => {
        if (++attempts === 2) return void pauses.push(performance.now() - from);
        from = performance.now();
        throw new ExecServerError("ERR_CONNECT", "x");
      };
      await retry(attempt, { firstDelayMs: 20, maxDelayMs: 20 }, forever);
    }
    expect(Math.max(...pauses) - Math.min(...pauses)).toBeGreaterThan(5);
  });

  test("end with the stop", async () => {
    const stop = new AbortController();
    const failure = new ExecServerError("ERR_CONNECT", "x");
    const ended = retry(
      () => Promise.reject(failure),
      { firstDelayMs: 200_000, maxDelayMs: 200_000 },
      stop.signal,
    );
    // Longer than the deadline: such a pause is not begun.
    await expect(within(5000, "the end", ended)).rejects.toBe(failure);
    const slow = { firstDelayMs: 10_000, maxDelayMs: 10_000 };
    const stopped = retry(() => Promise.reject(failure), slow, stop.signal);
    setTimeout(() => stop.abort(new Error("closed")), 5);
    await expect(within(2000, "the end", stopped)).rejects.toThrow("closed");
  });
});
