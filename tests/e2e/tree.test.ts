/** Terminate, and the end of a session, take everything along that a process has started. */

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connectWebsocket, currentRuntime, localEnvironment, type StartOptions } from "../../mod.ts";
import { until, within } from "../support/deadline.ts";
import { guardOf } from "../support/proc.ts";

const runtime = await currentRuntime();

/** A number of seconds that no other process sleeps. */
let marker = 0;
const nextMarker = (): string => `${70_000 + (process.pid % 10_000)}.${++marker}`;

/** How many processes sleep that long. */
function sleepers(seconds: string): number {
  return readdirSync("/proc").filter((name) => {
    try {
      return readFileSync(`/proc/${name}/cmdline`, "latin1") === `sleep\0${seconds}\0`;
    } catch {
      return false;
    }
  }).length;
}

const shapes: [name: string, script: (sleep: string) => string, sleepers: number][] = [
  ["a child that ignores SIGTERM", (sleep) => `trap '' TERM; ${sleep}; true`, 1],
  ["background jobs", (sleep) => `${sleep} & ${sleep} & wait`, 2],
  ["a child in a session of its own", (sleep) => `setsid ${sleep} & wait`, 1],
  ["one that has lost its parent and left the session", (sleep) => `(setsid ${sleep} &); ${sleep}; true`, 2],
  [
    "a family in a session of its own, without our pipes",
    (sleep) => `setsid sh -c '${sleep} & ${sleep}; true' >/dev/null 2>&1 </dev/null & ${sleep}; true`,
    3,
  ],
  [
    "one that has lost its parent in a session within, without our pipes",
    (sleep) => `setsid sh -c '(${sleep} &); ${sleep}; true' >/dev/null 2>&1 </dev/null & ${sleep}; true`,
    3,
  ],
];

const ways: [string, Partial<StartOptions>][] = [
  ["by pipe", {}],
  ["by terminal", { terminal: { columns: 80, rows: 24 } }],
];

describe.each(ways)("a process started %s", (_way, options) => {
  test.each(shapes)("terminate takes %s along", async (_name, script, count) => {
    await using environment = localEnvironment(runtime);
    const seconds = nextMarker();
    const child = await environment.start({ argv: ["sh", "-c", script(`sleep ${seconds}`)], ...options });
    await until(5000, `${count} sleepers`, () => sleepers(seconds) === count);
    expect(await child.terminate()).toBe(true);
    expect(await child.wait()).toMatchObject({ kind: "exited", exitCode: 137 });
    await child.closed;
    await until(5000, "the end of all sleepers", () => sleepers(seconds) === 0);
  });
});

test("terminate takes along who has lost its parent, left the session and writes without end", async () => {
  await using environment = localEnvironment(runtime);
  const seconds = nextMarker();
  const flood = `setsid sh -c "sleep ${seconds} & while :; do echo y; done"`;
  const child = await environment.start({ argv: ["sh", "-c", `(${flood} &); exec sleep ${seconds}`] });
  const end = child.wait();
  await until(5000, "two sleepers", () => sleepers(seconds) === 2);
  await child.terminate();
  expect(await end).toMatchObject({ exitCode: 137 });
  await until(5000, "the end of all sleepers", () => sleepers(seconds) === 0);
});

test("with a grace such a one is asked too, and nobody is asked twice", async () => {
  await using environment = localEnvironment(runtime);
  const asked = (name: string, end: string) =>
    `trap "echo ${name} was asked${end}" TERM; echo ${name} is ready; while :; do sleep 0.01; done`;
  const script = `(setsid sh -c '${asked("stray", "; exit")}' &); ${asked("leader", "")}`;
  const child = await environment.start({ argv: ["sh", "-c", script] });
  const texts = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  const read = async (wanted: string): Promise<void> => {
    while (!said.includes(wanted)) {
      const { value, done } = await within(5000, wanted, texts.read());
      if (done) return;
      said += value;
    }
  };
  await read("stray is ready");
  await read("leader is ready");
  await child.terminate({ graceMs: 20_000 });
  await read("stray was asked");
  await child.terminate();
  await read("nothing more");
  expect(said.match(/\w+ was asked/g)?.sort()).toEqual(["leader was asked", "stray was asked"]);
});

