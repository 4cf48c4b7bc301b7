/** What the way back of a lost connection must not forget. */

import { afterEach, describe, expect, test } from "bun:test";
import { Client, type ClientOptions } from "../../../lib/client/client.ts";
import type { Channel } from "../../../lib/jsonrpc/channel.ts";
import { RpcError } from "../../../lib/protocol/errors.ts";
import { until, within } from "../../support/deadline.ts";
import { FakeServer, newInfo, type Params, type Script } from "./fake_server.ts";

const WAIT_MS = 5000;
const lost = { kind: "lost", message: "cut" } as const;
const nothingNew = { chunks: [], nextSeq: 1, exited: false, exitCode: null, closed: false, failure: null };

const open: Client[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await within(WAIT_MS, "end of the client", client.close());
});

/** A client of the first server, whose connection is opened again to the others in turn. */
async function connect(
  scripts: Script[],
  options: ClientOptions = {},
): Promise<{ client: Client; servers: FakeServer[]; next: () => void; changes: string[] }> {
  const servers: FakeServer[] = [];
  let waiting: (() => void) | undefined;
  let allowed = 0;
  const nextServer = (): FakeServer => {
    const server = new FakeServer(scripts[servers.length] ?? {});
    servers.push(server);
    return server;
  };
  const reopen = async (): Promise<Channel> => {
    while (allowed === 0) await new Promise<void>((resolve) => (waiting = resolve));
    allowed--;
    return nextServer().client;
  };
  const client = await Client.open(
    nextServer().client,
    { recovery: { firstDelayMs: 1, maxDelayMs: 2 }, ...options },
    { reopen },
  );
  open.push(client);
  const changes: string[] = [];
  client.onConnectionChange(({ kind }) => changes.push(kind));
  const next = (): void => {
    allowed++;
    waiting?.();
  };
  return { client, servers, next, changes };
}

async function failureOf(promise: Promise<unknown>): Promise<{ code: unknown; message: string }> {
  return await within(
    WAIT_MS,
    "rejection",
    promise.then(
      () => expect.unreachable(),
      (error) => error,
    ),
  );
}

const never = (): Promise<never> => new Promise(() => {});

describe("a connection that is lost again while the client catches up", () => {
  test("is opened once more, and calls go on waiting for it", async () => {
    const { client, servers, next, changes } = await connect([
      {},
      { "process/read": never },
      { "process/read": () => nothingNew, "environment/status": () => ({ status: "ready" }) },
    ]);
    await client.start({ argv: ["a"], processId: "p" });
    servers[0]!.peer.close(lost);
    next();
    await until(WAIT_MS, "catching up", () => servers[1]?.paramsOf("process/read"));
    servers[1]!.peer.close(lost);
    await until(WAIT_MS, "the second loss", () => changes.length === 2);
    // The first way back has ended by now; the second has not.
    await Bun.sleep(20);
    expect(client.connected).toBe(false);
    const call = client.call("environment/status", null);
    next();
    expect(await within(WAIT_MS, "answer", call)).toEqual({ status: "ready" });
    expect(changes).toEqual(["lost", "lost", "resumed"]);
  });
});

describe("a process that puts out more all the time", () => {
  test("does not keep the client from coming back", async () => {
    const chunk = Buffer.alloc(1024 * 1024).toString("base64");
    let reads = 0;
    const { client, servers, next } = await connect(
      [
        {},
        {
          "process/read": ({ afterSeq }) => {
            reads++;
            const seq = Number(afterSeq) + 1;
            return { ...nothingNew, chunks: [{ seq, stream: "stdout", chunk }], nextSeq: seq + 1 };
          },
          "environment/status": () => ({ status: "ready" }),
        },
      ],
      {},
    );
    const process = await client.start({ argv: ["a"], processId: "p" });
    process.wait();
    servers[0]!.peer.close(lost);
    await until(WAIT_MS, "the loss", () => !client.connected);
    next();
    const call = client.call("environment/status", null);
    expect(await within(WAIT_MS, "answer", call)).toEqual({ status: "ready" });
    expect(reads).toBeLessThan(20);
  });
});

