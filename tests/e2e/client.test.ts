/** Our client and our environments against every server. */

import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import {
  type Client,
  configuredEnvironment,
  connectCommand,
  connectWebsocket,
  currentRuntime,
  type Environment,
  localEnvironment,
  type Process,
  type StartOptions,
} from "../../mod.ts";
import { until, within } from "../support/deadline.ts";
import { type Harness, suite, verifies } from "../support/harness.ts";
import { processesIn } from "../support/proc.ts";
import { ServerFolder } from "../support/servers.ts";

const text = new TextEncoder();

/** What the events of a process come to. */
interface Seen {
  stdout: string;
  stderr: string;
  pty: string;
  exitCode: number | undefined;
  /** The numbers were 1, 2, 3 … and the last event was `closed`. */
  inOrder: boolean;
}

async function seen(process: Process): Promise<Seen> {
  const result: Seen = { stdout: "", stderr: "", pty: "", exitCode: undefined, inOrder: true };
  let next = 1;
  let last = "";
  for await (const event of process) {
    last = event.kind;
    if (event.kind === "failed" || event.kind === "gap") throw new Error(JSON.stringify(event));
    if (event.seq !== next++) result.inOrder = false;
    if (event.kind === "output") result[event.stream] += Buffer.from(event.bytes).toString("latin1");
    if (event.kind === "exited") result.exitCode = event.exitCode;
  }
  if (last !== "closed") result.inOrder = false;
  return result;
}

const sh = (script: string, more: Partial<StartOptions> = {}): StartOptions => ({
  argv: ["/bin/sh", "-c", script],
  ...more,
});

async function open(t: Harness): Promise<Client> {
  const runtime = await currentRuntime();
  if (t.transport === "websocket") return await connectWebsocket(runtime, { url: t.listening.url });
  const [program, ...args] = t.server.command;
  return await connectCommand(runtime, {
    program: program!,
    args: [...args, "--listen", "stdio"],
    env: t.folder.env(),
    cwd: t.folder.work,
  });
}

