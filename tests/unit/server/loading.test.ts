import { describe, expect, test } from "bun:test";
import { type Channel, channelPair } from "../../../lib/jsonrpc/channel.ts";
import { Peer } from "../../../lib/jsonrpc/peer.ts";
import { ServerConnection } from "../../../lib/server/connection.ts";
import { Loader } from "../../../lib/server/loader.ts";
import type { Service } from "../../../lib/server/service.ts";
import { within } from "../../support/deadline.ts";
import { FakeRuntime } from "../process/fake_runtime.ts";
import { serverParts, sessionStore } from "./support.ts";

const WAIT_MS = 5000;
const hello = { clientName: "test" };
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

interface Connected {
  peer: Peer;
  /** The server's side. */
  server: Channel;
  /** Lets the work be there, or fail. */
  load: PromiseWithResolvers<void>;
  /** What the service was asked for. */
  asked: unknown[];
  closed: Promise<string>;
}

/** A connection to a server whose work is not loaded yet. Its blocks are all read into the same memory. */
function connect(): Connected {
  const load = Promise.withResolvers<void>();
  load.promise.catch(() => {});
  const asked: unknown[] = [];
  const memory = new Uint8Array(1);
  const service: Service = {
    prefix: "fs/",
    open: () => ({
      request: (method, params) => {
        asked.push([method, params]);
        memory[0] = asked.length;
        return { chunk: memory, eof: false };
      },
      dispose: () => void asked.push("dispose"),
    }),
  };
  const [client, server] = channelPair("exec-server test");
  const closed = Promise.withResolvers<string>();
  new ServerConnection(server, {
    sessions: sessionStore(new FakeRuntime().runtime, 0),
    ...serverParts([service], load.promise),
    onClose: (_, { kind, message }) => closed.resolve(`${kind} ${message}`),
  });
  const peer = new Peer(client, {
    request: () => null,
    notification: () => {},
    unmatched: () => {},
    closed: () => {},
  });
  peer.open();
  return { peer, server, load, asked, closed: closed.promise };
}

function block(peer: Peer, handleId: string): Promise<unknown> {
  return peer.call("fs/readBlock", { handleId, offset: 0, len: 1 });
}

function answered<T>(answer: Promise<T>): Promise<T> {
  return within(WAIT_MS, "answer", answer);
}

describe("a connection whose work is not loaded", () => {
  test("greets, and has what follows wait in its order: each with bytes of its own", async () => {
    const { peer, load, asked } = connect();
    expect(await answered(peer.call("initialize", hello))).toHaveProperty("sessionId");
    const order: string[] = [];
    const early = block(peer, "before").then(
      () => expect.unreachable(),
      ({ message }) => order.push(message),
    );
    peer.notify("initialized", {});
    const blocks = ["a", "b"].map((id) =>
      block(peer, id).then((result) => {
        order.push(id);
        return result;
      }),
    );
    await turn();
    expect([asked, order]).toEqual([[], []]);
    load.resolve();
    expect(await answered(Promise.all(blocks))).toEqual([
      { chunk: "AQ==", eof: false },
      { chunk: "Ag==", eof: false },
    ]);
    await answered(early);
    expect(order).toEqual(["client must send initialized before using filesystem methods", "a", "b"]);
    expect(asked).toHaveLength(2);
    expect(await answered(peer.call("environment/status", null))).toEqual({ status: "ready" });
  });

  test("does not hear of the handshake before what came first", async () => {
    const { peer, load } = connect();
    const status = peer.call("environment/status", null).catch(({ message }) => message);
    const greeting = peer.call("initialize", hello);
    await turn();
    load.resolve();
    expect(await answered(status)).toBe(
      "client must call initialize before using environment status methods",
    );
    expect(await answered(greeting)).toHaveProperty("sessionId");
  });

  test("is closed by what breaks a rule once that is known", async () => {
    const { peer, load, closed } = connect();
    await answered(peer.call("initialize", hello));
    peer.notify("initialized", {});
    peer.notify("nothing/like/it", {});
    await turn();
    load.resolve();
    expect(await within(WAIT_MS, "end", closed)).toBe(
      'protocol The notification "nothing/like/it" is not known',
    );
  });

  test("is closed at once by what no client may send before the handshake", async () => {
    const { peer, closed } = connect();
    peer.notify("process/consumed", { processId: "p", seq: 1 });
    expect(await within(WAIT_MS, "end", closed)).toBe(
      'protocol The notification "process/consumed" is not known',
    );
  });

  test("that has ended is not worked for", async () => {
    const { peer, server, load, asked, closed } = connect();
    await answered(peer.call("initialize", hello));
    peer.notify("initialized", {});
    const lost = block(peer, "a").catch(({ code }) => code);
    await turn();
    server.close({ kind: "goingAway", message: "over" });
    await within(WAIT_MS, "end", closed);
    load.resolve();
    expect(await answered(lost)).toBe("ERR_DISCONNECTED");
    await turn();
    expect(asked).toEqual([]);
  });

  test("says why it cannot be loaded, each time that it is asked", async () => {
    const { peer, load } = connect();
    await answered(peer.call("initialize", hello));
    peer.notify("initialized", {});
    load.reject(new Error("The disk is gone"));
    for (let i = 0; i < 2; i++) {
      const answer = peer.call("environment/status", null).catch(({ code, message }) => [code, message]);
      expect(await answered(answer)).toEqual([-32603, "The disk is gone"]);
    }
  });

  test("makes an observer wait with its greeting", async () => {
    const { peer, load } = connect();
    const greeting = peer
      .call("initialize", { ...hello, resumeSessionId: "x", attach: "observe" })
      .catch(({ message }) => message);
    await turn();
    load.resolve();
    expect(await answered(greeting)).toBe("unknown session id x");
  });
});

describe("a loader", () => {
  test("begins with the first call, once, and has nothing before it is done", async () => {
    const started: string[] = [];
    const done = Promise.withResolvers<string>();
    const loader = new Loader(() => {
      started.push("start");
      return done.promise;
    });
    expect([started, loader.loaded]).toEqual([[], undefined]);
    const [first, second] = [loader.load(), loader.load()];
    expect(started).toEqual(["start"]);
    done.resolve("all of it");
    expect(await Promise.all([first, second])).toEqual(["all of it", "all of it"]);
    expect(loader.loaded).toBe("all of it");
  });
});
