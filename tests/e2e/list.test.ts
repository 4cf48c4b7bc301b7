/** `process/list`, labels, and starts that may be repeated. */

import { expect } from "bun:test";
import { ours, suite, verifies } from "../support/harness.ts";
import { isAlive } from "../support/proc.ts";
import type { Json } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";

suite("list", { servers: ours }, (t) => {
  verifies("process/list: tells of every process of the session and of no other", async () => {
    const client = await t.fresh();
    const list = async (): Promise<Json[]> => (await client.call("process/list")).processes;
    expect(await list()).toEqual([]);
    const labels = { task: "build", ü: "" };
    const reader = await new RawProcess(client).start(t.params(["/bin/cat"], { pipeStdin: true, labels }));
    const terminal = await new RawProcess(client).start(t.params("exit 4", { tty: true }));
    const other = await t.start("exec sleep 99");
    await reader.write("hello");
    await reader.says("hello");
    await terminal.closed();
    const [first, second, ...more] = await list();
    expect(more).toEqual([]);
    expect(first).toEqual({
      processId: reader.id,
      argv: ["/bin/cat"],
      pid: expect.any(Number),
      tty: false,
      state: "running",
      startedAtMs: expect.any(Number),
      exitCode: null,
      outputBytes: 5,
      inputBytes: 5,
      attached: 1,
      labels,
    });
    expect(isAlive(first!.pid)).toBe(true);
    expect(Math.abs(first!.startedAtMs - Date.now())).toBeLessThan(60_000);
    expect(second).toMatchObject({ processId: terminal.id, tty: true, state: "closed", exitCode: 4 });
    await reader.end();
    expect((await list())[0]).toMatchObject({ state: "closed", exitCode: 137, signal: "SIGKILL" });
    await other.end();
    const bad = await client.ask("process/start", {
      processId: "x",
      ...t.params("true", { labels: { a: 5 } }),
    });
    expect(bad.error?.code).toBe(-32602);
  });

  verifies("process/start: once, the same request again is answered by the process that runs", async () => {
    const client = await t.fresh();
    const child = new RawProcess(client);
    const request = t.params("echo $$; exec sleep 99", { startOnce: true });
    const params = { processId: child.id, ...request };
    expect(await client.call("process/start", params)).toEqual({ processId: child.id, sandboxType: "none" });
    const joined = { processId: child.id, sandboxType: "none", joined: true };
    const answers = await Promise.all([1, 2, 3].map(() => client.call("process/start", params)));
    expect(answers).toEqual([joined, joined, joined]);
    await child.says("\n");
    expect(child.text.trim()).toMatch(/^\d+$/);
    for (const other of [{ argv: ["/bin/true"] }, { env: { PATH: "/bin", A: "1" } }, { tty: true }]) {
      const { error } = await client.ask("process/start", { ...params, ...other });
      expect(error).toEqual({
        code: -32600,
        message: `process ${child.id} already exists, and another request has started it`,
      });
    }
    const plain = await client.ask("process/start", { ...params, startOnce: false });
    expect(plain.error).toEqual({ code: -32600, message: `process ${child.id} already exists` });
    await child.end();
    expect(await client.call("process/start", params)).toEqual(joined);
  });
});