suite("our client", {}, (t) => {
  verifies("client: starts, reads, writes and ends processes on every server", async () => {
    await using client = await open(t);
    const told = await seen(await client.start(sh("pwd; echo err >&2; exit 3")));
    expect(told).toEqual({
      stdout: `${t.folder.work}\n`,
      stderr: "err\n",
      pty: "",
      exitCode: 3,
      inOrder: true,
    });

    const cat = await client.start({ argv: ["/bin/cat"], stdin: "pipe" });
    const all = seen(cat);
    expect(await cat.write(text.encode("over "))).toBe("accepted");
    expect(await cat.write(text.encode("there\n"))).toBe("accepted");
    if (t.ours) {
      expect(await cat.closeStdin()).toBe("accepted");
      expect(await all).toMatchObject({ stdout: "over there\n", exitCode: 0, inOrder: true });
    } else {
      await expect(cat.closeStdin()).rejects.toMatchObject({ code: "ERR_UNSUPPORTED" });
      expect(await cat.terminate()).toBe(true);
      await all;
    }

    const terminal = await client.start(
      sh("stty size; read x; echo got $x", { terminal: { columns: 90, rows: 20 } }),
    );
    const typed = seen(terminal);
    await terminal.write(text.encode("on\n"));
    // The echo may come before the size.
    const { pty } = await typed;
    expect(pty).toContain(t.ours ? "20 90\r\n" : "24 80\r\n");
    expect(pty).toEndWith("got on\r\n");
  });

  verifies("client: a working directory is given as a path, in the form of each server", async () => {
    await using client = await open(t);
    const cwd = `${t.folder.work}/a b ü %`;
    mkdirSync(cwd, { recursive: true });
    expect(
      Buffer.from((await seen(await client.start(sh("pwd", { cwd })))).stdout, "latin1").toString(),
    ).toBe(`${cwd}\n`);
    await expect(client.start(sh("pwd", { cwd: "/no/such" }))).rejects.toMatchObject({ code: -32603 });
  });

  verifies("client: a process that is ended tells its status", async () => {
    await using client = await open(t);
    const process = await client.start(sh("echo ready; exec sleep 100"));
    const ended = process.wait();
    expect(await process.terminate()).toBe(true);
    const end = await ended;
    const code = end.kind === "exited" ? end.exitCode : end;
    t.same("exit code of terminate, one", code, 137);
    expect(end.kind === "exited" && end.signal).toBe(t.ours ? "SIGKILL" : undefined);
    expect(await process.terminate()).toBe(false);
  });

  verifies("client: a megabyte in and out is whole", async () => {
    await using client = await open(t);
    const bytes = new Uint8Array(1_000_000).map((_, i) => (i * 7) % 251);
    const process = await client.start(sh(`head -c ${bytes.length}`, { stdin: "pipe" }));
    const all = seen(process);
    for (let i = 0; i < bytes.length; i += 100_000) await process.write(bytes.subarray(i, i + 100_000));
    const { stdout, inOrder } = await all;
    expect(inOrder).toBe(true);
    expect(Buffer.from(stdout, "latin1").equals(bytes)).toBe(true);
  });

  verifies("client: a call that no message carries is refused, and the connection lives on", async () => {
    await using client = await open(t);
    const changes: string[] = [];
    client.onConnectionChange(({ kind }) => changes.push(kind));
    const cat = await client.start({ argv: ["/bin/cat"], stdin: "pipe" });
    const write = cat.write(new Uint8Array(49 * 1024 * 1024));
    await expect(within(5000, "answer", write)).rejects.toMatchObject({ code: "ERR_UNSUPPORTED" });
    const start = client.start({ argv: ["/bin/echo", "x".repeat(65 * 1024 * 1024)] });
    await expect(within(5000, "answer", start)).rejects.toMatchObject({ code: "ERR_UNSUPPORTED" });
    expect(await cat.terminate()).toBe(true);
    expect(changes).toEqual([]);
  });

  verifies("client: output that nobody reads holds up neither calls nor other processes", async () => {
    await using client = await open(t);
    const flood = await client.start({ argv: ["/bin/cat", "/dev/zero"] });
    // It is held back when nothing more comes.
    for (let before = -1; before !== flood.lastSeq || before === 0; await Bun.sleep(100))
      before = flood.lastSeq;
    const other = await within(5000, "a start", client.start(sh("echo on; exit 4")));
    expect(await within(5000, "its end", seen(other))).toMatchObject({ stdout: "on\n", exitCode: 4 });
    const quiet = await client.start(sh("sleep 0.2; exit 5"));
    expect(await within(5000, "an end that is waited for", quiet.wait())).toMatchObject({ exitCode: 5 });
    expect(await within(5000, "a termination", flood.terminate())).toBe(true);
    // Who reads now gets everything in order, or is told what is missing.
    let next = 1;
    let last = "";
    for await (const event of flood) {
      last = event.kind;
      if (event.kind === "failed") throw new Error(event.message);
      expect(event.kind === "gap" ? event.firstSeq : event.seq).toBe(next);
      next = (event.kind === "gap" ? event.lastSeq : event.seq) + 1;
    }
    expect(last).toBe("closed");
  });

  verifies("client: the end of the server is told, and no call hangs", async () => {
    if (t.transport === "websocket") return;
    const client = await open(t);
    const process = await client.start(sh("echo ready; exec sleep 100"));
    const pids = processesIn(t.folder.work);
    const server = pids.find((pid) => /exec-server|cli\.ts/.test(commandOf(pid)))!;
    const pending = client.call("process/read", { processId: process.id, waitMs: 60_000 });
    globalThis.process.kill(server, "SIGKILL");
    await expect(pending).rejects.toMatchObject({ code: "ERR_DISCONNECTED" });
    expect((await process.wait()).kind).toBe("lost");
    await expect(client.info().then(() => client.start(sh("true")))).rejects.toMatchObject({
      code: "ERR_DISCONNECTED",
    });
    await client.close();
    // What a killed server has just started may live on.
    for (const pid of processesIn(t.folder.work)) kill(pid);
  });
});

