import { afterEach, describe, expect, test } from "bun:test";
import { Client } from "../../../lib/client/client.ts";
import { until, within } from "../../support/deadline.ts";
import { FakeServer, newInfo, type Params, type Script } from "./fake_server.ts";

const WAIT_MS = 3000;
const open: Client[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await within(WAIT_MS, "end of the client", client.close());
});

const answer = (): unknown => ({ status: 200, headers: [], bodyBase64: "" });
const capabilities = { httpRequestCancel: true, httpResponseWindow: true, httpHeaderEnvVars: true };

async function connect(
  script: Script = {},
  can: object = capabilities,
): Promise<{ server: FakeServer; client: Client }> {
  const server = new FakeServer({
    initialize: () => ({ sessionId: "s-1", environmentInfo: { ...newInfo, capabilities: can } }),
    "http/request": answer,
    "http/request/cancel": () => ({ cancelled: true }),
    ...script,
  });
  const client = await within(WAIT_MS, "handshake", Client.open(server.client));
  open.push(client);
  return { server, client };
}

const delta = (server: FakeServer, requestId: string, seq: number, text: string, more: object = {}): void =>
  server.peer.notify("http/request/bodyDelta", {
    requestId,
    seq,
    deltaBase64: Buffer.from(text).toString("base64"),
    done: false,
    error: null,
    ...more,
  });

const url = "http://h.test/";
const textOf = async (body: ReadableStream<Uint8Array>): Promise<string> =>
  await within(WAIT_MS, "body", new Response(body as never).text());
const codeOf = async (body: ReadableStream<Uint8Array>): Promise<unknown> =>
  await textOf(body).catch((error) => error.code ?? error);

describe("a request", () => {
  test("is sent with an id of its own and streamed", async () => {
    const { server, client } = await connect();
    await client.httpRequest({ url });
    await client.httpRequest({
      url,
      method: "POST",
      body: new Uint8Array([1]),
      timeoutMs: 5,
      redirectPolicy: "stop",
    });
    const windowBytes = 4 * 1024 * 1024;
    expect(server.requests.slice(1)).toEqual([
      [
        "http/request",
        { method: "GET", url, headers: [], requestId: "http-1", streamResponse: true, windowBytes },
      ],
      [
        "http/request",
        {
          method: "POST",
          url,
          headers: [],
          bodyBase64: "AQ==",
          timeoutMs: 5,
          redirectPolicy: "stop",
          requestId: "http-2",
          streamResponse: true,
          windowBytes,
        },
      ],
    ]);
  });

  test("uses what the server has, and does without elsewhere", async () => {
    const { server, client } = await connect({}, {});
    const headers = [{ name: "a", value: "", valueEnvVar: "B" }];
    const refused = await client.httpRequest({ url, headers }).catch((error) => error);
    expect(refused.code).toBe("ERR_UNSUPPORTED");
    const { body } = await client.httpRequest({ url });
    expect(server.paramsOf("http/request")).not.toHaveProperty("windowBytes");
    await body.cancel();
    await client.info();
    expect(server.requests.map(([method]) => method)).not.toContain("http/request/cancel");
  });

  test("of more than a message can carry is not sent", async () => {
    const { server, client } = await connect();
    const body = new Uint8Array(47 * 1024 * 1024 + 1);
    const refused = await client.httpRequest({ url, body }).catch((error) => error);
    expect(refused.code).toBe("ERR_UNSUPPORTED");
    expect(server.paramsOf("http/request")).toBeUndefined();
  });

  test("that is refused is over, and the server need not be told", async () => {
    const { server, client } = await connect({
      "http/request": () => {
        throw new Error("no");
      },
    });
    expect((await client.httpRequest({ url }).catch((error) => error)).message).toBe("no");
    await client.call("environment/info", null);
    expect(server.requests.map(([method]) => method)).not.toContain("http/request/cancel");
  });

  test("that is given up rejects with the reason, and the server is told", async () => {
    const { server, client } = await connect({ "http/request": () => new Promise(() => {}) });
    const abort = new AbortController();
    const pending = client.httpRequest({ url, signal: abort.signal });
    await until(WAIT_MS, "request", () => server.paramsOf("http/request"));
    abort.abort("enough");
    expect(await pending.catch((error) => error)).toBe("enough");
    await until(WAIT_MS, "cancel", () => server.paramsOf("http/request/cancel"));
    expect(server.paramsOf("http/request/cancel")).toEqual({ requestId: "http-1" });
  });
});