describe("a call that waits for the connection", () => {
  test("ends at its own time, and at that of the client", async () => {
    const { client, servers } = await connect([{}], { callTimeoutMs: 30 });
    servers[0]!.peer.close(lost);
    await until(WAIT_MS, "the loss", () => !client.connected);
    const own = await failureOf(client.call("environment/status", null, { timeoutMs: 10 }));
    expect([own.code, own.message]).toEqual([
      "ERR_CALL_TIMEOUT",
      'No answer to "environment/status" in 10 ms',
    ]);
    const general = await failureOf(client.call("environment/status", null));
    expect(general.message).toBe('No answer to "environment/status" in 30 ms');
  });

  test("ends by its signal, with the reason", async () => {
    const { client, servers } = await connect([{}]);
    servers[0]!.peer.close(lost);
    await until(WAIT_MS, "the loss", () => !client.connected);
    const stop = new AbortController();
    const call = failureOf(client.call("environment/status", null, { signal: stop.signal }));
    stop.abort(new Error("enough"));
    expect((await call).message).toBe("enough");
    const already = failureOf(client.call("environment/status", null, { signal: stop.signal }));
    expect((await already).message).toBe("enough");
  });

  test("is sent again when that changes nothing, and not when it would", async () => {
    const { client, servers, next } = await connect([
      { "process/signal": never, "process/read": never },
      { "process/read": () => nothingNew },
    ]);
    const process = await client.start({ argv: ["a"], processId: "p" });
    const signal = failureOf(process.signal("interrupt"));
    const read = client.call("process/read", { processId: "p", afterSeq: 0, waitMs: 1 });
    await until(WAIT_MS, "both", () => servers[0]!.requests.length === 4);
    servers[0]!.peer.close(lost);
    next();
    expect((await signal).code).toBe("ERR_DISCONNECTED");
    expect((await within(WAIT_MS, "the read", read)).nextSeq).toBe(1);
    const names = servers[1]!.requests.map(([method]) => method);
    expect(names).not.toContain("process/signal");
    expect(names).not.toContain("process/start");
  });

  test("and writes is sent again in order under its own id, where the server knows ids", async () => {
    const { client, servers, next } = await connect([
      { "process/write": never },
      { "process/read": () => nothingNew, "process/write": () => ({ status: "accepted" }) },
    ]);
    const process = await client.start({ argv: ["a"], processId: "p" });
    const writes = ["a", "b", "c"].map((text) => process.write(Buffer.from(text)));
    const writesOf = (server: FakeServer): Params[] =>
      server.requests.filter(([method]) => method === "process/write").map(([, params]) => params as Params);
    await until(WAIT_MS, "all", () => writesOf(servers[0]!).length === 3);
    servers[0]!.peer.close(lost);
    await until(WAIT_MS, "the loss", () => !client.connected);
    const later = process.write(Buffer.from("d"));
    next();
    const answers = await within(WAIT_MS, "answers", Promise.all([...writes, later]));
    expect(answers).toEqual(["accepted", "accepted", "accepted", "accepted"]);
    const again = writesOf(servers[1]!);
    expect(again.slice(0, 3)).toEqual(writesOf(servers[0]!));
    expect(again.map(({ chunk }) => Buffer.from(String(chunk), "base64").toString())).toEqual([
      "a",
      "b",
      "c",
      "d",
    ]);
    expect(new Set(again.map(({ writeId }) => writeId)).size).toBe(4);
  });

  test("and writes fails where the server does not know ids", async () => {
    const initialize = () => ({ sessionId: "s-1" });
    const { client, servers, next } = await connect([
      { initialize, "process/write": never },
      { initialize, "process/read": () => nothingNew },
    ]);
    const process = await client.start({ argv: ["a"], processId: "p" });
    const write = failureOf(process.write(new Uint8Array(1)));
    await until(WAIT_MS, "the write", () => servers[0]!.paramsOf("process/write"));
    servers[0]!.peer.close(lost);
    next();
    expect((await write).code).toBe("ERR_DISCONNECTED");
    await until(WAIT_MS, "the return", () => client.connected);
    expect(servers[1]!.paramsOf("process/write")).toBeUndefined();
  });

  test("and ends a process or its input is sent again, and counts as carried out", async () => {
    const ourInfo = { ...newInfo, capabilities: { processCloseStdin: true, processResize: true } };
    const initialize = () => ({ sessionId: "s-1", environmentInfo: ourInfo });
    const { client, servers, next } = await connect([
      { initialize, "process/terminate": never, "process/closeStdin": never, "process/resize": never },
      {
        initialize,
        "process/read": () => nothingNew,
        "process/terminate": () => ({ running: false }),
        "process/closeStdin": () => ({ status: "stdinClosed" }),
        "process/resize": () => ({}),
      },
    ]);
    const process = await client.start({ argv: ["a"], processId: "p" });
    const calls = [process.closeStdin(), process.resize({ columns: 1, rows: 2 }), process.terminate()];
    await until(WAIT_MS, "all", () => servers[0]!.requests.length === 5);
    servers[0]!.peer.close(lost);
    next();
    expect(await within(WAIT_MS, "answers", Promise.all(calls))).toEqual(["accepted", undefined, true]);
  });
});

