/** Sessions and processes that survive what happens to connections, clients and servers. The long runs are `npm run soak`. */

import { describe, expect } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TextLineStream } from "@std/streams";
import {
  type Client,
  configuredEnvironment,
  connectWebsocket,
  currentRuntime,
  listen,
  type StartOptions,
} from "../../mod.ts";
import { startsUnderCuts, writesUnderCuts } from "../soak/effects_under_cuts.ts";
import { eventStreams } from "../soak/event_streams.ts";
import { halfOpen } from "../soak/half_open.ts";
import { killedClient } from "../soak/killed_client.ts";
import { largeCopy } from "../soak/large_copy.ts";
import { leaks } from "../soak/leaks.ts";
import { outputUnderCuts, roughly } from "../soak/output_under_cuts.ts";
import { stalledReader } from "../soak/stalled_reader.ts";
import { call } from "../support/cli.ts";
import { within } from "../support/deadline.ts";
import { startFaultProxy } from "../support/fault_proxy.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { deno, root } from "../support/programs.ts";
import { Listening } from "../support/servers.ts";

const seed = Number(process.env.EXEC_SERVER_SEED ?? Math.floor(Math.random() * 2 ** 31));
const runtime = await currentRuntime();
const terminal = { columns: 80, rows: 24 };
const MiB = 1024 * 1024;

const sh = (script: string, more: Partial<StartOptions> = {}): StartOptions => ({
  argv: ["/bin/sh", "-c", script],
  ...more,
});

