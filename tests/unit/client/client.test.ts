import { afterEach, describe, expect, test } from "bun:test";
import { Client, type ClientOptions } from "../../../lib/client/client.ts";
import { ExecServerError, RpcError } from "../../../lib/protocol/errors.ts";
import { until, within } from "../../support/deadline.ts";
import { FakeServer, newInfo, type Params, type Script } from "./fake_server.ts";

const WAIT_MS = 5000;
const ourInfo = {
  ...newInfo,
  capabilities: {
    processCloseStdin: true,
    processResize: true,
    processSignals: true,
    processOutputWindow: true,
  },
};

const open: Client[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await within(WAIT_MS, "end of the client", client.close());
});

async function connect(
  script: Script = {},
  options: ClientOptions = {},
): Promise<{ server: FakeServer; client: Client }> {
  const server = new FakeServer(script);
  const client = await within(WAIT_MS, "handshake", Client.open(server.client, options));
  open.push(client);
  return { server, client };
}

async function failureOf(promise: Promise<unknown>): Promise<ExecServerError> {
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

describe("the handshake", () => {
  test("is initialize, then initialized, and nothing else", async () => {
    const { server, client } = await connect();
    await until(WAIT_MS, "initialized", () => server.notifications.length > 0);
    expect(server.requests).toEqual([["initialize", { clientName: "exec-server", resumeSessionId: null }]]);
    expect(server.notifications).toEqual([["initialized", {}]]);
    expect([client.sessionId, client.capabilities, client.connected]).toEqual(["s-1", {}, true]);
    expect(await client.info()).toEqual(newInfo);
    expect(server.requests).toHaveLength(1);
  });

  test("asks for a session by name, and wants that one back", async () => {
    const { server } = await connect({}, { clientName: "me", resumeSessionId: "s-1" });
    expect(server.requests[0]).toEqual(["initialize", { clientName: "me", resumeSessionId: "s-1" }]);
    const other = new FakeServer({});
    const error = await failureOf(Client.open(other.client, { resumeSessionId: "s-2" }));
    expect(error.code).toBe("ERR_PROTOCOL");
    await until(WAIT_MS, "close", () => other.closeReason !== undefined);
    expect(other.notifications).toEqual([]);
  });

  test("that is not answered in time is ERR_INITIALIZE_TIMEOUT, and the channel is closed", async () => {
    const server = new FakeServer({ initialize: never });
    const error = await failureOf(Client.open(server.client, { initializeTimeoutMs: 30 }));
    expect([error.code, error.message]).toEqual([
      "ERR_INITIALIZE_TIMEOUT",
      'No answer to "initialize" in 30 ms',
    ]);
    await until(WAIT_MS, "close", () => server.closeReason !== undefined);
  });

  test("that is refused rejects with the server's error, and the channel is closed", async () => {
    const server = new FakeServer({
      initialize: () => {
        throw new RpcError(-32010, "attached");
      },
    });
    const error = await failureOf(Client.open(server.client));
    expect(error).toBeInstanceOf(RpcError);
    expect(error.code as unknown).toBe(-32010);
    await until(WAIT_MS, "close", () => server.closeReason !== undefined);
  });

  test("with an answer that does not decode is ERR_PROTOCOL", async () => {
    const server = new FakeServer({ initialize: () => ({ sessionId: 5 }) });
    expect(await failureOf(Client.open(server.client))).toEqual(
      new ExecServerError(
        "ERR_PROTOCOL",
        'Cannot use the answer to "initialize": sessionId: invalid type: integer `5`, expected a string',
      ),
    );
  });

  test("that ends in the middle is ERR_DISCONNECTED", async () => {
    const server = new FakeServer({ initialize: never });
    const opened = failureOf(Client.open(server.client));
    server.peer.close({ kind: "goingAway", message: "bye" });
    expect(await opened).toEqual(new ExecServerError("ERR_DISCONNECTED", 'Cannot finish "initialize": bye'));
  });
});

describe("what a start looks like", () => {
  test("to a server up to 0.138.0: native paths, no members of ours", async () => {
    const { server, client } = await connect({ initialize: () => ({ sessionId: "s" }) });
    await client.start({ argv: ["a", "b"], cwd: "/a b", processId: "p", env: { A: "1" } });
    expect(server.paramsOf("process/start")).toEqual({
      processId: "p",
      argv: ["a", "b"],
      cwd: "/a b",
      env: { A: "1" },
      tty: false,
      pipeStdin: false,
      envPolicy: { inherit: "all", ignoreDefaultExcludes: false, exclude: [], set: {}, includeOnly: [] },
    });
    await client.start({ argv: ["a"], processId: "q", terminal: { columns: 5, rows: 6 } });
    const last = server.requests.at(-1)![1] as Params;
    expect([last.cwd, last.tty, last.terminalSize]).toEqual([".", true, undefined]);
  });

  test("to a server since 0.169.0: URIs", async () => {
    const { server, client } = await connect();
    await client.start({
      argv: ["a"],
      cwd: "/a b",
      processId: "p",
      envPolicy: null,
      arg0: "z",
      stdin: "pipe",
    });
    expect(server.paramsOf("process/start")).toEqual({
      processId: "p",
      argv: ["a"],
      cwd: "file:///a%20b",
      env: {},
      tty: false,
      pipeStdin: true,
      arg0: "z",
    });
    await client.start({ argv: ["a"] });
    const last = server.requests.at(-1)![1] as Params;
    expect(last.cwd).toBe("file:///srv/a%20b");
    expect(last.processId).toMatch(/^[0-9a-f]{8}-/);
  });

  test("to one of ours: the window and the size of the terminal", async () => {
    const { server, client } = await connect({
      initialize: () => ({ sessionId: "s", environmentInfo: ourInfo }),
    });
    await client.start({ argv: ["a"], processId: "p", terminal: { columns: 5, rows: 6 } });
    expect(server.paramsOf("process/start")).toMatchObject({
      tty: true,
      terminalSize: { columns: 5, rows: 6 },
      outputWindowBytes: 2_097_152,
    });
  });

  test("limits go to a server that holds them, and to no other", async () => {
    const limits = { wallTimeMs: 5, outputBytes: 6 };
    const holds = {
      ...newInfo,
      capabilities: { processLimits: true, processList: true, processStartOnce: true },
    };
    const { server, client } = await connect({
      initialize: () => ({ sessionId: "s-1", environmentInfo: holds }),
    });
    await client.start({ argv: ["a"], processId: "p", limits, labels: { task: "7" } });
    expect(server.paramsOf("process/start")).toMatchObject({
      limits,
      labels: { task: "7" },
      startOnce: true,
    });
    const memory = await failureOf(client.start({ argv: ["a"], limits: { memoryBytes: 1 } }));
    expect([memory.code, memory.message]).toEqual([
      "ERR_UNSUPPORTED",
      'The server cannot hold a process to these limits: it lacks "processResourceLimits"',
    ]);
    const other = await connect();
    expect((await failureOf(other.client.start({ argv: ["a"], limits }))).code).toBe("ERR_UNSUPPORTED");
    expect((await failureOf(other.client.processes())).code).toBe("ERR_UNSUPPORTED");
    await other.client.start({ argv: ["a"], processId: "p", labels: { a: "b" } });
    expect(other.server.paramsOf("process/start")).not.toHaveProperty("labels");
    expect(other.server.paramsOf("process/start")).not.toHaveProperty("startOnce");
  });

  test("an id that is in use here is ERR_DUPLICATE_PROCESS, and free after the end or a failed start", async () => {
    const { server, client } = await connect();
    const first = await client.start({ argv: ["a"], processId: "p" });
    expect((await failureOf(client.start({ argv: ["a"], processId: "p" }))).code).toBe(
      "ERR_DUPLICATE_PROCESS",
    );
    expect(server.requests.filter(([method]) => method === "process/start")).toHaveLength(1);
    server.end("p", 1);
    await within(WAIT_MS, "end", first.closed);
    server.script["process/start"] = () => {
      throw new RpcError(-32603, "No such file or directory (os error 2)");
    };
    for (let i = 0; i < 2; i++) {
      const error = await failureOf(client.start({ argv: ["a"], processId: "p" }));
      expect([error.code as unknown, error.message]).toEqual([
        -32603,
        "No such file or directory (os error 2)",
      ]);
    }
  });
});

describe("of two starts with one id in one turn", () => {
  test("the second is refused, and the first goes its way", async () => {
    const { server, client } = await connect();
    const first = client.start({ argv: ["a"], processId: "p" });
    const second = failureOf(client.start({ argv: ["b"], processId: "p" }));
    expect((await second).code).toBe("ERR_DUPLICATE_PROCESS");
    const process = await within(WAIT_MS, "the first", first);
    server.end("p", 1, 3);
    expect(await within(WAIT_MS, "its end", process.wait())).toMatchObject({ exitCode: 3 });
  });
});

describe("events", () => {
  test("that come before the answer to the start are not lost", async () => {
    const { server, client } = await connect();
    server.script["process/start"] = ({ processId }) => {
      server.output("p", 1, "early");
      server.end("p", 2, 4);
      return { processId };
    };
    const process = await client.start({ argv: ["a"], processId: "p" });
    const events = await within(WAIT_MS, "events", Array.fromAsync(process));
    expect(events.map(({ kind }) => kind)).toEqual(["output", "exited", "closed"]);
    expect(await process.wait()).toEqual({ kind: "exited", exitCode: 4, sandboxDenied: false });
  });

  test("find their processes, and those of unknown ones are ignored", async () => {
    const { server, client } = await connect();
    const [a, b] = [
      await client.start({ argv: ["a"], processId: "a" }),
      await client.start({ argv: ["b"], processId: "b" }),
    ];
    server.output("b", 1, "for b");
    server.output("zzz", 1, "for nobody");
    server.output("a", 1, "for a");
    server.end("a", 2);
    server.end("b", 2);
    const texts = await Promise.all(
      [a, b].map(async (process) => {
        const events = await within(WAIT_MS, "events", Array.fromAsync(process));
        return events.flatMap((event) =>
          event.kind === "output" ? [Buffer.from(event.bytes).toString()] : [],
        );
      }),
    );
    expect(texts).toEqual([["for a"], ["for b"]]);
  });

  test("that are missing are asked for, and a closed that came by a read frees the id", async () => {
    const { server, client } = await connect({
      "process/read": () => ({
        chunks: [{ seq: 1, stream: "stdout", chunk: "YQ==" }],
        nextSeq: 5,
        exited: true,
        exitCode: 0,
        closed: true,
        failure: null,
      }),
    });
    const process = await client.start({ argv: ["a"], processId: "p" });
    server.output("p", 2, "b");
    const events = await within(WAIT_MS, "events", Array.fromAsync(process));
    expect(events.map(({ kind }) => kind)).toEqual(["output", "output", "exited", "closed"]);
    expect(server.paramsOf("process/read")).toEqual({ processId: "p", afterSeq: 0 });
    await client.start({ argv: ["a"], processId: "p" });
  });

  test("that do not decode end the connection, and every handle is told", async () => {
    for (const [method, params] of [
      ["process/output", { processId: "p", seq: 1, stream: "stdout", chunk: "no base64" }],
      ["process/exited", { processId: "p", seq: 1 }],
      ["process/closed", null],
    ] as const) {
      const { server, client } = await connect();
      const process = await client.start({ argv: ["a"], processId: "p" });
      server.peer.notify(method, params);
      const reason = await within(WAIT_MS, "end", client.closed);
      expect(reason.kind).toBe("protocol");
      expect(reason.message).toStartWith(`"${method}" does not decode: `);
      expect((await process.wait()).kind).toBe("lost");
      await until(WAIT_MS, "close", () => server.closeReason !== undefined);
    }
  });

  test("of unknown names are ignored, and requests of the server are refused", async () => {
    const { server, client } = await connect();
    for (const method of ["network/policyDecision", "constructor", "__proto__", "$/x"])
      server.peer.notify(method, [1]);
    const error = await failureOf(server.peer.call("network/policyRequest", {}));
    expect([error.code as unknown, error.message]).toEqual([
      -32601,
      'This client does not implement "network/policyRequest"',
    ]);
    expect(client.closeReason).toBeUndefined();
  });

  test("are acknowledged to one of ours as they are read, and not after the end", async () => {
    const { server, client } = await connect(
      { initialize: () => ({ sessionId: "s", environmentInfo: ourInfo }) },
      { outputWindowBytes: 8 },
    );
    const process = await client.start({ argv: ["a"], processId: "p" });
    server.output("p", 1, "12345678");
    const reader = process[Symbol.asyncIterator]();
    await reader.next();
    await Bun.sleep(5);
    const consumed = (): unknown[] =>
      server.notifications.filter(([method]) => method === "process/consumed");
    expect(consumed()).toEqual([]);
    server.output("p", 2, "x");
    await reader.next();
    await until(WAIT_MS, "acknowledgement", () => consumed().length === 1);
    expect(consumed()).toEqual([["process/consumed", { processId: "p", seq: 1 }]]);
    server.output("p", 3, "123456789");
    server.end("p", 4);
    await within(WAIT_MS, "end", process.closed);
    for (let next = await reader.next(); !next.done; next = await reader.next());
    await Bun.sleep(5);
    expect(consumed()).toHaveLength(1);
  });
});

describe("giving a start up", () => {
  test("before it is sent sends nothing", async () => {
    const { server, client } = await connect();
    const signal = AbortSignal.abort(new Error("no"));
    expect(await failureOf(client.start({ argv: ["a"], signal }))).toEqual(new Error("no") as never);
    expect(server.paramsOf("process/start")).toBeUndefined();
  });

  test("while it is pending rejects at once, and kills what starts all the same", async () => {
    const answer = Promise.withResolvers<unknown>();
    const { server, client } = await connect({ "process/start": () => answer.promise });
    const controller = new AbortController();
    const start = failureOf(client.start({ argv: ["a"], processId: "p", signal: controller.signal }));
    await until(WAIT_MS, "request", () => server.paramsOf("process/start") !== undefined);
    controller.abort(new Error("no"));
    expect(await start).toEqual(new Error("no") as never);
    expect(server.paramsOf("process/terminate")).toBeUndefined();
    answer.resolve({ processId: "p" });
    await until(WAIT_MS, "terminate", () => server.paramsOf("process/terminate") !== undefined);
    expect(server.paramsOf("process/terminate")).toEqual({ processId: "p" });
  });

  test("by its time kills what starts all the same", async () => {
    const { server, client } = await connect({ "process/start": never }, { callTimeoutMs: 20 });
    expect((await failureOf(client.start({ argv: ["a"], processId: "p" }))).code).toBe("ERR_CALL_TIMEOUT");
    await until(WAIT_MS, "terminate", () => server.paramsOf("process/terminate") !== undefined);
    expect(server.paramsOf("process/terminate")).toEqual({ processId: "p" });
  });

  test("after it has started kills the process", async () => {
    const { server, client } = await connect();
    const controller = new AbortController();
    const process = await client.start({ argv: ["a"], processId: "p", signal: controller.signal });
    controller.abort();
    await until(WAIT_MS, "terminate", () => server.paramsOf("process/terminate") !== undefined);
    server.end("p", 1, 137);
    await within(WAIT_MS, "end", process.closed);
  });
});

describe("calls of a handle", () => {
  /** Another handle on the same process has others. */
  const writeId = (number: number): unknown => expect.stringMatching(new RegExp(`^[0-9a-f-]{36}-${number}$`));

  test("carry the id of the process, and writes a new writeId each", async () => {
    const { server, client } = await connect({
      initialize: () => ({ sessionId: "s", environmentInfo: ourInfo }),
      "process/write": () => ({ status: "accepted" }),
      "process/closeStdin": () => ({ status: "stdinClosed" }),
      "process/signal": () => ({}),
      "process/resize": () => ({}),
      "process/terminate": () => ({}),
    });
    const process = await client.start({ argv: ["a"], processId: "p" });
    const from = server.requests.length;
    expect(await process.write(Buffer.from("a"))).toBe("accepted");
    await process.write(Buffer.from("b"));
    expect(await process.closeStdin()).toBe("stdinClosed");
    await process.signal("hangup");
    await process.resize({ columns: 3, rows: 4 });
    expect(await process.terminate()).toBe(false);
    expect(server.requests.slice(from)).toEqual([
      ["process/write", { processId: "p", chunk: "YQ==", writeId: writeId(1) }],
      ["process/write", { processId: "p", chunk: "Yg==", writeId: writeId(2) }],
      ["process/closeStdin", { processId: "p" }],
      ["process/signal", { processId: "p", signal: "hangup" }],
      ["process/resize", { processId: "p", columns: 3, rows: 4 }],
      ["process/terminate", { processId: "p" }],
    ]);
  });

  test("that the server lacks are ERR_UNSUPPORTED without being sent; a terminal's input ends by Ctrl-D", async () => {
    const { server, client } = await connect({
      "process/write": () => ({ status: "accepted" }),
      "process/signal": () => ({}),
    });
    const process = await client.start({ argv: ["a"], processId: "p" });
    for (const call of [
      () => process.closeStdin(),
      () => process.signal("kill"),
      () => process.resize({ columns: 1, rows: 1 }),
    ]) {
      expect((await failureOf(call())).code).toBe("ERR_UNSUPPORTED");
    }
    expect(server.requests.map(([method]) => method)).toEqual(["initialize", "process/start"]);
    await process.signal("interrupt");
    const terminal = await client.start({ argv: ["a"], processId: "t", terminal: { columns: 1, rows: 1 } });
    await terminal.closeStdin();
    expect(server.requests.at(-1)).toEqual([
      "process/write",
      { processId: "t", chunk: "BA==", writeId: writeId(1) },
    ]);
  });

  test("an answer that does not decode is ERR_PROTOCOL, and the connection lives on", async () => {
    const { client } = await connect({ "process/write": () => ({ status: "maybe" }) });
    const process = await client.start({ argv: ["a"], processId: "p" });
    const error = await failureOf(process.write(new Uint8Array(1)));
    expect(error.code).toBe("ERR_PROTOCOL");
    expect(error.message).toStartWith(
      'Cannot use the answer to "process/write": status: unknown variant `maybe`',
    );
    expect(client.closeReason).toBeUndefined();
  });

  test("callTimeoutMs bounds each, and the call's own limit is above it", async () => {
    const { client } = await connect({ "environment/status": never }, { callTimeoutMs: 20 });
    expect((await failureOf(client.call("environment/status", null))).code).toBe("ERR_CALL_TIMEOUT");
    const error = await failureOf(client.call("environment/status", null, { timeoutMs: 5 }));
    expect(error.message).toBe('No answer to "environment/status" in 5 ms');
  });
});

describe("a connection that is lost and cannot be opened again", () => {
  test("rejects what is pending and what comes, and fails every handle with what it has read", async () => {
    const { server, client } = await connect({ "environment/status": never });
    const process = await client.start({ argv: ["a"], processId: "p" });
    const pending = failureOf(client.call("environment/status", null));
    server.output("p", 1, "kept");
    server.peer.close({ kind: "goingAway", message: "the server is ending" });
    expect((await pending).code).toBe("ERR_DISCONNECTED");
    expect(await within(WAIT_MS, "end", client.closed)).toEqual({
      kind: "goingAway",
      message: "the server is ending",
    });
    const events = await within(WAIT_MS, "events", Array.fromAsync(process));
    expect(events.map(({ kind }) => kind)).toEqual(["output", "failed"]);
    expect(events[1]).toEqual({ kind: "failed", message: "the server is ending" });
    const late = await failureOf(process.write(new Uint8Array(1)));
    expect([late.code, late.message]).toEqual([
      "ERR_DISCONNECTED",
      'Cannot finish "process/write": the server is ending',
    ]);
    expect((await failureOf(client.start({ argv: ["a"] }))).code).toBe("ERR_DISCONNECTED");
    expect(client.connected).toBe(false);
  });

  test("a start that is pending rejects", async () => {
    const { server, client } = await connect({ "process/start": never });
    const start = failureOf(client.start({ argv: ["a"] }));
    await until(WAIT_MS, "request", () => server.paramsOf("process/start") !== undefined);
    server.peer.close({ kind: "lost", message: "cut" });
    expect((await start).code).toBe("ERR_DISCONNECTED");
  });

  test("close ends it once, waits for what carries it, and may be repeated", async () => {
    const server = new FakeServer({});
    const released = Promise.withResolvers<void>();
    const client = await Client.open(server.client, {}, { released: released.promise });
    let over = false;
    const closing = client.close().then(() => {
      over = true;
    });
    await within(WAIT_MS, "end", client.closed);
    await Bun.sleep(5);
    expect(over).toBe(false);
    released.resolve();
    await within(WAIT_MS, "close", closing);
    await within(WAIT_MS, "second close", client.close());
    expect(client.closeReason).toEqual({ kind: "normal", message: "the client closed the connection" });
    await until(WAIT_MS, "close at the server", () => server.closeReason !== undefined);
  });
});

describe("a connection that is lost and can be opened again", () => {
  test("calls wait, the session is resumed by its id, and what was missed is read", async () => {
    const first = new FakeServer({});
    const second = new FakeServer({
      "environment/status": () => ({ status: "ready" }),
      "process/read": ({ afterSeq }) => ({
        chunks: [
          { seq: 1, stream: "stdout", chunk: "YQ==" },
          { seq: 2, stream: "stdout", chunk: "Yg==" },
        ].filter(({ seq }) => seq > Number(afterSeq)),
        nextSeq: 3,
        exited: false,
        exitCode: null,
        closed: false,
        failure: null,
      }),
    });
    const client = await Client.open(first.client, {}, { reopen: async () => second.client });
    open.push(client);
    const changes: string[] = [];
    client.onConnectionChange(({ kind }) => changes.push(kind));
    const process = await client.start({ argv: ["a"], processId: "p" });
    first.output("p", 1, "a");
    await until(WAIT_MS, "output", () => process.lastSeq === 1);
    first.peer.close({ kind: "lost", message: "cut" });
    await until(WAIT_MS, "loss", () => changes.length > 0);
    expect(await within(WAIT_MS, "answer", client.call("environment/status", null))).toEqual({
      status: "ready",
    });
    expect(second.requests[0]).toEqual(["initialize", { clientName: "exec-server", resumeSessionId: "s-1" }]);
    await until(WAIT_MS, "return", () => changes.length === 2);
    expect(changes).toEqual(["lost", "resumed"]);
    second.end("p", 3, 6);
    const events = await within(WAIT_MS, "events", Array.fromAsync(process));
    expect(events.map((event) => ("seq" in event ? event.seq : event.kind))).toEqual([1, 2, 3, 4]);
  });

  test("when the server knows the session no more, everything fails with both reasons", async () => {
    const first = new FakeServer({});
    const second = new FakeServer({
      initialize: () => {
        throw new RpcError(-32600, "unknown session id s-1");
      },
    });
    const client = await Client.open(first.client, {}, { reopen: async () => second.client });
    const process = await client.start({ argv: ["a"], processId: "p" });
    first.peer.close({ kind: "lost", message: "cut" });
    const reason = await within(WAIT_MS, "end", client.closed);
    expect(reason).toEqual({
      kind: "lost",
      message: "cut; the session could not be resumed: unknown session id s-1",
    });
    expect(await process.wait()).toEqual({ kind: "lost", message: reason.message });
  });

  test("an attempt that may pass is repeated", async () => {
    const first = new FakeServer({});
    let attempts = 0;
    const servers: FakeServer[] = [];
    const client = await Client.open(
      first.client,
      { recovery: { firstDelayMs: 1, maxDelayMs: 2 } },
      {
        reopen: async () => {
          if (++attempts < 3) throw new ExecServerError("ERR_CONNECT", "nobody there");
          const server = new FakeServer(
            attempts < 5
              ? {
                  initialize: () => {
                    throw new RpcError(-32010, "attached");
                  },
                }
              : {},
          );
          servers.push(server);
          return server.client;
        },
      },
    );
    open.push(client);
    first.peer.close({ kind: "lost", message: "cut" });
    await until(WAIT_MS, "return", () => attempts === 5 && client.connected);
    expect(servers).toHaveLength(3);
  });

  test("a server that says that it is going is not asked again", async () => {
    const first = new FakeServer({});
    let attempts = 0;
    const client = await Client.open(
      first.client,
      {},
      {
        reopen: () => {
          attempts++;
          return Promise.reject(new Error("no"));
        },
      },
    );
    first.peer.close({ kind: "goingAway", message: "ending" });
    await within(WAIT_MS, "end", client.closed);
    expect(attempts).toBe(0);
  });

  test("closing while it is being got back ends at once", async () => {
    const first = new FakeServer({});
    const client = await Client.open(
      first.client,
      {},
      {
        reopen: (signal) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      },
    );
    const pending = client.start({ argv: ["a"] });
    await within(WAIT_MS, "start", pending);
    first.peer.close({ kind: "lost", message: "cut" });
    await until(WAIT_MS, "loss", () => !client.connected);
    const call = failureOf(client.call("environment/status", null));
    await within(WAIT_MS, "close", client.close());
    expect((await call).code).toBe("ERR_DISCONNECTED");
  });
});
