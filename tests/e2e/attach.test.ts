/** Several connections at one session: taking it over, and looking on. */

import { expect } from "bun:test";
import { connectWebsocket, currentRuntime } from "../../mod.ts";
import { until, within } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import type { Json, RawClient } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";

const runtime = await currentRuntime();
const launch = { args: ["--detached-seconds", "0.3"] };

suite("attach", { servers: ours, transports: ["websocket"], launch }, (t) => {
  const join = async (session: RawClient, attach: string): Promise<RawClient> => {
    const client = await t.fresh({ initialize: false });
    return await client.initialize({ resumeSessionId: session.sessionId, attach });
  };
  const listOf = async (client: RawClient): Promise<Json[]> => (await client.call("process/list")).processes;

  verifies("attach: one that takes over gets the session, and who had it is told", async () => {
    const first = await t.fresh();
    const child = await new RawProcess(first).start(
      t.params("echo one; read x; echo $x; exit 6", { pipeStdin: true }),
    );
    await child.says("one");
    const waiting = first.ask("process/read", { processId: child.id, afterSeq: 1, waitMs: 60_000 });
    await first.call("process/list");
    const second = await join(first, "takeOver");
    const answer = await within(3000, "answer to the read", waiting);
    expect(answer.error).toEqual({ code: -32600, message: "session has been resumed by another connection" });
    expect(await within(3000, "close", first.closed)).toMatchObject({ code: 1001 });
    const rest = new RawProcess(second, child.id);
    expect((await rest.read()).chunks).toHaveLength(1);
    expect(await rest.write("two\n")).toBe("accepted");
    await rest.says("two");
    expect(await rest.exited()).toBe(6);
    // It took nothing along: the session lives on for its new owner.
    await Bun.sleep(500);
    expect((await listOf(second))[0]).toMatchObject({ processId: child.id, exitCode: 6, attached: 1 });
    // A session that nobody has is resumed by it, too.
    await second.close();
    expect(await listOf(await join(first, "takeOver"))).toHaveLength(1);
  });

  verifies("attach: an observer gets the events from a number on, and changes nothing", async () => {
    const owner = await t.fresh();
    const child = await new RawProcess(owner).start(
      t.params("echo one; read x; echo two >&2; read x; exit 3", { pipeStdin: true }),
    );
    await child.says("one");
    const observer = await join(owner, "observe");
    const seen = new RawProcess(observer, child.id);
    expect(await listOf(observer)).toMatchObject([{ processId: child.id, attached: 1, state: "running" }]);
    expect(seen.events).toEqual([]);
    expect(await observer.call("process/attach", { processId: child.id })).toEqual({ nextSeq: 2 });
    await seen.says("one");
    expect((await listOf(owner))[0]!.attached).toBe(2);
    const late = await join(owner, "observe");
    const lateSeen = new RawProcess(late, child.id);
    await late.call("process/attach", { processId: child.id, afterSeq: 1 });
    const poll = late.call("process/read", { processId: child.id, afterSeq: 1, waitMs: 20_000 });
    await child.write("\n");
    await Promise.all([seen.says("two"), lateSeen.says("two")]);
    expect((await poll).chunks).toHaveLength(1);
    expect(lateSeen.events.map(({ seq }) => seq)).toEqual([2]);
    for (const [method, params] of [
      ["process/write", { chunk: "", writeId: "1" }],
      ["process/terminate", {}],
      ["process/signal", { signal: "interrupt" }],
      ["process/start", t.params("true")],
      ["process/closeStdin", {}],
      ["fs/createDirectory", { path: t.path(t.folder.work), recursive: true }],
    ] as const) {
      const { error } = await observer.ask(method, { processId: child.id, ...params });
      expect(error).toEqual({
        code: -32600,
        message: `this connection only observes its session: it cannot use ${method}`,
      });
    }
    expect(await observer.call("process/detach", { processId: child.id })).toEqual({});
    expect(await observer.call("process/detach", { processId: "none" })).toEqual({});
    expect((await observer.ask("process/attach", { processId: "none" })).error!.code).toBe(-32600);
    await child.write("\n");
    expect((await lateSeen.exited()) + (await child.exited())).toBe(6);
    await child.closed();
    await late.until(() => lateSeen.events.at(-1)?.kind === "closed", 3000, "closed");
    expect(lateSeen.events.map(({ seq, kind }) => `${seq} ${kind}`)).toEqual([
      "2 output",
      "3 exited",
      "4 closed",
    ]);
    expect(seen.text).toBe("one\ntwo\n");
    expect(seen.events.some(({ kind }) => kind === "exited")).toBe(false);
    // What has ended can be looked at as well.
    await observer.call("process/attach", { processId: child.id, afterSeq: 2 });
    await observer.until(() => seen.events.at(-1)?.kind === "closed", 3000, "closed");
    expect((await listOf(owner))[0]!.attached).toBe(1);
    for (const method of ["process/attach", "process/detach"]) {
      const { error } = await owner.ask(method, { processId: child.id });
      expect(error!.code).toBe(-32600);
    }
  });

  verifies(
    "attach: a slow observer holds up nobody",
    async () => {
      const owner = await t.fresh();
      const observer = await t.socket();
      const hello = { clientName: "", resumeSessionId: owner.sessionId, attach: "observe" };
      await observer.upgrade();
      observer.frame(JSON.stringify({ id: 1, method: "initialize", params: hello }));
      observer.frame(JSON.stringify({ method: "initialized" }));
      const child = await new RawProcess(owner).start(
        t.params("head -c 20000000 /dev/zero; read x", { pipeStdin: true }),
      );
      observer.frame(JSON.stringify({ id: 2, method: "process/attach", params: { processId: child.id } }));
      observer.socket.pause();
      const got = (): number => child.events.reduce((sum, { bytes }) => sum + bytes!.length, 0);
      await owner.until(() => got() === 20_000_000, 20_000, "all output at the owner");
      await child.end();
    },
    30_000,
  );

  verifies("attach: an observer leaves with the session, and the session does not live for it", async () => {
    const owner = await t.fresh();
    const child = await new RawProcess(owner).start(t.params("exec sleep 99"));
    const observer = await join(owner, "observe");
    const seen = new RawProcess(observer, child.id);
    await observer.call("process/attach", { processId: child.id });
    const gone = await join(owner, "observe");
    await gone.call("process/attach", { processId: child.id });
    await gone.close();
    await until(3000, "the end of the other observer", async () => (await listOf(owner))[0]!.attached === 2);
    await owner.close();
    expect((await listOf(observer))[0]!.attached).toBe(1);
    expect(await within(5000, "close", observer.closed)).toMatchObject({ code: 1000 });
    expect(seen.events).toEqual([]);
  });

  verifies("attach: what is no attachment is refused", async () => {
    const owner = await t.fresh();
    const client = await t.fresh({ initialize: false });
    const ask = async (params: object): Promise<number> =>
      (await client.ask("initialize", { clientName: "", ...params })).error!.code;
    expect(await ask({ attach: "observe" })).toBe(-32602);
    expect(await ask({ attach: "other", resumeSessionId: owner.sessionId })).toBe(-32602);
    expect(await ask({ attach: "observe", resumeSessionId: "none" })).toBe(-32600);
    expect(await ask({ attach: "takeOver", resumeSessionId: "none" })).toBe(-32600);
    expect(await ask({ attach: null, resumeSessionId: owner.sessionId })).toBe(-32010);
    expect(await listOf(owner)).toEqual([]);
  });

  verifies("attach: our client takes over, observes and finds its processes", async () => {
    const { url } = t.listening;
    const quick = { recovery: { deadlineMs: 2000 } };
    const first = await connectWebsocket(runtime, { url, ...quick });
    const child = await first.start({
      argv: ["sh", "-c", "echo one; read x; echo $x; exit 5"],
      stdin: "pipe",
      labels: { name: "it" },
    });
    const resumeSessionId = first.sessionId;
    const observer = await connectWebsocket(runtime, { url, resumeSessionId, attach: "observe" });
    const [known] = await observer.processes();
    expect(known).toMatchObject({ processId: child.id, labels: { name: "it" } });
    const observed = await observer.attach(child.id);
    await expect(observed.write(new Uint8Array(1))).rejects.toMatchObject({ code: -32600 });
    {
      // To let go of it does not end it.
      await using other = await connectWebsocket(runtime, { url, resumeSessionId, attach: "observe" });
      await using handle = await other.attach(child.id);
      expect(handle.id).toBe(child.id);
    }
    const second = await connectWebsocket(runtime, { url, resumeSessionId, attach: "takeOver" });
    expect((await within(3000, "the end of the first", first.closed)).message).toContain(
      "session has been resumed by another connection",
    );
    expect(await child.wait()).toMatchObject({ kind: "lost" });
    const taken = await second.attach(child.id);
    await expect(second.attach(child.id)).rejects.toMatchObject({ code: "ERR_DUPLICATE_PROCESS" });
    await expect(second.attach("none")).rejects.toMatchObject({ code: -32600 });
    await taken.write(new TextEncoder().encode("two\n"));
    for (const process of [taken, observed]) {
      expect(await new Response(process.stdout).text()).toBe("one\ntwo\n");
      expect(await process.wait()).toMatchObject({ kind: "exited", exitCode: 5 });
    }
    await observer.close();
    await second.close();
  });
});
