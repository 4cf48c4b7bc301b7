import { describe, expect, test } from "bun:test";
import { ReceiveWindow } from "../../../lib/client/receive_window.ts";
import type { Peer } from "../../../lib/jsonrpc/peer.ts";

function make(bytes: number): { window: ReceiveWindow; calls: unknown[]; peer: Peer } {
  const calls: unknown[] = [];
  const peer = {
    notify: (method: string, params: object) => calls.push([method, params]),
    pause: () => calls.push("pause"),
    resume: () => calls.push("resume"),
  } as unknown as Peer;
  const window = new ReceiveWindow(bytes);
  window.use(peer);
  return { window, calls, peer };
}

describe("where the server knows the window", () => {
  test("a quarter of it is acknowledged at a time, for each process alone", () => {
    const { window, calls } = make(100);
    window.consumed("a", 24, 1);
    window.consumed("b", 24, 1);
    expect(calls).toEqual([]);
    window.consumed("a", 1, 2);
    expect(calls).toEqual([["process/consumed", { processId: "a", seq: 2 }]]);
    window.consumed("a", 24, 3);
    window.consumed("b", 100, 2);
    expect(calls.slice(1)).toEqual([["process/consumed", { processId: "b", seq: 2 }]]);
  });

  test("the connection is never paused", () => {
    const { window, calls } = make(10);
    window.received(1e9, true);
    expect(calls).toEqual([]);
  });

  test("the next connection is told again how far the readers are", () => {
    const { window, calls, peer } = make(100);
    window.consumed("a", 50, 7);
    window.consumed("b", 1, 3);
    window.forget("c");
    calls.length = 0;
    window.use(peer);
    expect(calls).toEqual([
      ["process/consumed", { processId: "a", seq: 7 }],
      ["process/consumed", { processId: "b", seq: 3 }],
    ]);
  });

  test("nothing is said of a process that is forgotten", () => {
    const { window, calls, peer } = make(100);
    window.consumed("a", 50, 7);
    window.forget("a");
    calls.length = 0;
    window.use(peer);
    expect(calls).toEqual([]);
  });
});

describe("where it does not", () => {
  test("above four windows nothing more is read, until one is left", () => {
    const { window, calls } = make(100);
    window.received(400, false);
    expect(calls).toEqual([]);
    window.received(1, false);
    window.received(50, false);
    expect(calls).toEqual(["pause"]);
    window.consumed("a", 350, undefined);
    expect(calls).toEqual(["pause"]);
    window.consumed("b", 1, undefined);
    expect(calls).toEqual(["pause", "resume"]);
    window.received(301, false);
    expect(calls).toEqual(["pause", "resume", "pause"]);
  });

  test("output that a read has brought makes no credit", () => {
    const { window, calls } = make(100);
    window.consumed("a", 10_000, undefined);
    window.received(401, false);
    expect(calls).toEqual(["pause"]);
  });

  test("the next connection is paused if the last one was", () => {
    const { window, calls, peer } = make(100);
    window.received(401, false);
    window.use(peer);
    expect(calls).toEqual(["pause", "pause"]);
  });
});