describe("a start whose answer was lost", () => {
  const ended = {
    chunks: [{ seq: 1, stream: "stdout", chunk: "YQ==" }],
    nextSeq: 4,
    exited: true,
    exitCode: 7,
    closed: true,
    failure: null,
  };

  test("and that came to its end meanwhile tells all of it", async () => {
    const { client, servers, next } = await connect([
      { "process/start": never },
      { "process/read": ({ afterSeq }) => (afterSeq === 0 ? ended : { ...ended, chunks: [] }) },
    ]);
    const start = client.start({ argv: ["a"], processId: "p" });
    await until(WAIT_MS, "request", () => servers[0]!.paramsOf("process/start"));
    servers[0]!.peer.close(lost);
    next();
    const process = await within(WAIT_MS, "start", start);
    const events = await within(WAIT_MS, "events", Array.fromAsync(process));
    expect(events.map(({ kind }) => kind)).toEqual(["output", "exited", "closed"]);
    expect(await process.wait()).toMatchObject({ kind: "exited", exitCode: 7 });
    expect(servers[1]!.paramsOf("process/start")).toBeUndefined();
  });

  test("and that was not carried out fails, and is not sent again", async () => {
    const { client, servers, next } = await connect([
      { "process/start": never },
      {
        "process/read": () => {
          throw new RpcError(-32600, "unknown process id p");
        },
      },
    ]);
    const start = failureOf(client.start({ argv: ["a"], processId: "p" }));
    await until(WAIT_MS, "request", () => servers[0]!.paramsOf("process/start"));
    servers[0]!.peer.close(lost);
    next();
    expect((await start).code).toBe("ERR_DISCONNECTED");
    expect(servers[1]!.paramsOf("process/start")).toBeUndefined();
  });
});

describe("a start whose answer was lost, at a server that knows a repeated request", () => {
  const once: Script = {
    initialize: () => ({
      sessionId: "s-1",
      environmentInfo: { ...newInfo, capabilities: { processStartOnce: true } },
    }),
  };

  test("is asked again until it is answered, with the same request", async () => {
    const { client, servers, next } = await connect([
      { ...once, "process/start": never },
      { ...once, "process/start": never },
      { ...once, "process/read": () => nothingNew },
    ]);
    const start = client.start({ argv: ["a"], processId: "p" });
    for (const i of [0, 1]) {
      await until(WAIT_MS, "request", () => servers[i]?.paramsOf("process/start"));
      servers[i]!.peer.close(lost);
      next();
    }
    await within(WAIT_MS, "start", start);
    const requests = servers.map((server) => server.paramsOf("process/start"));
    expect(requests[0]).toMatchObject({ startOnce: true });
    expect(requests.slice(1)).toEqual([requests[0], requests[0]]);
    servers[2]!.end("p", 1);
    await (await start).closed;
  });

  test("fails with what the server says the second time", async () => {
    const { client, servers, next } = await connect([
      { ...once, "process/start": never },
      {
        ...once,
        "process/start": () => {
          throw new RpcError(-32603, "No such file or directory (os error 2)");
        },
      },
    ]);
    const start = failureOf(client.start({ argv: ["a"], processId: "p" }));
    await until(WAIT_MS, "request", () => servers[0]!.paramsOf("process/start"));
    servers[0]!.peer.close(lost);
    next();
    expect((await start).code).toBe(-32603);
  });
});

describe("closing", () => {
  test("gives a handshake up that gets no answer", async () => {
    const { client, servers, next } = await connect([{}, { initialize: never }]);
    servers[0]!.peer.close(lost);
    next();
    await until(WAIT_MS, "initialize", () => servers[1]?.paramsOf("initialize"));
    await within(WAIT_MS, "close", client.close());
    await until(1000, "end of the second connection", () => servers[1]!.closeReason);
  });
});
