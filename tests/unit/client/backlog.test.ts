import { describe, expect, test } from "bun:test";
import { Backlog } from "../../../lib/client/backlog.ts";
import type { Peer } from "../../../lib/jsonrpc/peer.ts";

function make(windowBytes = 100): { backlog: Backlog; calls: string[]; peer: Peer } {
  const calls: string[] = [];
  const hold = (): (() => void) => {
    calls.push("pause");
    return () => void calls.push("resume");
  };
  const peer = { hold } as unknown as Peer;
  const backlog = new Backlog(windowBytes);
  backlog.use(peer);
  return { backlog, calls, peer };
}

describe("the connection", () => {
  test("is held back above four windows over all processes, until one is left", () => {
    const { backlog, calls } = make();
    backlog.received("a", 200);
    backlog.received("b", 200);
    expect(calls).toEqual([]);
    backlog.received("b", 1);
    backlog.received("b", 50);
    expect(calls).toEqual(["pause"]);
    backlog.consumed("a", 200);
    backlog.consumed("b", 150);
    expect(calls).toEqual(["pause"]);
    backlog.consumed("b", 1);
    expect(calls).toEqual(["pause", "resume"]);
  });

  test("that is opened next is held back if the last one was", () => {
    const { backlog, calls, peer } = make();
    backlog.received("a", 401);
    backlog.use(peer);
    expect(calls).toEqual(["pause", "pause"]);
  });

  test("is not held back while a call waits for its answer", async () => {
    const { backlog, calls } = make();
    backlog.received("a", 401);
    const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const pending = answers.map(({ promise }) => backlog.during(() => promise));
    expect(calls).toEqual(["pause", "resume"]);
    answers[0]!.resolve();
    await pending[0];
    expect(calls).toEqual(["pause", "resume"]);
    answers[1]!.reject(new Error("no"));
    await expect(pending[1]).rejects.toThrow("no");
    expect(calls).toEqual(["pause", "resume", "pause"]);
  });

  test("is not held back while the reader of another process has nothing to read", () => {
    const { backlog, calls } = make();
    backlog.reads("a");
    backlog.received("a", 401);
    expect(calls).toEqual(["pause"]);
    backlog.reads("b");
    expect(calls).toEqual(["pause", "resume"]);
    backlog.received("b", 1);
    expect(calls).toEqual(["pause", "resume", "pause"]);
    backlog.consumed("b", 1);
    backlog.forget("b");
    expect(calls).toEqual(["pause", "resume", "pause", "resume", "pause"]);
  });
});

test("a process is full above eight windows, and low again at one; others are not concerned", () => {
  const { backlog } = make();
  backlog.received("b", 100);
  backlog.received("a", 800);
  expect([backlog.isFull("a"), backlog.isLow("a"), backlog.isLow("b")]).toEqual([false, false, true]);
  backlog.received("a", 1);
  expect([backlog.isFull("a"), backlog.isFull("b")]).toEqual([true, false]);
  backlog.consumed("a", 700);
  expect([backlog.isFull("a"), backlog.isLow("a")]).toEqual([false, false]);
  backlog.consumed("a", 1);
  expect(backlog.isLow("a")).toBe(true);
  expect([backlog.isFull("none"), backlog.isLow("none")]).toEqual([false, true]);
});
