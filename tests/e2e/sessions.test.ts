/** Sessions: they outlive connections, and expire. */

import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { isAlive, processesIn } from "../support/proc.ts";
import type { Json, RawClient } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";

const text = (result: Json): string =>
  Buffer.concat(result.chunks.map(({ chunk }: Json) => Buffer.from(chunk, "base64"))).toString();

suite("sessions", { transports: ["websocket"] }, (t) => {
  /** A client that is attached again; a moment may pass until the server has seen the end. */
  const resume = async (sessionId: string): Promise<RawClient> => {
    const client = await t.fresh({ initialize: false });
    await until(3000, "resume", async () => {
      const params = { clientName: "raw", resumeSessionId: sessionId };
      const answer = await client.ask("initialize", params);
      if (answer.result) expect(answer.result.sessionId).toBe(sessionId);
      return answer.result;
    });
    client.sessionId = sessionId;
    return client;
  };
  const resumed = async (sessionId: string): Promise<RawClient> => {
    const client = await resume(sessionId);
    client.notify("initialized", {});
    return client;
  };
  const endings: Record<string, (client: RawClient) => Promise<unknown>> = {
    "a close frame": (client) => client.close(),
    "a violation of the protocol": async (client) => {
      client.notify("no/such");
      await client.closed;
    },
  };
  for (const [name, end] of Object.entries(endings)) {
    verifies("sessions: a process outlives its connection and is found again", name, async () => {
      const first = await t.fresh();
      const child = await new RawProcess(first).start(
        t.params("read line; echo got $line", { pipeStdin: true }),
      );
      await end(first);
      const second = await resumed(first.sessionId);
      const again = new RawProcess(second, child.id);
      expect(await again.write("on\n")).toBe("accepted");
      expect((await again.closed()).stdout).toBe("got on\n");
    });
  }

  verifies("sessions: a process outlives its connection and is found again", "a reset", async () => {
    const socket = await (await t.socket()).upgrade();
    const sessionId = await socket.initialize();
    const params = t.params("exec sleep 100");
    const id = socket.ask("process/start", { processId: "p", ...params });
    expect((await socket.nextJson()).id).toBe(id);
    socket.socket.resetAndDestroy();
    const client = await resumed(sessionId);
    expect(await client.call("process/terminate", { processId: "p" })).toEqual({ running: true });
  });

  verifies("sessions: output while nobody is attached is kept and not sent again", async () => {
    const first = await t.fresh();
    const child = await new RawProcess(first).start(
      t.params("echo one; sleep 0.2; echo two; sleep 0.1; echo three; read x; echo four", {
        pipeStdin: true,
      }),
    );
    await child.says("one");
    await first.close();
    const marker = `${t.folder.work}`;
    await until(3000, "the process", () => processesIn(marker).length > 0);
    const second = await resumed(first.sessionId);
    const again = new RawProcess(second, child.id);
    let all = await again.read();
    while (!text(all).includes("three")) {
      all = await again.read({ afterSeq: all.nextSeq - 1, waitMs: 5000 }).then(() => again.read());
    }
    expect(text(all)).toBe("one\ntwo\nthree\n");
    expect(all.chunks.map(({ seq }: Json) => seq)).toEqual([1, 2, 3]);
    await again.write("\n");
    await again.says("four");
    const seqs = again.events.map(({ seq }) => seq);
    expect(seqs).not.toContain(1);
    await until(3000, "closing", async () => (await again.read()).closed);
  });

  verifies("sessions: after a resume events flow at once, requests after initialized", async () => {
    const first = await t.fresh();
    const child = await new RawProcess(first).start(t.params("while :; do echo on; sleep 0.05; done"));
    await child.says("on");
    await first.close();
    const second = await resume(first.sessionId);
    const again = new RawProcess(second, child.id);
    await again.says("on");
    const answer = await second.ask("process/terminate", { processId: child.id });
    expect(answer.error.message).toBe("client must send initialized before using exec methods");
    second.notify("initialized", {});
    expect(await again.terminate()).toBe(true);
    await second.until(() => again.events.some(({ kind }) => kind === "closed"));
  });

  verifies("sessions: one that is attached is refused to others", async () => {
    const first = await t.fresh();
    const second = await t.fresh({ initialize: false });
    const { error } = await second.ask("initialize", { clientName: "raw", resumeSessionId: first.sessionId });
    t.same("attached", error.code, -32010);
    expect(error.message).toBe(`session ${first.sessionId} is already attached to another connection`);
    expect(await first.call("process/terminate", { processId: "none" })).toEqual({ running: false });
    await second.initialize();
  });

  verifies("sessions: an id that is not known is refused, and compared exactly", async () => {
    const first = await t.fresh();
    await first.close();
    const client = await t.fresh({ initialize: false });
    for (const id of [
      first.sessionId.toUpperCase(),
      ` ${first.sessionId}`,
      "00000000-0000-4000-8000-000000000000",
    ]) {
      const { error } = await client.ask("initialize", { clientName: "raw", resumeSessionId: id });
      expect(error).toEqual({ code: -32600, message: `unknown session id ${id}` });
    }
    await client.close();
  });

  verifies("sessions: a waiting read does not hold a session whose connection has ended", async () => {
    const first = await t.fresh();
    const child = await new RawProcess(first).start(t.params("exec sleep 100"));
    first.post("process/read", { processId: child.id, waitMs: 60_000 });
    await first.close();
    const from = performance.now();
    const second = await resumed(first.sessionId);
    expect(performance.now() - from).toBeLessThan(1000);
    expect(await second.call("process/terminate", { processId: child.id })).toEqual({ running: true });
  });

  verifies("sessions: sessions do not see each other's processes", async () => {
    const [a, b] = [await t.fresh(), await t.fresh()];
    const child = await new RawProcess(a).start(t.params("exec sleep 100"));
    const answer = await b.ask("process/read", { processId: child.id });
    expect(answer.error.message).toBe(`unknown process id ${child.id}`);
    expect(await b.call("process/terminate", { processId: child.id })).toEqual({ running: false });
    await child.end();
    expect(b.messages).toEqual([]);
  });
});

