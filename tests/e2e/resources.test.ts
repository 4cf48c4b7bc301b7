/** What many cycles leave behind: nothing. And limits of time, which a server in this process makes short. */

import { describe, expect } from "bun:test";
import { currentRuntime, type ListenerOptions, listen } from "../../mod.ts";
import { until, within } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { childrenOf, descriptorsOf, memoryOf } from "../support/proc.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";
import { RawSocket } from "../support/raw_socket.ts";

const CYCLES = 1000;

suite("resources", { servers: ours, transports: ["websocket"] }, (t) => {
  verifies(
    "resources: 1,000 starts and exits leave no child, no descriptor and little memory",
    async () => {
      const client = await t.client();
      const cycle = async (i: number): Promise<void> => {
        const child = new RawProcess(client);
        const tty = i % 10 === 0;
        await child.start(t.params(["/bin/echo", String(i)], { tty, pipeStdin: i % 3 === 0 }));
        const told = await child.closed();
        expect(told.bytes.toString().trim()).toBe(String(i));
        client.route.delete(child.id);
      };
      const cycles = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 10) {
          await Promise.all(Array.from({ length: 10 }, (_, j) => cycle(i + j)));
        }
      };
      await cycles(200);
      const [descriptors, memory] = [descriptorsOf(t.pid).length, memoryOf(t.pid)];
      await cycles(CYCLES);
      expect(childrenOf(t.pid)).toEqual([]);
      await until(2000, "end of descriptors", () => descriptorsOf(t.pid).length <= descriptors);
      // Closed processes are kept for readers that come late: some KiB each.
      expect(memoryOf(t.pid) - memory).toBeLessThan(80);
    },
    60_000,
  );

  verifies("resources: 200 connections leave no descriptor", async () => {
    await t.client();
    const before = descriptorsOf(t.pid).length;
    for (let i = 0; i < 200; i++) {
      const client = await RawClient.websocket(t.listening.url);
      if (i % 2 === 0) await client.initialize();
      if (i % 3 === 0) client.notify("no/such");
      await client.close();
    }
    await until(3000, "end of descriptors", () => descriptorsOf(t.pid).length <= before);
  });

  verifies("resources: 200 failed starts leave no descriptor", async () => {
    await t.run("true");
    await t.run("true", { tty: true });
    const before = descriptorsOf(t.pid).length;
    for (let i = 0; i < 200; i++)
      await t.refusal(t.params(["/no/such"], { tty: i % 2 === 0, pipeStdin: true }));
    await until(2000, "end of descriptors", () => descriptorsOf(t.pid).length <= before);
    expect(childrenOf(t.pid)).toEqual([]);
  });
});

describe("limits of time", () => {
  const serving = async (options: ListenerOptions, body: (url: string) => Promise<void>): Promise<void> => {
    const listener = await listen(await currentRuntime(), options);
    try {
      await body(listener.url);
    } finally {
      await listener.close();
    }
  };
  const portOf = (url: string): number => Number(new URL(url).port);

  verifies("websocket: pings go out, and a client that answers none is dropped", async () => {
    await serving({ pingIntervalMs: 100 }, async (url) => {
      const quiet = await (await RawSocket.connect(portOf(url))).upgrade();
      let pings = 0;
      const from = performance.now();
      for (;;) {
        const frame = await quiet.next();
        if (frame?.opcode === 9) pings++;
        else break;
      }
      expect(pings).toBe(2);
      expect(performance.now() - from).toBeLessThan(1000);
      // Bun's client answers by itself.
      const lively = await (await RawClient.websocket(url)).initialize();
      await Bun.sleep(600);
      expect(lively.isClosed).toBe(false);
      await lively.close();
      quiet.close();
    });
  });

  verifies("handshake: who does not finish it in time is dropped", async () => {
    await serving({ handshakeMs: 200 }, async (url) => {
      const silent = await RawClient.websocket(url);
      const half = await RawClient.websocket(url);
      await half.call("initialize", { clientName: "raw" });
      const whole = await (await RawClient.websocket(url)).initialize();
      await within(2000, "end", silent.closed);
      await within(2000, "end", half.closed);
      await Bun.sleep(100);
      expect(whole.isClosed).toBe(false);
      await whole.close();
    });
  });

  verifies("retention: a closed process is forgotten after its time, and its id is free", async () => {
    await serving({ limits: { closedRetentionMs: 300 } }, async (url) => {
      const client = await (await RawClient.websocket(url)).initialize();
      const params = { argv: ["/bin/echo", "on"], cwd: "/", env: {}, tty: false };
      await (await new RawProcess(client, "p").start(params)).closed();
      expect((await client.ask("process/start", { processId: "p", ...params })).error.code).toBe(-32600);
      await until(
        3000,
        "end of the process",
        async () => (await client.ask("process/read", { processId: "p" })).error,
      );
      expect((await (await new RawProcess(client, "p").start(params)).closed()).seqs).toEqual([1, 2, 3]);
      await client.close();
    });
  });
});