suite("survival", { transports: ["websocket"] }, (t) => {
  for (const [name, isTerminal] of [
    ["pipe", false],
    ["terminal", true],
  ] as const) {
    verifies(
      "survival: each byte of an output arrives once and in order over a connection that breaks, or its gap is declared",
      `${name}, seed ${seed}`,
      async () => {
        const { url } = t.listening;
        const totalBytes = 2 * MiB;
        const options = { url, seed, cuts: 15, totalBytes, terminal: isTerminal, paced: !t.ours };
        const figures = await outputUnderCuts(options);
        expect(figures.exitCode).toBe(5);
        expect(figures.cuts).toBeGreaterThan(5);
        if (t.ours) expect(figures).toMatchObject({ bytes: totalBytes, gaps: 0, missingBytes: 0 });
      },
    );
  }

  verifies(
    "survival: nothing is done twice over a connection that breaks, and no result is made up",
    `starts, seed ${seed}`,
    async () => {
      const figures = await startsUnderCuts({ url: t.listening.url, seed, count: 60 });
      expect(figures.cuts).toBeGreaterThan(2);
      expect(figures.confirmed).toBeGreaterThan(10);
      // Of ours it is always known whether a start was carried out.
      if (t.ours) expect(figures.done).toBe(0);
    },
  );

  verifies(
    "survival: nothing is done twice over a connection that breaks, and no result is made up",
    `writes, seed ${seed}`,
    async () => {
      const figures = await writesUnderCuts({ url: t.listening.url, seed, count: 300 });
      expect(figures.cuts).toBeGreaterThan(0);
      expect(figures.confirmed).toBeGreaterThan(200);
      // Servers that know what is repeated are sent again what may be lost.
      if (t.id !== "codex-0.138.0") expect(figures).toMatchObject({ confirmed: 300, done: 0, undone: 0 });
    },
  );

  verifies("survival: a stalled reader costs bounded memory, and others are served", async () => {
    const { url, pid } = t.listening;
    const figures = await stalledReader({
      url,
      pid,
      stallMs: 1000,
      bytesPerTick: 2 * MiB,
      readBytes: 24 * MiB,
    });
    expect(figures.serverGrowthMiB).toBeLessThan(60);
    expect(figures.clientGrowthMiB).toBeLessThan(120);
    expect(figures.slowestCallMs).toBeLessThan(2000);
    if (t.ours) expect(figures).toMatchObject({ gaps: 0, missingBytes: 0 });
  });

  verifies("survival: event streams side by side lose nothing, and others are served", async () => {
    const { url, pid } = t.listening;
    const figures = await eventStreams({ url, pid, streams: 10, events: 10, everyMs: 50 });
    expect(figures.events).toBe(100);
    expect(figures.slowestRequestMs).toBeLessThan(2000);
  });

  verifies("survival: the session of a killed client is taken over by another program", async () => {
    const figures = await killedClient(t.listening.url, 20_000);
    expect(figures.exitCode).toBe(7);
    expect(figures.linesAfter).toBeGreaterThan(5000);
  });

  verifies("survival: 2,000 lines arrive through a slow reader", async () => {
    await using client = await connectWebsocket(runtime, { url: t.listening.url });
    const child = await client.start(
      sh("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done; exit 3"),
    );
    const lines: string[] = [];
    const stream = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of stream) {
      lines.push(line);
      if (lines.length % 10 === 0) await Bun.sleep(1);
    }
    expect(lines).toEqual(Array.from({ length: 2000 }, (_, i) => `line ${i + 1}`));
    expect(await child.wait()).toMatchObject({ kind: "exited", exitCode: 3 });
  });

  verifies("survival: stderr goes on when stdout has ended", async () => {
    await using client = await connectWebsocket(runtime, { url: t.listening.url });
    const child = await client.start(sh("echo out; exec >&-; sleep 0.2; echo late >&2; exit 4"));
    const [out, err] = await within(
      10_000,
      "both streams",
      Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]),
    );
    expect([out, err]).toEqual(["out\n", "late\n"]);
    expect(await child.wait()).toMatchObject({ exitCode: 4 });
  });

  verifies("survival: a large paste and a flood do not block each other in a terminal", async () => {
    // It does one thing at a time: on a busy machine a write that waits for the terminal holds up its output, and the end.
    if (t.id === "codex-0.138.0") return;
    await using client = await connectWebsocket(runtime, { url: t.listening.url });
    // What is typed comes back, while it is still being typed.
    const echo = await client.start(sh("stty raw -echo; echo ready; exec cat", { terminal }));
    const events = echo[Symbol.asyncIterator]();
    let ready = "";
    while (!ready.includes("ready")) {
      const { value } = await within(10_000, "ready", events.next());
      if (value?.kind === "output") ready += Buffer.from(value.bytes).toString();
    }
    const paste = Buffer.alloc(MiB, "0123456789abcdef\n");
    const writer = echo.stdin.getWriter();
    const pasted = writer.write(paste);
    const back: Uint8Array[] = [Buffer.from(ready.slice(ready.indexOf("ready") + 6).trimStart())];
    for (let bytes = back[0]!.length; bytes < paste.length; ) {
      const { value } = await within(10_000, `more than ${bytes} bytes`, events.next());
      if (value?.kind !== "output") throw new Error(JSON.stringify(value));
      back.push(value.bytes);
      bytes += value.bytes.length;
    }
    await within(10_000, "the end of the paste", pasted);
    expect(Buffer.concat(back).equals(paste)).toBe(true);
    expect(await within(10_000, "termination", echo.terminate())).toBe(true);

    // One that floods and never reads takes no harm, and can be ended.
    const flood = await client.start(sh("stty raw -echo; exec yes", { terminal }));
    const ended = flood.wait();
    const refused = flood.stdin
      .getWriter()
      .write(paste)
      .catch(() => {});
    await Bun.sleep(200);
    expect(await within(10_000, "termination of the flood", flood.terminate())).toBe(true);
    await within(10_000, "the end of the flood", ended);
    await within(10_000, "the end of its paste", refused);
  });

  verifies(
    "survival: of two clients that want one session, one has it at a time, and none loses a byte",
    async () => {
      const proxy = startFaultProxy(t.listening.url, { seed });
      try {
        await using first = await connectWebsocket(runtime, {
          url: proxy.url,
          recovery: { firstDelayMs: 20, maxDelayMs: 50 },
        });
        const script = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 9";
        const child = await first.start(sh(script));
        const text = new Response(child.stdout).text();
        const [lost, back] = [changeOf(first, "lost"), changeOf(first, "resumed")];
        proxy.refuse();
        proxy.cut();
        await within(5000, "the loss", lost);
        const second = await taken(t.listening.url, first.sessionId);
        proxy.accept();
        // The first asks again and again, and is refused as long as the second is there.
        await Bun.sleep(400);
        expect([first.connected, second.connected]).toEqual([false, true]);
        const read = await second.call("process/read", { processId: child.id, afterSeq: 0 });
        expect(read.chunks.length).toBeGreaterThan(0);
        await second.close();
        await within(10_000, "the return of the first", back);
        expect(await within(10_000, "the rest", text)).toBe(
          Array.from({ length: 50 }, (_, i) => `${i + 1}\n`).join(""),
        );
        expect(await child.wait()).toMatchObject({ kind: "exited", exitCode: 9 });
      } finally {
        proxy.close();
      }
    },
  );

  verifies(
    "survival: when the server is killed, handles end as lost and keep what they have read",
    async () => {
      const server = await Listening.start(t.server, t.folder);
      const client = await connectWebsocket(runtime, {
        url: server.url,
        recovery: { deadlineMs: 300, firstDelayMs: 10 },
      });
      const child = await client.start(sh("echo captured; exec sleep 100"));
      const events = child[Symbol.asyncIterator]();
      while (child.lastSeq === 0) await Bun.sleep(5);
      const pending = client.call("process/read", { processId: child.id, afterSeq: 1, waitMs: 60_000 });
      const failure = pending.catch((error: { code: string }) => error.code);
      server.child.kill("SIGKILL");
      await server.child.exited;
      expect(await within(5000, "the end of a call", failure)).toBe("ERR_DISCONNECTED");
      const seen = [await events.next(), await within(5000, "the end", events.next()), await events.next()];
      expect(seen.map(({ value }) => value?.kind)).toEqual(["output", "failed", undefined]);
      expect(await child.wait()).toMatchObject({ kind: "lost" });
      await expect(child.write(new Uint8Array(1))).rejects.toMatchObject({ code: "ERR_DISCONNECTED" });
      await client.close();
    },
  );

  verifies("survival: the next operation after a lost session opens one fresh session for all", async () => {
    const first = await Listening.start(t.server, t.folder);
    const proxy = startFaultProxy(first.url, { seed });
    const environment = configuredEnvironment(runtime, {
      id: "remote",
      initializeTimeoutMs: 10_000,
      transport: { kind: "websocket", url: proxy.url, connectTimeoutMs: 10_000 },
    });
    try {
      const child = await environment.start(sh("exec sleep 100"));
      const ended = child.wait();
      const old = await environment.client();
      first.child.kill("SIGKILL");
      await first.child.exited;
      // The session is not known to a server that was started again.
      const second = await Listening.start(t.server, t.folder);
      proxy.aim(second.url);
      await within(10_000, "the end of the old session", old.closed);
      expect((await ended).kind).toBe("lost");
      const before = proxy.connections;
      const children = await within(
        10_000,
        "five starts",
        Promise.all([1, 2, 3, 4, 5].map((status) => environment.start(sh(`exit ${status}`)))),
      );
      const codes = await Promise.all(children.map(async (each) => await each.wait()));
      expect(codes.map((end) => end.kind === "exited" && end.exitCode)).toEqual([1, 2, 3, 4, 5]);
      expect(proxy.connections - before).toBe(1);
      expect((await environment.client()).sessionId).not.toBe(old.sessionId);
      await environment.close();
      await second.stop();
    } finally {
      await environment.close();
      proxy.close();
    }
  });
});

