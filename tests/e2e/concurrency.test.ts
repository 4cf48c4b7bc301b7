/** Requests, processes and connections that must not hold each other up. */

import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { childrenOf, memoryOf } from "../support/proc.ts";
import type { Json, RawClient } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";
import { encodeFrame } from "../support/raw_socket.ts";

/** The ids of answers in the order of their coming. */
function order(client: RawClient, ids: readonly unknown[]): Promise<unknown[]> {
  return client.until(() => {
    const answers = client.messages.map(({ id }: Json) => id).filter((id) => ids.includes(id));
    return answers.length === ids.length && answers;
  }) as Promise<unknown[]>;
}

suite("concurrency", { peerTransports: ["stdio"] }, (t) => {
  verifies("concurrency: a long poll delays no other request", async () => {
    const client = await t.fresh();
    const child = await new RawProcess(client).start(t.params("exec sleep 100"));
    client.send({ id: "poll", method: "process/read", params: { processId: child.id, waitMs: 250 } });
    client.send({ id: "info", method: "environment/info" });
    client.send({ id: "end", method: "process/terminate", params: { processId: "none" } });
    t.same("order behind a poll", await order(client, ["poll", "info", "end"]), ["info", "end", "poll"]);
    await child.end();
  });

  verifies("concurrency: notifications flow during a long poll", async () => {
    const client = await t.fresh();
    const child = await new RawProcess(client).start(t.params("sleep 0.1; echo on; exec sleep 100"));
    const quiet = await new RawProcess(client).start(t.params("exec sleep 100"));
    const poll = client.post("process/read", { processId: quiet.id, waitMs: 300 });
    await child.says("on");
    expect(client.messages.some(({ id }) => id === poll)).toBe(false);
    await client.answer(poll);
    await child.end();
    await quiet.end();
  });

  verifies("concurrency: other connections are not delayed", async () => {
    if (t.transport === "stdio") return;
    const [a, b] = [await t.fresh(), await t.fresh()];
    const child = await new RawProcess(a).start(t.params("exec sleep 100"));
    const poll = a.post("process/read", { processId: child.id, waitMs: 500 });
    const from = performance.now();
    for (let i = 0; i < 5; i++) await b.call("environment/info");
    expect(performance.now() - from).toBeLessThan(450);
    await a.answer(poll);
    await child.end();
  });

  verifies("concurrency: many processes run at once", async () => {
    const client = await t.fresh();
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        new RawProcess(client).start(t.params(`read x; echo ${i} $x`, { pipeStdin: true, tty: i % 4 === 0 })),
      ),
    );
    for (const child of all) await child.write("done\n");
    for (const [i, child] of all.entries())
      expect((await child.closed()).bytes.toString()).toContain(`${i} done`);
  });
});

suite("concurrency, ours", { servers: ours }, (t) => {
  verifies("concurrency: 1000 requests behind a long poll are all answered", async () => {
    const client = await t.client();
    const child = await t.start("exec sleep 100");
    const poll = client.post("process/read", { processId: child.id, waitMs: 400 });
    const ids = Array.from({ length: 1000 }, () => client.post("process/terminate", { processId: "none" }));
    const polls = Array.from({ length: 1000 }, () =>
      client.post("process/read", { processId: child.id, waitMs: 500 }),
    );
    const from = performance.now();
    for (const id of ids) await client.answer(id);
    expect(performance.now() - from).toBeLessThan(2000);
    for (const id of [poll, ...polls]) await client.answer(id);
    await child.end();
  });

  verifies("concurrency: answers that wait for nothing keep their order", async () => {
    const client = await t.client();
    const ids = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0
        ? client.post("environment/info")
        : client.post("process/write", { processId: "none", chunk: "", writeId: "x" }),
    );
    expect(await order(client, ids)).toEqual(ids);
    client.messages.length = 0;
  });

  verifies("concurrency: a child that does not read its input blocks nothing", async () => {
    const client = await t.client();
    const child = await t.start("exec sleep 100", { pipeStdin: true });
    const other = await t.start(["/bin/cat"], { pipeStdin: true });
    const chunk = Buffer.alloc(1024 * 1024).toString("base64");
    const before = memoryOf(t.pid);
    const writes = Array.from({ length: 100 }, (_, i) =>
      client.post("process/write", { processId: child.id, chunk, writeId: `w${i}` }),
    );
    expect(await other.write("on\n")).toBe("accepted");
    await other.says("on");
    expect(await child.terminate()).toBe(true);
    await child.closed();
    const answers: Json[] = [];
    for (const id of writes) answers.push(await client.answer(id));
    // What was too much was refused, not kept.
    const refused = answers.filter(({ error }) => error);
    expect(refused.length).toBeGreaterThan(20);
    for (const { error } of refused) expect(error.code).toBe(-32603);
    expect(memoryOf(t.pid) - before).toBeLessThan(700);
    await other.end();
  });
});