suite("sessions, ours", {
  transports: ["websocket"],
  servers: ours,
  launch: { args: ["--listen", "ws://127.0.0.1:0", "--detached-seconds", "1"] },
}, (t) => {
  verifies("sessions: one that nobody comes back to expires, with all that it started", async () => {
    const client = await t.fresh();
    const script = "trap '' TERM INT HUP; echo ready $$; while :; do sleep 100; done";
    const child = await new RawProcess(client).start(t.params(script));
    await child.says("ready");
    // Its leader ends, its group does not.
    const orphan = await new RawProcess(client).start(t.params(`(${script}) & echo started; exit 0`));
    await orphan.says("ready");
    await orphan.exited();
    const here = (): number[] => processesIn(t.folder.work).filter((pid) => pid !== t.pid);
    // "ready" is said before the sleep.
    await until(5000, "three of them", () => here().length >= 3);
    const pids = here();
    const from = performance.now();
    await client.close();
    await until(5000, "end of the processes", () => !pids.some(isAlive));
    expect(performance.now() - from).toBeGreaterThan(900);
    const other = await t.fresh({ initialize: false });
    const answer = await other.ask("initialize", { clientName: "raw", resumeSessionId: client.sessionId });
    expect(answer.error.message).toBe(`unknown session id ${client.sessionId}`);
  });

  verifies("sessions: a resume starts the clock anew", async () => {
    let client = await t.fresh();
    const child = await new RawProcess(client).start(t.params("exec sleep 100"));
    const id = client.sessionId;
    for (let i = 0; i < 3; i++) {
      await client.close();
      await Bun.sleep(400);
      client = await t.fresh({ resume: id });
      await Bun.sleep(100);
    }
    expect(await client.call("process/terminate", { processId: child.id })).toEqual({ running: true });
  });

  verifies("sessions: a start runs to its end, whatever becomes of the connection", async () => {
    const client = await t.fresh();
    client.send({
      id: 1,
      method: "process/start",
      params: { processId: "p", ...t.params("exec sleep 100") },
    });
    client.send({ method: "no/such" });
    await client.closed;
    const again = await t.fresh({ resume: client.sessionId });
    expect(await again.call("process/terminate", { processId: "p" })).toEqual({ running: true });
  });

  verifies("sessions: a connection that is dead gives way to the next", async () => {
    const dead = await (await t.socket()).upgrade();
    const sessionId = await dead.initialize();
    // It answers no pings from here on, as one behind a broken network.
    const next = await t.fresh({ initialize: false });
    await until(6000, "take-over", async () => {
      const answer = await next.ask("initialize", { clientName: "raw", resumeSessionId: sessionId });
      if (answer.error) expect(answer.error.code).toBe(-32010);
      return answer.result;
    });
    expect(await dead.closing()).not.toBe(1000);
  });
});