suite("survival, ours", { transports: ["websocket"], servers: ours }, (t) => {
  verifies("survival: reconnects leave no descriptor and no child", async () => {
    const { url, pid } = t.listening;
    const figures = await leaks({ url, pid, processes: 100, reconnects: 50, seed });
    expect(figures.children).toBe(0);
    expect(figures.memoryMiB[1]! - figures.memoryMiB[0]!).toBeLessThan(60);
  });

  verifies(
    "survival: a copy over a connection that breaks goes on at the last good block",
    `seed ${seed}`,
    async () => {
      const { url, pid } = t.listening;
      const totalBytes = 40 * MiB;
      const { up, down } = await largeCopy({ url, pid, seed, cuts: 3, totalBytes, limitMs: 25_000 });
      // What was sent in all has been looked at against this.
      expect([up.cuts, down.cuts]).toEqual([3, 3]);
      expect(up.sentBytes).toBeGreaterThan(totalBytes);
      expect(down.sentBytes).toBeGreaterThan(totalBytes);
    },
  );
});

describe("a half-open connection", () => {
  verifies("survival: a half-open connection is noticed by both sides", async () => {
    const figures = await halfOpen({ pingIntervalMs: 100, limitMs: 5000, seed });
    expect(figures.clientSeconds).toBeGreaterThan(0.1);
    expect(figures.serverSeconds).toBeGreaterThan(0.1);
  });
});

