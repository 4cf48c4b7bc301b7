/** `http/request` with a streamed body: deltas, their order and their end. */

import { afterAll, beforeAll, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { until, within } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { floodByte, Origin } from "../support/origin.ts";
import type { Json, RawClient } from "../support/raw_client.ts";

/** What has come of one stream. */
interface Stream {
  answer: Json;
  deltas: Json[];
  /** The body, once the last delta has come. */
  whole(ms?: number): Promise<Buffer>;
}

suite("http stream", { transports: ["websocket"] }, (t) => {
  let origin: Origin;
  let last = 0;

  beforeAll(async () => {
    origin = await Origin.start();
  });
  afterAll(async () => await origin.close());

  const isDelta = (requestId: string) => (message: Json) =>
    message.method === "http/request/bodyDelta" && message.params.requestId === requestId;

  const open = async (client: RawClient, path: string, more: object = {}): Promise<Stream> => {
    const params = {
      method: "GET",
      url: origin.url(path),
      requestId: `s${++last}`,
      streamResponse: true,
      ...more,
    };
    const id = client.post("http/request", params);
    // The answer comes before the first delta.
    const mine = (message: Json): boolean => message.id === id || isDelta(params.requestId)(message);
    const answer = await client.next(mine, 8000, `answer to ${path}`);
    expect(answer).toHaveProperty("id");
    const deltas: Json[] = [];
    return {
      answer,
      deltas,
      whole: async (ms = 8000) => {
        while (!deltas.at(-1)?.done) {
          deltas.push((await client.next(isDelta(params.requestId), ms, `delta of ${path}`)).params);
        }
        return Buffer.concat(deltas.map(({ deltaBase64 }) => Buffer.from(deltaBase64, "base64")));
      },
    };
  };

  verifies("http/request: a streamed body comes in deltas from 1 with one end", async () => {
    const client = await t.client();
    const stream = await open(client, "/");
    expect(stream.answer.result).toEqual({
      status: 200,
      headers: [{ name: "content-length", value: "2" }],
      bodyBase64: "",
    });
    expect((await stream.whole()).toString()).toBe("ok");
    const [first, end] = stream.deltas;
    expect(first).toEqual({
      requestId: first.requestId,
      seq: 1,
      deltaBase64: "b2s=",
      done: false,
      error: null,
    });
    expect(end).toEqual({ requestId: first.requestId, seq: 2, deltaBase64: "", done: true, error: null });
    const empty = await open(client, "/status/204");
    await empty.whole();
    expect(empty.deltas).toHaveLength(1);
    expect(empty.deltas[0]).toMatchObject({ seq: 1, deltaBase64: "", done: true, error: null });
  });

  verifies("http/request: a long body is whole, in deltas of bounded size", async () => {
    const size = 20_000_000;
    const stream = await open(await t.client(), `/bytes/${size}`);
    const body = await stream.whole(20_000);
    expect(body.length).toBe(size);
    expect(body.findIndex((byte, i) => byte !== floodByte(i & 0xffff))).toBe(-1);
    expect(stream.deltas.map(({ seq }) => seq)).toEqual(stream.deltas.map((_, i) => i + 1));
    const largest = Math.max(
      ...stream.deltas.map(({ deltaBase64 }) => Buffer.from(deltaBase64, "base64").length),
    );
    expect(largest).toBeLessThanOrEqual(t.ours ? 256 * 1024 : 1024 * 1024);
  });

  // A long stream is quiet most of the time; nothing may take it for dead.
  const seconds = Number(process.env.EXEC_SERVER_STREAM_SECONDS ?? 0);
  const [events, pauseMs] = seconds > 0 ? [Math.ceil(seconds / 7), 7000] : [5, 30];
  verifies(
    "http/request: events come as they happen",
    async () => {
      const client = await t.client();
      const stream = await open(client, `/events/${events}/${pauseMs}`);
      const first = await client.next((message) => message.method === "http/request/bodyDelta");
      expect(Buffer.from(first.params.deltaBase64, "base64").toString()).toBe("data: 1\n\n");
      stream.deltas.push(first.params);
      const numbers = Array.from({ length: events }, (_, i) => `data: ${i + 1}\n\n`);
      expect((await stream.whole()).toString()).toBe(numbers.join(""));
      // As they come, and not all at the end.
      expect(stream.deltas.length).toBeGreaterThanOrEqual(events);
    },
    30_000 + seconds * 1000,
  );

  verifies("http/request: a streamed body that is not whole ends with an error", async () => {
    const client = await t.client();
    for (const path of ["/cut", "/cut-chunk", "/bad-chunk"]) {
      const stream = await open(client, path);
      expect((await stream.whole()).toString()).toBe("abc");
      const end = stream.deltas.at(-1);
      expect(end).toMatchObject({ done: true, deltaBase64: "" });
      expect(end.error).toStartWith("error decoding response body");
    }
    const late = await open(client, "/silent", { timeoutMs: 200 });
    await late.whole();
    expect(late.deltas).toHaveLength(1);
    expect(late.deltas[0].error).toStartWith("error decoding response body");
    const failed = await open(client, "/hang", { timeoutMs: 100 });
    expect(failed.answer.error.code).toBe(-32603);
  });

  verifies("http/request: an id is free again when its stream has ended", async () => {
    const client = await t.client();
    const stream = await open(client, "/events/3/30", { requestId: "one" });
    const taken = await open(client, "/", { requestId: "one" });
    expect(taken.answer.error).toEqual({
      code: -32602,
      message: "http/request streamResponse requestId `one` is already active",
    });
    const buffered = { method: "GET", url: origin.url("/"), requestId: "one" };
    expect((await client.call("http/request", buffered)).status).toBe(200);
    const other = await t.fresh();
    await (await open(other, "/", { requestId: "one" })).whole();
    await stream.whole();
    expect((await (await open(client, "/", { requestId: "one" })).whole()).toString()).toBe("ok");
  });

  verifies("http/request: 50 streams of a connection run side by side", async () => {
    const client = await t.client();
    const streams: Stream[] = [];
    for (let i = 0; i < 50; i++) streams.push(await open(client, "/events/4/20"));
    expect((await (await open(client, "/")).whole()).toString()).toBe("ok");
    for (const stream of streams) {
      expect((await stream.whole()).toString()).toBe("data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n");
    }
  });

  verifies("http/request: the end of the connection ends its streams", async () => {
    const client = await t.fresh();
    await open(client, "/events/0/20?end");
    const { gone } = await origin.waitFor("/events/0/20?end");
    await client.close();
    await within(3000, "end of the connection to the origin", gone);
  });
});

suite("http stream extensions", { servers: ours, transports: ["websocket"] }, (t) => {
  let origin: Origin;

  beforeAll(async () => {
    origin = await Origin.start();
  });
  afterAll(async () => await origin.close());

  const get = (path: string, more: object): object => ({ method: "GET", url: origin.url(path), ...more });

  verifies("http/request/cancel: ends a stream with its last delta", async () => {
    const client = await t.client();
    await client.call("http/request", get("/events/0/10?cancel", { requestId: "c", streamResponse: true }));
    const { gone } = await origin.waitFor("/events/0/10?cancel");
    expect(await client.call("http/request/cancel", { requestId: "c" })).toEqual({ cancelled: true });
    const end = await client.next((message) => message.params?.requestId === "c" && message.params.done);
    expect(end.params.error).toContain("cancelled");
    await within(3000, "end of the connection to the origin", gone);
    expect(await client.call("http/request/cancel", { requestId: "c" })).toEqual({ cancelled: false });
    expect(await client.call("http/request/cancel", { requestId: "never" })).toEqual({ cancelled: false });
    client.messages.length = 0;
  });

  verifies("http/request/cancel: ends a request that waits for its answer", async () => {
    const client = await t.client();
    for (const streamResponse of [true, false]) {
      const path = `/hang?cancel${streamResponse}`;
      const id = client.post("http/request", get(path, { requestId: "w", streamResponse }));
      const { gone } = await origin.waitFor(path);
      expect(await client.call("http/request/cancel", { requestId: "w" })).toEqual({ cancelled: true });
      expect((await client.answer(id)).error).toMatchObject({ code: -32603, data: { kind: "cancelled" } });
      await within(3000, "end of the connection to the origin", gone);
      // Given up is given up: nothing is sent again.
      expect(origin.seen.filter(({ line }) => line.includes(path))).toHaveLength(1);
    }
  });

  /** Bytes of a stream that have come, once nothing more does. */
  const still = async (client: RawClient, requestId: string): Promise<number> => {
    const bytes = (): number =>
      client.messages
        .filter(({ params }) => params?.requestId === requestId)
        .reduce((sum, { params }) => sum + Buffer.from(params.deltaBase64, "base64").length, 0);
    for (let seen = -1; seen !== bytes(); await Bun.sleep(100)) seen = bytes();
    return bytes();
  };

  verifies(
    "http/request/consumed: a body waits for what was acknowledged, and nothing else does",
    async () => {
      const client = await t.fresh();
      const params = get("/bytes/5000000", { requestId: "w", streamResponse: true, windowBytes: 500_000 });
      await client.call("http/request", params);
      const first = await still(client, "w");
      expect(first).toBeGreaterThanOrEqual(500_000);
      expect(first).toBeLessThan(800_000);
      expect((await client.call("http/request", get("/", { requestId: "x" }))).status).toBe(200);
      // An old number takes nothing back, one that is not there yet is worth what is there.
      client.notify("http/request/consumed", { requestId: "w", seq: 0 });
      client.notify("http/request/consumed", { requestId: "none", seq: 5 });
      expect(await still(client, "w")).toBe(first);
      const ended = (): boolean =>
        client.messages.some(({ params }) => params?.requestId === "w" && params.done);
      await until(8000, "end of the body", () => {
        client.notify("http/request/consumed", { requestId: "w", seq: 1e9 });
        return ended();
      });
      expect(await still(client, "w")).toBe(5_000_000);
    },
  );

  verifies("http/request: a client that does not read holds the origin back", async () => {
    const client = await (await t.socket()).upgrade();
    const send = (message: object): void => client.frame(JSON.stringify(message));
    send({ id: 1, method: "initialize", params: { clientName: "slow" } });
    await client.nextJson();
    send({ method: "initialized" });
    const path = "/bytes/400000000";
    send({ id: 2, method: "http/request", params: get(path, { requestId: "slow", streamResponse: true }) });
    client.socket.pause();
    await origin.waitFor(path);
    const taken = await until(8000, "the origin to be held back", async () => {
      const before = origin.sentBytes;
      await Bun.sleep(200);
      return origin.sentBytes === before && before > 0 ? before : undefined;
    });
    expect(taken).toBeLessThan(100_000_000);
  });
});
