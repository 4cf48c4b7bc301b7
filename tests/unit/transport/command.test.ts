import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectCommand } from "../../../lib/client/connect.ts";
import { ExecServerError } from "../../../lib/protocol/errors.ts";
import { bunRuntime } from "../../../lib/runtime/bun.ts";
import { type CommandOptions, type Launched, launchCommand } from "../../../lib/transport/command.ts";
import { until, within } from "../../support/deadline.ts";
import { Recorder, WAIT_MS } from "./support.ts";

const runtime = bunRuntime();
const done = { kind: "normal", message: "done" } as const;
const launched: Launched[] = [];

function launch(script: string, options: Partial<CommandOptions> = {}): Launched & { told: Recorder } {
  const one = launchCommand(runtime, { program: "sh", args: ["-c", script], ...options });
  launched.push(one);
  const told = new Recorder();
  one.channel.open(told);
  return { ...one, told };
}

afterEach(async () => {
  for (const one of launched.splice(0)) {
    one.channel.close(done);
    await within(WAIT_MS, "end of the program", one.ended);
  }
});

async function failureOf(promise: Promise<unknown>): Promise<ExecServerError> {
  return await within(
    WAIT_MS,
    "rejection",
    promise.then(
      () => expect.unreachable(),
      (error) => error,
    ),
  );
}