describe("a client in a program of its own", () => {
  const programs: Record<string, readonly string[]> = {
    bun: [process.execPath, "--no-env-file"],
    ...("path" in deno ? { deno: [deno.path, "run", "-A", "--config", join(root, "deno.json")] } : {}),
  };

  /** Runs the client over a server in this program. */
  async function run(
    program: readonly string[],
    script: string,
    url: string,
    whenReady: (pid: number) => Promise<void> = async () => {},
  ): Promise<{ bytes: number; gaps: number; sha256: string; end: object; lost: number }> {
    const child = Bun.spawn([...program, join(root, "tests", "soak", "reader.ts"), url, "pipe", script], {
      stdout: "pipe",
      stderr: "inherit",
    });
    try {
      const reader = child.stdout.getReader();
      const decoder = new TextDecoder();
      let text = "";
      const read = async (): Promise<boolean> => {
        const { value, done } = await within(20_000, "output of the client", reader.read());
        text += decoder.decode(value, { stream: true });
        return !done;
      };
      while (!text.startsWith("ready\n")) if (!(await read())) throw new Error("The client ended");
      await whenReady(child.pid);
      while (await read());
      return JSON.parse(text.slice("ready\n".length));
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  }

  verifies("survival: a client on Deno gets each byte over a connection that breaks", async () => {
    if (!programs.deno) return;
    const listener = await listen(runtime);
    const proxy = startFaultProxy(listener.url, { seed, ...roughly, cutAfterBytes: [500, 300_000] });
    const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
    try {
      const copy = join(folder, "copy");
      const script = `head -c ${2 * MiB} /dev/urandom | tee ${copy}; exit 5`;
      const told = await run(programs.deno, script, proxy.url);
      expect(told).toMatchObject({ bytes: 2 * MiB, gaps: 0, end: { kind: "exited", exitCode: 5 } });
      expect(told.sha256).toBe(createHash("sha256").update(readFileSync(copy)).digest("hex"));
      expect(told.lost).toBeGreaterThan(2);
    } finally {
      proxy.close();
      await listener.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  verifies("survival: run passes all input and output over a connection that breaks", async () => {
    const listener = await listen(runtime);
    const proxy = startFaultProxy(listener.url, { seed, ...roughly, cutAfterBytes: [300_000, 900_000] });
    try {
      const stdin = Array.from({ length: 300_000 }, (_, i) => `${i}\n`).join("");
      const told = await call(["run", "--", "sh", "-c", "cat; exit 7"], {
        env: { CODEX_HOME: undefined, HOME: tmpdir(), CODEX_EXEC_SERVER_URL: proxy.url },
        stdin,
      });
      expect(told.status).toBe(7);
      expect(told.stdout === stdin).toBe(true);
      expect(told.stderr).toContain("the connection is back");
      expect(proxy.cuts).toBeGreaterThan(1);
    } finally {
      proxy.close();
      await listener.close();
    }
  });

  verifies("survival: a client that was suspended goes on where it was", async () => {
    for (const program of Object.values(programs)) {
      const dropped = Promise.withResolvers<void>();
      const listener = await listen(runtime, {
        pingIntervalMs: 50,
        log: (line) => line.includes("pings brought no answer") && dropped.resolve(),
      });
      try {
        const script = "seq 1 1000; while [ ! -e $1 ]; do sleep 0.01; done; seq 1001 2000; exit 6";
        const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
        const go = join(folder, "go");
        const told = await run(program, script.replace("$1", go), listener.url, async (pid) => {
          process.kill(pid, "SIGSTOP");
          await within(5000, "the loss at the server", dropped.promise);
          writeFileSync(go, "");
          process.kill(pid, "SIGCONT");
        });
        rmSync(folder, { recursive: true, force: true });
        const wanted = Array.from({ length: 2000 }, (_, i) => `${i + 1}\n`).join("");
        expect(told).toEqual({
          bytes: wanted.length,
          gaps: 0,
          sha256: createHash("sha256").update(wanted).digest("hex"),
          end: { kind: "exited", exitCode: 6, sandboxDenied: false },
          lost: 1,
        });
      } finally {
        await listener.close();
      }
    }
  });
});

/** A session as soon as the server has seen the end of its connection. */
async function taken(url: string, resumeSessionId: string): Promise<Client> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await connectWebsocket(runtime, { url, resumeSessionId });
    } catch (error) {
      if (attempt >= 100) throw error;
      await Bun.sleep(20);
    }
  }
}

function changeOf(client: Client, kind: "lost" | "resumed"): Promise<void> {
  return new Promise((resolve) => {
    const undo = client.onConnectionChange((change) => {
      if (change.kind !== kind) return;
      undo();
      resolve();
    });
  });
}