describe("a body", () => {
  test("is made of its deltas, and may have its last bytes in the last", async () => {
    const { server, client } = await connect();
    const { body } = await client.httpRequest({ url });
    delta(server, "http-1", 1, "a");
    delta(server, "other", 1, "x");
    delta(server, "http-1", 2, "b");
    delta(server, "http-1", 3, "c", { done: true });
    expect(await textOf(body)).toBe("abc");
    // Late ones are nothing.
    delta(server, "http-1", 4, "d");
    await client.call("environment/info", null);
    expect(server.paramsOf("http/request/cancel")).toBeUndefined();
    expect(client.closeReason).toBeUndefined();
  });

  test("may begin before the answer", async () => {
    const server: { fake?: FakeServer } = {};
    const connected = await connect({
      "http/request": ({ requestId }: Params) => {
        delta(server.fake!, requestId as string, 1, "early", { done: true });
        return answer();
      },
    });
    server.fake = connected.server;
    const { body } = await connected.client.httpRequest({ url });
    expect(await textOf(body)).toBe("early");
  });

  test("with a gap or a repeated delta fails, and the server is told", async () => {
    for (const seq of [3, 1]) {
      const { server, client } = await connect();
      const { body } = await client.httpRequest({ url });
      delta(server, "http-1", 1, "a");
      delta(server, "http-1", seq, "b", { done: true });
      expect(await codeOf(body)).toBe("ERR_HTTP_BODY");
      await until(WAIT_MS, "cancel", () => server.paramsOf("http/request/cancel"));
    }
  });

  test("that is not whole gives what has come, and fails", async () => {
    // Whoever says why it is not whole has said the last, also without saying that.
    for (const done of [true, false]) {
      const { server, client } = await connect();
      const { body } = await client.httpRequest({ url });
      delta(server, "http-1", 1, "abc");
      delta(server, "http-1", 2, "", { done, error: "error decoding response body" });
      const reader = body.getReader();
      expect(Buffer.from((await reader.read()).value!).toString()).toBe("abc");
      const error = await within(
        WAIT_MS,
        "failure",
        reader.read().catch((thrown) => thrown),
      );
      expect([error.code, error.message]).toEqual([
        "ERR_HTTP_BODY",
        "The body is not whole: error decoding response body",
      ]);
    }
  });

  test("is acknowledged as it is read", async () => {
    const { server, client } = await connect();
    const { body } = await client.httpRequest({ url });
    const piece = "x".repeat(600_000);
    for (const seq of [1, 2, 3, 4]) delta(server, "http-1", seq, piece);
    const reader = body.getReader();
    await reader.read();
    expect(server.notifications.map(([method]) => method)).toEqual(["initialized"]);
    for (let i = 0; i < 3; i++) await reader.read();
    await until(WAIT_MS, "acknowledgement", () => server.notifications.length === 3);
    expect(server.notifications.slice(1)).toEqual([
      ["http/request/consumed", { requestId: "http-1", seq: 2 }],
      ["http/request/consumed", { requestId: "http-1", seq: 4 }],
    ]);
    await reader.cancel();
  });

  test("that a server sends without looking fails before it fills the memory", async () => {
    const { server, client } = await connect({}, {});
    const { body } = await client.httpRequest({ url });
    // A call that waits keeps the connection from being held back.
    const piece = "x".repeat(1_000_000);
    for (let seq = 1; seq <= 18; seq++) delta(server, "http-1", seq, piece);
    const pending = client.call("environment/info", null);
    await pending;
    expect(await codeOf(body)).toBe("ERR_HTTP_BODY");
  });

  test("ends with the connection", async () => {
    const { server, client } = await connect();
    const { body } = await client.httpRequest({ url });
    server.peer.close({ kind: "lost", message: "gone" });
    expect(await codeOf(body)).toBe("ERR_DISCONNECTED");
    expect((await client.httpRequest({ url }).catch((error) => error)).code).toBe("ERR_DISCONNECTED");
  });
});
