import { expect, spyOn, test } from "bun:test";
import { Client } from "../../../lib/client/client.ts";
import { until, within } from "../../support/deadline.ts";
import { FakeServer } from "./fake_server.ts";

const delta = (requestId: string, seq: number): Record<string, unknown> => ({
  requestId,
  seq,
  deltaBase64: "aGk=",
  done: false,
  error: null,
});

test("notifications of no process go to whoever asked, in order, until it has enough", async () => {
  const server = new FakeServer({});
  await using client = await Client.open(server.client);
  const seen: string[] = [];
  const off = client.onNotification("http/request/bodyDelta", ({ requestId, seq, deltaBase64 }) => {
    seen.push(`${requestId} ${seq} ${new TextDecoder().decode(deltaBase64)}`);
  });
  const again: number[] = [];
  client.onNotification("http/request/bodyDelta", ({ seq }) => again.push(seq));
  server.peer.notify("http/request/bodyDelta", delta("a", 1));
  server.peer.notify("http/request/bodyDelta", delta("b", 1));
  await until(5000, "two notifications", () => again.length === 2);
  expect(seen).toEqual(["a 1 hi", "b 1 hi"]);
  off();
  server.peer.notify("http/request/bodyDelta", delta("a", 2));
  await until(5000, "third notification", () => again.length === 3);
  expect(seen.length).toBe(2);
});

test("a listener that fails keeps them from nobody, and its fault is none of the connection", async () => {
  const server = new FakeServer({});
  await using client = await Client.open(server.client);
  const later = spyOn(globalThis, "queueMicrotask");
  const faults: unknown[] = [];
  later.mockImplementation((callback) => {
    try {
      callback();
    } catch (error) {
      faults.push(error);
    }
  });
  try {
    const fault = new Error("a fault of the listener");
    client.onNotification("http/request/bodyDelta", () => {
      throw fault;
    });
    const seen: number[] = [];
    client.onNotification("http/request/bodyDelta", ({ seq }) => void seen.push(seq));
    for (const seq of [1, 2]) server.peer.notify("http/request/bodyDelta", delta("a", seq));
    await until(5000, "both notifications", () => seen.length === 2);
    expect(faults).toEqual([fault, fault]);
  } finally {
    later.mockRestore();
  }
  expect((await client.call("environment/info", null)).shell.name).toBe("sh");
});

test("what does not decode ends the connection where somebody listens, and is nobody's otherwise", async () => {
  const server = new FakeServer({});
  await using client = await Client.open(server.client);
  server.peer.notify("http/request/bodyDelta", { requestId: 1 });
  server.peer.notify("surely/unknown", {});
  expect((await client.call("environment/info", null)).shell.name).toBe("sh");
  client.onNotification("http/request/bodyDelta", () => expect.unreachable());
  server.peer.notify("http/request/bodyDelta", { requestId: 1 });
  expect(await within(5000, "end", client.closed)).toMatchObject({ kind: "protocol" });
});