function kill(pid: number): void {
  try {
    globalThis.process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8");
}

/** What every environment, local or remote, must show alike. */
const scenarios: Record<string, [options: StartOptions, wanted: Omit<Seen, "inOrder">]> = {
  "both streams and a status": [
    sh("echo out; echo err >&2; exit 5"),
    { stdout: "out\n", stderr: "err\n", pty: "", exitCode: 5 },
  ],
  "no output": [{ argv: ["true"] }, { stdout: "", stderr: "", pty: "", exitCode: 0 }],
  "a terminal": [
    sh("test -t 0 && echo tty; exit 2", { terminal: { columns: 80, rows: 24 } }),
    { stdout: "", stderr: "", pty: "tty\r\n", exitCode: 2 },
  ],
  "an environment of its own": [
    { argv: ["/usr/bin/env"], env: { ONLY: "this" }, envPolicy: null },
    { stdout: "ONLY=this\n", stderr: "", pty: "", exitCode: 0 },
  ],
  "another name": [
    { argv: ["/bin/sh", "-c", "echo $0"], arg0: "named" },
    { stdout: "named\n", stderr: "", pty: "", exitCode: 0 },
  ],
  "a grandchild that lags behind": [
    sh("(sleep 0.2; echo late) & echo early; exit 1"),
    { stdout: "early\nlate\n", stderr: "", pty: "", exitCode: 1 },
  ],
};

function environmentSuite(environment: () => Environment): void {
  for (const [name, [options, wanted]] of Object.entries(scenarios)) {
    verifies("environments: local and remote show the same events", name, async () => {
      expect(await seen(await environment().start(options))).toEqual({ ...wanted, inOrder: true });
    });
  }

  verifies("environments: a start that fails is the same error everywhere", async () => {
    await expect(environment().start({ argv: ["/no/such"] })).rejects.toMatchObject({
      code: -32603,
      message: "No such file or directory (os error 2)",
    });
    await expect(environment().start({ argv: [] })).rejects.toMatchObject({ code: -32602 });
    // Nothing is left of them.
    expect((await seen(await environment().start({ argv: ["true"] }))).exitCode).toBe(0);
  });

  verifies("environments: each names its shell", async () => {
    const { shell } = await environment().info();
    expect(shell.path).toStartWith("/");
    expect((await seen(await environment().start({ argv: [shell.path, "-c", "echo on"] }))).stdout).toBe(
      "on\n",
    );
  });
}

suite("remote environment", {}, (t) => {
  let environment: Environment;
  beforeAll(async () => {
    const runtime = await currentRuntime();
    const [program, ...args] = t.server.command;
    environment = configuredEnvironment(runtime, {
      id: "remote",
      initializeTimeoutMs: 10_000,
      transport:
        t.transport === "websocket"
          ? { kind: "websocket", url: t.listening.url, connectTimeoutMs: 10_000 }
          : {
              kind: "stdio",
              program: program!,
              args: [...args, "--listen", "stdio"],
              env: t.folder.env(),
              cwd: t.folder.work,
            },
    });
  });
  t.closing.push(async () => {
    await environment.close();
    if (t.transport === "stdio" && t.ours) {
      await until(3000, "end of the server", () => processesIn(t.folder.path).length === 0);
    }
  });
  environmentSuite(() => environment);
});

describe("local environment", () => {
  let environment: Environment;
  const folder = new ServerFolder();
  beforeAll(async () => {
    environment = localEnvironment(await currentRuntime());
  });
  afterAll(async () => {
    await environment.close();
    await folder.remove({ strict: true });
  });
  environmentSuite(() => environment);

  verifies("environments: the end of the local one ends its processes", async () => {
    const own = localEnvironment(await currentRuntime());
    await own.start(sh("trap '' TERM HUP; while :; do sleep 100; done", { cwd: folder.work }));
    expect(processesIn(folder.work).length).toBeGreaterThan(0);
    await own.close();
    await until(3000, "end of the processes", () => processesIn(folder.work).length === 0);
  });
});
