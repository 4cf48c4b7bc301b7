/** `process/output`, `process/exited`, `process/closed`: numbers, order, retention. */

import { expect } from "bun:test";
import { ours, suite, verifies } from "../support/harness.ts";
import type { Json } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";

const counted = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

suite("events", { peerTransports: ["stdio"] }, (t) => {
  verifies("events: numbers run from 1 without a gap, and closed comes last and once", async () => {
    const client = await t.client();
    const scripts = ["true", "echo out", "echo err >&2; echo out", "echo a; exec sleep 0.01", "seq 3000"];
    const runs = Array.from({ length: 60 }, async (_, i) => {
      const child = new RawProcess(client);
      await child.start(t.params(scripts[i % scripts.length]!, { tty: i % 7 === 0 }));
      return await child.closed();
    });
    for (const { seqs, kinds } of await Promise.all(runs)) {
      expect([...seqs].sort((a, b) => a - b)).toEqual(counted(seqs.length));
      expect(kinds.at(-1)).toBe("closed");
      expect(kinds.filter((kind) => kind !== "output").sort()).toEqual(["closed", "exited"]);
      if (t.ours) expect(seqs).toEqual(counted(seqs.length));
    }
  });

  verifies("events: stdout and stderr are told apart, a terminal has one stream", async () => {
    const pipes = await t.run("echo out; echo err >&2");
    expect([pipes.stdout, pipes.stderr, pipes.pty]).toEqual(["out\n", "err\n", ""]);
    const terminal = await t.run("echo out; echo err >&2", { tty: true });
    expect([terminal.stdout, terminal.stderr, terminal.pty]).toEqual(["", "", "out\r\nerr\r\n"]);
  });

  verifies("events: exited is not delayed by a grandchild that holds a pipe, closed is", async () => {
    const check = async (redirect: string): Promise<void> => {
      const from = performance.now();
      const child = await t.start(`(sleep 0.4; echo late; echo late >&2) ${redirect} & echo early; exit 4`);
      expect(await child.exited()).toBe(4);
      expect(performance.now() - from).toBeLessThan(350);
      expect(child.events.some(({ kind }) => kind === "closed")).toBe(false);
      const told = await child.closed();
      expect(performance.now() - from).toBeGreaterThan(390);
      expect(told.kinds.at(-1)).toBe("closed");
      expect(told.stdout).toBe(redirect.startsWith(">") ? "early\n" : "early\nlate\n");
      expect(told.stderr).toBe(redirect.startsWith("2") ? "" : "late\n");
    };
    await Promise.all(["", ">/dev/null", "2>/dev/null"].map(check));
  });

  verifies("events: a child that closes its streams has exited and closed when it ends", async () => {
    const child = await t.start("exec >&- 2>&-; sleep 0.1; exit 6");
    expect(await child.exited()).toBe(6);
    expect((await child.closed()).seqs.length).toBe(2);
  });

  verifies("events: nothing more than their members is in them", async () => {
    const client = await t.client();
    const raw: Json[] = [];
    const id = "members";
    client.route.set(id, (method, params) => raw.push({ method, params }));
    await client.call("process/start", { processId: id, ...t.params("echo on; exit 2") });
    await client.until(() => raw.length === 3 || undefined).catch(() => {});
    await client.call("process/read", { processId: id, afterSeq: 99, waitMs: 5000 });
    raw.sort((a, b) => a.params.seq - b.params.seq);
    const output = raw.find(({ method }) => method === "process/output");
    expect(output.params).toEqual({ processId: id, seq: output.params.seq, stream: "stdout", chunk: "b24K" });
    const exited = raw.find(({ method }) => method === "process/exited");
    const { sandboxDenied, ...rest } = exited.params;
    expect(rest).toEqual({ processId: id, seq: exited.params.seq, exitCode: 2 });
    t.same("sandboxDenied", sandboxDenied, false);
    expect(raw.at(-1)).toEqual({ method: "process/closed", params: { processId: id, seq: 3 } });
  });

  verifies("events: output of a fast process is whole", async () => {
    for (let i = 0; i < 30; i++) {
      const told = await t.run("echo one; echo two >&2; echo three", { tty: i % 2 === 0 });
      expect(told.bytes.toString().replaceAll("\r", "").length).toBe("one\ntwo\nthree\n".length);
    }
  });

  verifies("state: a closed process can still be read, and takes nothing more", async () => {
    const child = await t.start("echo on; exit 9", { pipeStdin: true });
    await child.closed();
    const result = await child.read({ waitMs: 60_000 });
    expect(result).toMatchObject({ exited: true, exitCode: 9, closed: true, failure: null });
    expect(result.chunks.length).toBe(1);
    expect(await child.terminate()).toBe(false);
  });

  verifies(
    "state: an exited process that is not closed takes signals and terminations in silence",
    async () => {
      const child = await t.start("(sleep 0.2; echo late) & exit 0", { pipeStdin: true });
      await child.exited();
      expect(await child.read()).toMatchObject({ exited: true, closed: false });
      expect(await child.terminate()).toBe(false);
      t.same("write after the exit", await child.write("x"), "stdinClosed");
      expect((await child.closed()).stdout).toBe("late\n");
    },
  );

  verifies("retention: the newest output stays, events are all sent", async () => {
    const total = 6_000_000;
    const child = await t.start(`head -c ${total} /dev/zero`);
    const told = await child.closed(20_000);
    expect(told.bytes.length).toBe(total);
    const { chunks, lostBytes } = await child.read();
    const kept = chunks.reduce(
      (sum: number, { chunk }: Json) => sum + Buffer.from(chunk, "base64").length,
      0,
    );
    const limit = t.ours ? 4 * 1024 * 1024 : 1024 * 1024;
    expect(kept).toBeLessThanOrEqual(limit);
    expect(kept).toBeGreaterThan(limit - 256 * 1024);
    // The exit may have its number among those of the output.
    const sent = child.events.filter(({ kind }) => kind === "output").map(({ seq }) => seq);
    expect(chunks.map(({ seq }: Json) => seq)).toEqual(sent.sort((a, b) => a - b).slice(-chunks.length));
    t.same("lostBytes", lostBytes === total - kept, true);
  });
});

suite("retention, ours", {
  servers: ours,
  launch: { args: ["--retain-bytes", "100000"] },
  transports: ["stdio"],
}, (t) => {
  verifies("retention: a reader that comes too late is told how many bytes are gone", async () => {
    const child = await t.start("for i in 1 2 3 4 5 6 7 8; do head -c 30000 /dev/zero; sleep 0.02; done");
    await child.closed();
    const all = child.events.filter(({ kind }) => kind === "output");
    for (const { seq } of [{ seq: 0 }, ...all]) {
      const { chunks, lostBytes = 0 } = await child.read({ afterSeq: seq });
      const after = all.filter((event) => event.seq > seq).reduce((sum, { bytes }) => sum + bytes!.length, 0);
      const kept = chunks.reduce(
        (sum: number, { chunk }: Json) => sum + Buffer.from(chunk, "base64").length,
        0,
      );
      expect({ seq, sum: kept + lostBytes }).toEqual({ seq, sum: after });
      expect(kept).toBeLessThanOrEqual(100_000);
    }
    expect((await child.read()).lostBytes).toBeGreaterThan(100_000);
    expect(await child.read({ afterSeq: all.at(-1)!.seq })).not.toHaveProperty("lostBytes");
  });
});