test("nobody else is killed when programs that have closed their output are terminated", async () => {
  await using environment = localEnvironment(runtime);
  // Somebody who is known by the error output only holds that.
  const script = "exec >&-; (setsid sleep 1000 &); echo closed >&2; exec sleep 1000";
  const closed = await Promise.all(
    Array.from({ length: 4 }, () => environment.start({ argv: ["sh", "-c", script] })),
  );
  for (const one of closed) await one.stderr.getReader().read();
  // Some of these have a descriptor in the server now that an output had.
  const others = await Promise.all(
    Array.from({ length: 6 }, () => environment.start({ argv: ["sh", "-c", "cat; echo $?"], stdin: "pipe" })),
  );
  const said = others.map(async (other) => await new Response(other.stdout).text());
  for (const other of others) await other.write(new TextEncoder().encode("here "));
  for (const one of closed) await one.terminate();
  for (const one of closed) await one.closed;
  for (const other of others) await other.closeStdin();
  expect(await Promise.all(said)).toEqual(others.map(() => "here 0\n"));
});

test("the end of the session takes along what an ended command has left behind", async () => {
  const environment = localEnvironment(runtime);
  const seconds = nextMarker();
  const script = `sleep ${seconds} & setsid sleep ${seconds} & exit 3`;
  const child = await environment.start({ argv: ["sh", "-c", script] });
  expect(await child.wait()).toMatchObject({ exitCode: 3 });
  await until(5000, "two sleepers", () => sleepers(seconds) === 2);
  await environment.close();
  await until(5000, "the end of all sleepers", () => sleepers(seconds) === 0);
});

/** A server of its own, from the sources. */
async function startServer(...flags: string[]): Promise<{ child: Bun.Subprocess; url: string }> {
  const cli = join(import.meta.dir, "..", "..", "cli.ts");
  const child = Bun.spawn([process.execPath, "--no-env-file", cli, "serve", ...flags], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  return { child, url: new TextDecoder().decode(value).trim() };
}

test("the end of a server that asks nobody takes along who is known by the output only", async () => {
  const { child: server, url } = await startServer("--grace-seconds", "0");
  const client = await connectWebsocket(runtime, { url, recovery: { deadlineMs: 1 } });
  const seconds = nextMarker();
  const child = await client.start({
    argv: ["sh", "-c", `(setsid sleep ${seconds} &); exec sleep ${seconds}`],
  });
  child.wait();
  await until(5000, "two sleepers", () => sleepers(seconds) === 2);
  server.kill("SIGTERM");
  await server.exited;
  expect(sleepers(seconds)).toBe(0);
  await client.close();
});

test("after kill -9 of the server nothing is left of what it has started", async () => {
  const { child: server, url } = await startServer();
  const client = await connectWebsocket(runtime, { url, recovery: { deadlineMs: 1 } });
  const seconds = nextMarker();
  let expected = 0;
  for (const [, options] of ways) {
    for (const [name, script, count] of shapes) {
      // A terminal hangs up with the server, which ends its leader, and with it the trace to such a family.
      if (options.terminal && name.includes("without our pipes")) continue;
      const child = await client.start({ argv: ["sh", "-c", script(`sleep ${seconds}`)], ...options });
      child.wait();
      expected += count;
    }
  }
  await until(5000, `${expected} sleepers`, () => sleepers(seconds) === expected);
  server.kill("SIGKILL");
  await server.exited;
  await until(10_000, "the end of all sleepers", () => sleepers(seconds) === 0);
  await until(10_000, "the end of the guard", () => guardOf(server.pid) === undefined);
  await client.close();
}, 30_000);

/** Server kills in a row; more by hand. */
const KILLS = Number(process.env.EXEC_SERVER_KILLS ?? 4);

test(
  "a process does not outlive a server that is killed as soon as its start is answered",
  async () => {
    const seconds = nextMarker();
    for (let kill = 0; kill < KILLS; kill++) {
      const { child: server, url } = await startServer();
      const client = await connectWebsocket(runtime, { url, recovery: { deadlineMs: 1 } });
      const child = await client.start({ argv: ["sh", "-c", `setsid sleep ${seconds} & sleep ${seconds}`] });
      server.kill("SIGKILL");
      await server.exited;
      await until(10_000, "the end of the guard", () => guardOf(server.pid) === undefined);
      await until(10_000, "the end of all sleepers", () => sleepers(seconds) === 0);
      await child.closed;
      await client.close();
    }
  },
  20_000 + KILLS * 2000,
);