suite("slow readers", { transports: ["websocket"] }, (t) => {
  verifies("backpressure: a client that does not read costs bounded memory and delays nobody", async () => {
    const slow = await (await t.socket()).upgrade();
    await slow.initialize();
    const params = t.params("exec cat /dev/zero");
    slow.ask("process/start", { processId: "flood", ...params });
    slow.socket.pause();
    const before = memoryOf(t.pid);
    const other = await t.client();
    let highest = 0;
    for (const from = performance.now(); performance.now() - from < 1000; ) {
      const asked = performance.now();
      await other.call("process/terminate", { processId: "none" });
      expect(performance.now() - asked).toBeLessThan(500);
      highest = Math.max(highest, memoryOf(t.pid));
      await Bun.sleep(20);
    }
    expect(highest - before).toBeLessThan(120);
    // Delivery goes on where it stopped, without a gap.
    slow.socket.resume();
    let seq = 0;
    while (seq < 100) {
      const message = await slow.nextJson();
      if (message?.method === "process/output") expect(message.params.seq).toBe(++seq);
    }
    // The peer takes seconds to deliver what it has queued.
    if (!t.ours) return;
    slow.ask("process/terminate", { processId: "flood" });
    await until(10_000, "end of the flood", async () => (await slow.nextJson())?.method === "process/closed");
  });

  verifies("backpressure: a flood nobody is attached to runs on and costs bounded memory", async () => {
    const client = await t.fresh();
    const id = client.sessionId;
    const child = await new RawProcess(client).start(
      t.params("sleep 0.2; head -c 50000000 /dev/zero; exit 5"),
    );
    const before = memoryOf(t.pid);
    await client.close();
    const again = await t.fresh({ initialize: false });
    await until(5000, "resume", async () => {
      await Bun.sleep(400);
      return (await again.ask("initialize", { clientName: "raw", resumeSessionId: id })).result;
    });
    again.notify("initialized", {});
    const taken = new RawProcess(again, child.id);
    await until(
      8000,
      "closing",
      async () => (await taken.read({ afterSeq: 999_999_999, waitMs: 500 })).closed,
    );
    expect((await taken.read({ afterSeq: 999_999_999 })).exitCode).toBe(5);
    expect(memoryOf(t.pid) - before).toBeLessThan(150);
  });
});

suite("slow readers, ours", { servers: ours, transports: ["websocket"] }, (t) => {
  verifies(
    "process/read: who asks for much and reads nothing fills no memory and delays nobody",
    async () => {
      const slow = await (await t.socket()).upgrade();
      await slow.initialize();
      const params = t.params("head -c 1000000 /dev/zero; exec sleep 100");
      slow.ask("process/start", { processId: "p", ...params });
      for (let length = 0; length < 1_000_000; ) {
        const message = await slow.nextJson();
        if (message.params) length += Buffer.from(message.params.chunk, "base64").length;
      }
      const other = await t.client();
      const before = memoryOf(t.pid);
      slow.socket.pause();
      const firstId = slow.ask("process/read", { processId: "p" });
      for (let i = 1; i < 400; i++) slow.ask("process/read", { processId: "p" });
      slow.ask("process/terminate", { processId: "p" });
      // What is asked for behind them is done meanwhile.
      await until(5000, "end of the process", () => childrenOf(t.pid).length === 0);
      await other.call("environment/status", null);
      expect(memoryOf(t.pid) - before).toBeLessThan(150);
      slow.socket.resume();
      for (let next = firstId; next < firstId + 50; ) {
        const message = await slow.nextJson(10_000);
        if (message.id !== next) continue;
        expect(message.result.chunks.length).toBeGreaterThan(0);
        next++;
      }
      slow.close();
    },
  );

  verifies("backpressure: who takes no answers gets to ask for no more, and none is lost", async () => {
    const slow = await (await t.socket()).upgrade();
    await slow.initialize();
    const other = await t.client();
    const before = memoryOf(t.pid);
    slow.socket.pause();
    const count = 250_000;
    const some = Buffer.concat(Array(count / 100).fill(encodeFrame('{"id":2,"method":"environment/info"}')));
    for (let i = 0; i < 100; i++) slow.write(some);
    let highest = 0;
    for (const from = performance.now(); performance.now() - from < 2000; ) {
      await other.call("environment/status", null);
      highest = Math.max(highest, memoryOf(t.pid));
      await Bun.sleep(20);
    }
    expect(highest - before).toBeLessThan(200);
    slow.socket.resume();
    for (let answers = 0; answers < count; ) if ((await slow.next())!.opcode === 1) answers++;
    slow.close();
  });
});
