import { describe, expect, test } from "bun:test";
import { channelPair } from "../../../lib/jsonrpc/channel.ts";
import { Peer } from "../../../lib/jsonrpc/peer.ts";
import { handshakes, ServerConnection } from "../../../lib/server/connection.ts";
import type { Service } from "../../../lib/server/service.ts";
import { within } from "../../support/deadline.ts";
import { FakeRuntime } from "../process/fake_runtime.ts";
import { serverParts, sessionStore } from "./support.ts";

const WAIT_MS = 5000;

/** A connection to a server with one service, which notes what it is asked for. */
function connect(): { peer: Peer; calls: unknown[]; closed: Promise<string> } {
  const calls: unknown[] = [];
  const service: Service = {
    prefix: "http/",
    open: () => {
      calls.push("open");
      return {
        request: (method, params) => {
          calls.push([method, params]);
          return { cancelled: true };
        },
        notification: (name, params) => void calls.push([name, params]),
        dispose: () => void calls.push("dispose"),
      };
    },
  };
  const [client, server] = channelPair("exec-server test");
  const closed = Promise.withResolvers<string>();
  new ServerConnection(server, {
    sessions: sessionStore(new FakeRuntime().runtime, 0),
    ...serverParts([service]),
    handshakes: handshakes(),
    onClose: (_, reason) => closed.resolve(`${reason.kind} ${reason.message}`),
  });
  const peer = new Peer(client, {
    request: () => null,
    notification: () => {},
    unmatched: () => {},
    closed: () => {},
  });
  peer.open();
  return { peer, calls, closed: closed.promise };
}

async function greet(peer: Peer): Promise<void> {
  await within(WAIT_MS, "initialize", peer.call("initialize", { clientName: "test" }));
  peer.notify("initialized", {});
}

describe("a service", () => {
  test("begins with the first request for it, and ends with its connection", async () => {
    const { peer, calls, closed } = connect();
    await greet(peer);
    peer.notify("http/request/consumed", { requestId: "early", seq: 1 });
    await within(WAIT_MS, "status", peer.call("environment/status", null));
    expect(calls).toEqual([]);
    for (const requestId of ["a", "b"]) {
      const answer = peer.call("http/request/cancel", { requestId });
      expect(await within(WAIT_MS, "answer", answer)).toEqual({ cancelled: true });
    }
    peer.notify("http/request/consumed", { requestId: "a", seq: 2 });
    await within(WAIT_MS, "status", peer.call("environment/status", null));
    peer.close({ kind: "normal", message: "done" });
    await within(WAIT_MS, "end", closed);
    expect(calls).toEqual([
      "open",
      ["http/request/cancel", { requestId: "a" }],
      ["http/request/cancel", { requestId: "b" }],
      ["http/request/consumed", { requestId: "a", seq: 2 }],
      "dispose",
    ]);
  });

  test("that nobody has asked for anything has no end either", async () => {
    const { peer, calls, closed } = connect();
    await greet(peer);
    peer.close({ kind: "normal", message: "done" });
    await within(WAIT_MS, "end", closed);
    expect(calls).toEqual([]);
  });

  test("is not there before the handshake: its notification is not known, and a wrong one never is taken", async () => {
    const early = connect();
    early.peer.notify("http/request/consumed", { requestId: "a", seq: 1 });
    expect(await within(WAIT_MS, "end", early.closed)).toBe(
      'protocol The notification "http/request/consumed" is not known',
    );
    const wrong = connect();
    await greet(wrong.peer);
    wrong.peer.notify("http/request/consumed", { requestId: 1 });
    expect(await within(WAIT_MS, "end", wrong.closed)).toStartWith(
      "protocol http/request/consumed: requestId",
    );
  });

  test("whose method nobody has is answered as unknown", async () => {
    const { peer } = connect();
    await greet(peer);
    const answer = peer.call("fs/getMetadata", { path: "/" });
    await expect(within(WAIT_MS, "answer", answer)).rejects.toMatchObject({
      code: -32601,
      message: "exec-server stub does not implement `fs/getMetadata` yet",
    });
    peer.close({ kind: "normal", message: "done" });
  });
});
