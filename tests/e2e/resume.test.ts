/** What a lost connection means to those who use it. */

import { afterEach, describe, expect, test } from "bun:test";
import {
  type Client,
  capabilityToken,
  connectWebsocket,
  currentRuntime,
  type Listener,
  type ListenerOptions,
  listen,
  tokenDigest,
} from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault_proxy.ts";

const runtime = await currentRuntime();
const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

interface Setup {
  client: Client;
  proxy: FaultProxy;
  listener: Listener;
}

async function setUp(options: ListenerOptions = {}): Promise<Setup> {
  const listener = await listen(runtime, options);
  cleanup.push(() => listener.close());
  const proxy = startFaultProxy(listener.url, { seed: 1 });
  cleanup.push(() => proxy.close());
  const client = await connectWebsocket(runtime, {
    url: proxy.url,
    recovery: { firstDelayMs: 5, maxDelayMs: 50 },
  });
  cleanup.push(() => client.close());
  return { client, proxy, listener };
}

describe("what a lost connection means", () => {
  test("output that a server gave up meanwhile is a gap of that many bytes", async () => {
    const { client, proxy } = await setUp({ limits: { retainedBytes: 100_000 } });
    // Without a window the server lets the process run on while nobody is attached.
    (await client.info()).capabilities = {};
    const child = await client.start({
      argv: ["sh", "-c", "printf begin; read go; head -c 1000000 /dev/zero; printf end; exit 5"],
      stdin: "pipe",
    });
    const first = child[Symbol.asyncIterator]();
    expect((await first.next()).value).toMatchObject({ kind: "output" });
    proxy.refuse();
    const lost = changeOf(client, "lost");
    await child.write(new TextEncoder().encode("\n"));
    proxy.cut();
    await lost;
    const back = changeOf(client, "resumed");
    proxy.accept();
    await back;
    let bytes = 0;
    let declared = 0;
    for (let next = await first.next(); !next.done; next = await first.next()) {
      if (next.value.kind === "output") bytes += next.value.bytes.length;
      if (next.value.kind === "gap") declared += next.value.lostBytes ?? Number.NaN;
    }
    expect(bytes + declared).toBe(1_000_003);
  });

  test("a server that has restarted does not know the session: handles fail, and say why", async () => {
    const { client, proxy, listener } = await setUp();
    const child = await client.start({ argv: ["sleep", "60"] });
    proxy.refuse();
    proxy.cut();
    await listener.close();
    const other = await listen(runtime, { port: Number(new URL(listener.url).port) });
    cleanup.push(() => other.close());
    proxy.accept();
    const end = await child.wait();
    expect(end).toMatchObject({ kind: "lost" });
    expect((end as { message: string }).message).toContain("unknown session id");
    expect(client.closeReason?.kind).toBe("lost");
    expect(client.call("environment/status", null)).rejects.toMatchObject({ code: "ERR_DISCONNECTED" });
  });

  test("credentials that are not taken any more end the session at once, with the server's reason", async () => {
    const listening = async (token: string): Promise<Listener> => {
      const listener = await listen(runtime, { authenticate: capabilityToken(tokenDigest(token)) });
      cleanup.push(() => listener.close());
      return listener;
    };
    const [before, after] = [await listening("a".repeat(40)), await listening("b".repeat(40))];
    const proxy = startFaultProxy(before.url, { seed: 1 });
    cleanup.push(() => proxy.close());
    const client = await connectWebsocket(runtime, { url: proxy.url, bearerToken: "a".repeat(40) });
    cleanup.push(() => client.close());
    const child = await client.start({ argv: ["sleep", "60"] });
    proxy.aim(after.url);
    proxy.cut();
    const end = await within(5000, "the end", child.wait());
    expect(end).toMatchObject({ kind: "lost" });
    expect((end as { message: string }).message).toContain("HTTP 401");
    expect((end as { message: string }).message).not.toContain("aaaa");
  });

  test("input is written once, whether it or its answer was lost", async () => {
    for (const what of ["freeze", "muffle"] as const) {
      const { client, proxy } = await setUp();
      const child = await client.start({ argv: ["cat"], stdin: "pipe" });
      const text = new Response(child.stdout).text();
      const back = changeOf(client, "resumed");
      proxy[what]();
      const onTheWay = child.write(Buffer.from("once\n"));
      // Time enough to arrive, where it can.
      await Bun.sleep(50);
      proxy.cut();
      proxy.thaw();
      await within(5000, "the return", back);
      expect(await within(5000, "an answer", onTheWay)).toBe("accepted");
      await child.write(Buffer.from("end\n"));
      await child.closeStdin();
      expect(await within(5000, "the output", text)).toBe("once\nend\n");
    }
  });

  test("calls wait for the connection to come back, and end with the client", async () => {
    const { client, proxy } = await setUp();
    const child = await client.start({ argv: ["cat"], stdin: "pipe" });
    proxy.freeze();
    const onTheWay = child.write(Buffer.from("once\n")).catch((error: Error) => error);
    const lost = changeOf(client, "lost");
    proxy.cut();
    await lost;
    const waiting = client.call("environment/status", null).catch((error: Error) => error);
    // Nothing passes a frozen proxy, so the session is given up when the client is closed.
    await client.close();
    expect(await onTheWay).toMatchObject({ code: "ERR_DISCONNECTED" });
    expect(await waiting).toMatchObject({ code: "ERR_DISCONNECTED" });
    expect(await child.wait()).toMatchObject({ kind: "lost" });
  });

  test("another client may take a session over whose connection is half open", async () => {
    const { client, proxy, listener } = await setUp();
    const child = await client.start({ argv: ["sh", "-c", "read line; echo got $line"], stdin: "pipe" });
    proxy.freeze();
    const resume = (): Promise<Client> =>
      connectWebsocket(runtime, { url: listener.url, resumeSessionId: client.sessionId });
    const refused = await resume().catch((error: { code: number }) => error.code);
    expect(refused).toBe(-32010);
    const deadline = performance.now() + 10_000;
    let second: Client | undefined;
    while (!second && performance.now() < deadline) second = await resume().catch(() => undefined);
    expect(second?.sessionId).toBe(client.sessionId);
    cleanup.push(() => second!.close());
    const chunk = new TextEncoder().encode("it\n");
    expect(await second!.call("process/write", { processId: child.id, chunk, writeId: "1" })).toEqual({
      status: "accepted",
    });
    let text = "";
    for (let afterSeq = 0, closed = false; !closed; ) {
      const read = await second!.call("process/read", { processId: child.id, afterSeq, waitMs: 5000 });
      for (const { chunk } of read.chunks) text += new TextDecoder().decode(chunk);
      afterSeq = read.nextSeq - 1;
      closed = read.closed;
    }
    expect(text).toBe("got it\n");
  });
});

function changeOf(client: Client, kind: "lost" | "resumed"): Promise<void> {
  return new Promise((resolve) => {
    const undo = client.onConnectionChange((change) => {
      if (change.kind !== kind) return;
      undo();
      resolve();
    });
  });
}
