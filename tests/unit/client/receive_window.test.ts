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

  test("small pieces are acknowledged before the server has kept as many as it can", () => {
    const { window, calls } = make(1_000_000);
    for (let seq = 1; seq <= 10_000; seq++) window.consumed("a", 1, seq);
    expect(calls).toEqual([
      ["process/consumed", { processId: "a", seq: 4096 }],
      ["process/consumed", { processId: "a", seq: 8192 }],
    ]);
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