describe("launching a program", () => {
  test("talks to it in lines, and hears its stderr", async () => {
    const lines: string[] = [];
    const one = launch('echo hello >&2; while read -r line; do echo "got $line"; done', {
      onStderrLine: (line) => lines.push(line),
    });
    one.channel.send("a");
    one.channel.send("b");
    await until(WAIT_MS, "answers", () => one.told.messages.length === 2);
    expect(one.told.messages).toEqual(["got a", "got b"]);
    await until(WAIT_MS, "stderr", () => lines.length === 1);
    expect(lines).toEqual(["hello"]);
    expect(one.lastStderrLine()).toBe("hello");
    one.channel.close(done);
    // Its input has ended, and a shell that gets SIGTERM ends by it.
    const status = await within(WAIT_MS, "end", one.ended);
    expect([0, null]).toContain(status.code);
  });

  test("one that is missing is ERR_SPAWN with the name, the folder and the system's words", () => {
    // In a folder that may not be looked into it might be.
    const env = { PATH: "/usr/bin:/bin" };
    const options = { program: "no-such-program-here", args: [], cwd: "/", env };
    expect(() => launchCommand(runtime, options)).toThrow(
      new ExecServerError(
        "ERR_SPAWN",
        'Cannot start "no-such-program-here" in "/": No such file or directory (os error 2)',
      ),
    );
    try {
      launchCommand(runtime, { ...options, program: "/etc/passwd" });
      expect.unreachable();
    } catch (error) {
      expect((error as ExecServerError).code).toBe("ERR_SPAWN");
      expect((error as ExecServerError).message).toContain("Permission denied");
      expect((error as ExecServerError).cause).toBeInstanceOf(Error);
    }
  });

  test("a missing working directory is ERR_SPAWN", () => {
    expect(() => launchCommand(runtime, { program: "/bin/true", args: [], cwd: "/no/such/folder" })).toThrow(
      'Cannot start "/bin/true" in "/no/such/folder"',
    );
  });

  test("it runs in the folder given, and finds a program by the PATH given", async () => {
    const folder = mkdtempSync(join(tmpdir(), "command-test-"));
    try {
      const one = launch("pwd -P", { cwd: folder, env: { PATH: "/usr/bin:/bin" } });
      await until(WAIT_MS, "end", () => one.told.closes.length > 0);
      expect(one.told.messages).toEqual([folder]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("credentials are not inherited unless they are given; all else is", async () => {
    const names = [
      "CODEX_API_KEY",
      "CODEX_ACCESS_TOKEN",
      "OPENAI_API_KEY",
      "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN",
      "CODEX_EXEC_SERVER_CONNECTION_TOKEN",
      "NODE_REPL_AUTH_TOKEN",
    ];
    const before = { ...process.env };
    for (const name of [...names, "COMMAND_TEST_PLAIN"]) process.env[name] = "inherited";
    try {
      const one = launch("env", { env: { CODEX_API_KEY: "given", COMMAND_TEST_MORE: "1" } });
      await until(WAIT_MS, "end", () => one.told.closes.length > 0);
      const seen = new Map(one.told.messages.map((line) => line.split("=", 2) as [string, string]));
      expect(names.map((name) => seen.get(name))).toEqual(["given", ...Array(5).fill(undefined)]);
      expect(seen.get("COMMAND_TEST_PLAIN")).toBe("inherited");
      expect(seen.get("COMMAND_TEST_MORE")).toBe("1");
    } finally {
      for (const name of [...names, "COMMAND_TEST_PLAIN"]) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });

  test("a flood on stderr does not stop it, and the last line is cut", async () => {
    const one = launch(
      "yes 0123456789 | head -c 1000000 >&2; echo >&2; printf 'y%.0s' $(seq 500) >&2; echo done",
    );
    await until(WAIT_MS, "answer", () => one.told.messages.length === 1);
    await within(WAIT_MS, "end", one.ended);
    expect(one.lastStderrLine()).toBe("y".repeat(300));
  });
});

describe("the end of a launched program", () => {
  test("it is asked by SIGTERM as soon as the channel ends", async () => {
    const one = launch("trap 'echo term >&2; exit 7' TERM; echo ready; while :; do sleep 0.02; done");
    await until(WAIT_MS, "ready", () => one.told.messages.length === 1);
    const from = performance.now();
    one.channel.close(done);
    expect(await within(WAIT_MS, "end", one.ended)).toEqual({ code: 7, signal: null });
    expect(performance.now() - from).toBeLessThan(900);
    expect(one.lastStderrLine()).toBe("term");
  });

  test("one that ignores SIGTERM is killed after the grace time, not before", async () => {
    const one = launch("trap '' TERM; echo ready; while :; do sleep 0.02; done", { graceMs: 300 });
    await until(WAIT_MS, "ready", () => one.told.messages.length === 1);
    const from = performance.now();
    one.channel.close(done);
    expect(await within(WAIT_MS, "end", one.ended)).toEqual({ code: null, signal: 9 });
    expect(performance.now() - from).toBeGreaterThanOrEqual(290);
    expect(performance.now() - from).toBeLessThan(1500);
  });

  test("one that does not read what was sent ends all the same", async () => {
    const one = launch("echo ready; exec sleep 1000", { graceMs: 200 });
    await until(WAIT_MS, "ready", () => one.told.messages.length === 1);
    one.channel.send("x".repeat(4 * 1024 * 1024));
    await Bun.sleep(20);
    expect(one.channel.pendingBytes).toBeGreaterThan(0);
    one.channel.close(done);
    const status = await within(WAIT_MS, "end", one.ended);
    expect([9, 15]).toContain(status.signal!);
  });

  test("its helpers end with it, also when it ends by itself, and no descriptor is left", async () => {
    // The first child loads the library, which keeps two descriptors for good.
    await within(WAIT_MS, "end", launch(":").ended);
    const before = descriptors().length;
    const one = launch('sleep 1000 & echo $!; read -r line; echo "last words" >&2; exit 3');
    await until(WAIT_MS, "pid", () => one.told.messages.length === 1);
    const pid = Number(one.told.messages[0]);
    expect(pid).toBeGreaterThan(1);
    expect(alive(pid)).toBe(true);
    one.channel.send("go");
    expect(await within(WAIT_MS, "end", one.ended)).toEqual({ code: 3, signal: null });
    expect(one.lastStderrLine()).toBe("last words");
    await until(WAIT_MS, "end of the helper", () => !alive(pid));
    one.channel.close(done);
    await until(WAIT_MS, "descriptors closed", () => descriptors().length <= before);
  });

  test("a descendant in a session of its own that holds stderr does not delay the end", async () => {
    const one = launch("setsid sleep 5 & echo $!; exit 0");
    await until(WAIT_MS, "pid", () => one.told.messages.length === 1);
    const pid = Number(one.told.messages[0]);
    expect(pid).toBeGreaterThan(1);
    try {
      await within(3000, "end", one.ended);
    } finally {
      process.kill(pid, 9);
    }
  });
});

describe("a client over a launched program", () => {
  test("one that ends early is told with its status and its last line on stderr", async () => {
    const open = connectCommand(runtime, {
      program: "sh",
      args: ["-c", "echo first >&2; echo 'no such flag --foo' >&2; exit 64"],
    });
    const error = await failureOf(open);
    expect([error.code, error.message]).toEqual([
      "ERR_CONNECT",
      '"sh" ended with status 64 before it answered: no such flag --foo',
    ]);
  });

  test("one that ends by a signal without a word is told so", async () => {
    const error = await failureOf(connectCommand(runtime, { program: "sh", args: ["-c", "kill -9 $$"] }));
    expect(error.message).toBe('"sh" ended with signal 9 before it answered');
  });

  test("one that does not answer is ended after the initialize timeout", async () => {
    const folder = mkdtempSync(join(tmpdir(), "command-test-"));
    try {
      const error = await failureOf(
        connectCommand(runtime, {
          program: "sh",
          args: ["-c", `echo $$ > ${folder}/pid; exec sleep 1000`],
          initializeTimeoutMs: 200,
          graceMs: 200,
        }),
      );
      expect(error.code).toBe("ERR_INITIALIZE_TIMEOUT");
      const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
      await until(WAIT_MS, "end of the program", () => !alive(pid));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function alive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Our pipes and sockets. */
function descriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const to = readlinkSync(`/proc/self/fd/${fd}`);
      return /^(pipe|socket|anon_inode:\[pidfd)/.test(to) ? [to] : [];
    } catch {
      return [];
    }
  });
}
