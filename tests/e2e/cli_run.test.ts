/** `exec-server run`, as a user calls it: on this machine, over a websocket, over stdio, and on the real servers. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime, type Listener, listen } from "../../mod.ts";
import { call, program } from "../support/cli.ts";
import { until } from "../support/deadline.ts";
import { codex138, codex169 } from "../support/programs.ts";

setDefaultTimeout(30_000);

let home = "";
let listener: Listener;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  listener = await listen(await currentRuntime());
  const stdio = (id: string, command: readonly string[]): string =>
    `[[environments]]\nid = "${id}"\nprogram = ${JSON.stringify(command[0])}\nargs = ${JSON.stringify(command.slice(1))}\n`;
  const codex = (id: string, found: typeof codex138): string =>
    "path" in found
      ? `${stdio(id, [found.path, "exec-server", "--listen", "stdio"])}[environments.env]\nCODEX_HOME = ${JSON.stringify(home)}\n`
      : "";
  writeFileSync(
    join(home, "environments.toml"),
    [
      `[[environments]]\nid = "socket"\nurl = "${listener.url}"\n`,
      stdio("pipe", [...program, "--listen", "stdio"]),
      stdio("gone", ["sh", "-c", "echo no route to host >&2; exit 3"]),
      codex("codex-138", codex138),
      codex("codex-169", codex169),
    ].join("\n"),
  );
});

afterAll(async () => {
  await listener.close();
  rmSync(home, { recursive: true, force: true });
});

const run = (args: string[], options: Parameters<typeof call>[1] = {}): ReturnType<typeof call> =>
  call(["run", ...args], { ...options, env: { CODEX_HOME: home, ...options.env } });

const places: [id: string, missing: string | undefined][] = [
  ["local", undefined],
  ["socket", undefined],
  ["pipe", undefined],
  ["codex-138", "missing" in codex138 ? codex138.missing : undefined],
  ["codex-169", "missing" in codex169 ? codex169.missing : undefined],
];

test("an argument that is not UTF-8 is refused, and a replacement character is none of those", async () => {
  // Only a shell can give such a one.
  const script = 'exec "$@" "$(printf "a\\377b")"';
  const child = Bun.spawn(["sh", "-c", script, "sh", ...program, "run", "--", "printf", "%s"], {
    env: { ...process.env, CODEX_HOME: home },
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await new Response(child.stdout).text()).toBe("");
  expect(await new Response(child.stderr).text()).toStartWith("exec-server: An argument is not UTF-8");
  expect(await child.exited).toBe(2);
  expect(await run(["--", "printf", "%s", "a\ufffdb"])).toEqual({
    status: 0,
    stdout: "a\ufffdb",
    stderr: "",
  });
});

describe.each(places)("on %s", (id, missing) => {
  const on = test.skipIf(missing !== undefined);

  on("both streams are apart, and the exit status is passed on", async () => {
    const outcome = await run(["-e", id, "--", "sh", "-c", "printf out; printf err >&2; exit 7"]);
    expect(outcome).toEqual({ status: 7, stdout: "out", stderr: "err" });
  });

  on("input reaches the command byte for byte, and so does its end", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const outcome = await run(["-e", id, "sha256sum"], { stdin: bytes });
    expect(outcome.stdout).toBe(`${createHash("sha256").update(bytes).digest("hex")}  -\n`);
    expect(outcome.status).toBe(0);
  });

  on("a working directory and variables are taken along", async () => {
    const outcome = await run([
      "-e",
      id,
      "-n",
      "--cwd",
      "/usr",
      "--env",
      "A=b c",
      "sh",
      "-c",
      'pwd; echo "$A"',
    ]);
    expect(outcome).toMatchObject({ status: 0, stdout: "/usr\nb c\n" });
  });

  on("a program that does not exist is our failure, and is named", async () => {
    // In a folder that may not be looked into it might be.
    const outcome = await run(["-e", id, "-n", "--env", "PATH=/usr/bin:/bin", "no-such-program"]);
    expect(outcome.status).toBe(255);
    expect(outcome.stderr).toContain('Cannot start "no-such-program"');
    expect(outcome.stderr).toContain("os error 2");
  });

  on("--timeout kills the command", async () => {
    expect(await run(["-e", id, "-n", "--timeout", "0.3", "sleep", "60"])).toMatchObject({ status: 124 });
  });

  on("with -t the command has a terminal", async () => {
    const outcome = await run(["-e", id, "-t", "sh", "-c", "test -t 0 && test -t 1 && stty size"]);
    expect(outcome).toMatchObject({ status: 0, stdout: "24 80\r\n" });
  });
});

test("a limit that ended the command is said, with status 124", async () => {
  for (const id of ["local", "socket", "pipe"]) {
    const wall = await run(["-e", id, "-n", "--timeout", "0.2", "sleep", "60"]);
    expect([wall.status, wall.stderr]).toEqual([124, "exec-server: ended by --timeout\n"]);
    const idle = await run(["-e", id, "-n", "--idle-timeout", "0.2", "sh", "-c", "echo a; exec sleep 60"]);
    expect(idle).toEqual({ status: 124, stdout: "a\n", stderr: "exec-server: ended by --idle-timeout\n" });
    const output = await run(["-e", id, "-n", "--max-output", "7", "yes"]);
    expect(output).toEqual({
      status: 124,
      stdout: "y\ny\ny\ny",
      stderr: "exec-server: ended by --max-output\n",
    });
  }
});

test.skipIf("missing" in codex169)("a limit that the server cannot hold is refused", async () => {
  const outcome = await run(["-e", "codex-169", "-n", "--max-output", "7", "yes"]);
  expect(outcome).toMatchObject({ status: 255, stdout: "" });
  expect(outcome.stderr).toContain('lacks "processLimits"');
});

test("the end by a signal is 128 and its number", async () => {
  expect(await run(["-n", "sh", "-c", "kill -9 $$"])).toMatchObject({ status: 137 });
  expect(await run(["-e", "socket", "-n", "sh", "-c", "kill -TERM $$"])).toMatchObject({ status: 143 });
});

test.skipIf("missing" in codex138)("an exit status that the server does not know is said", async () => {
  expect(await run(["-e", "codex-138", "-n", "sh", "-c", "kill -9 $$"])).toEqual({
    status: 254,
    stdout: "",
    stderr: "exec-server: the command has ended without an exit status\n",
  });
});

test("SIGINT and SIGTERM go to the command, which may refuse", async () => {
  for (const [signal, name] of [
    ["SIGINT", "INT"],
    ["SIGTERM", "TERM"],
  ] as const) {
    const script = `trap 'echo got ${name}; exit 9' ${name}; echo ready; while :; do sleep 0.05; done`;
    const child = Bun.spawn([...program, "run", "-e", "socket", "-n", "sh", "-c", script], {
      env: { ...process.env, CODEX_HOME: home },
      stdout: "pipe",
      stderr: "inherit",
    });
    let text = "";
    for await (const bytes of child.stdout) {
      text += new TextDecoder().decode(bytes);
      if (text === "ready\n") child.kill(signal);
    }
    expect(text).toBe(`ready\ngot ${name}\n`);
    expect(await child.exited).toBe(9);
  }
});

test("when the reader of its output goes, the command goes too", async () => {
  const command = [...program, "run", "-n", "yes", "a rather long line"].map((word) => `'${word}'`).join(" ");
  const child = Bun.spawn(["sh", "-c", `${command} | head -1`], { stdout: "pipe", stderr: "ignore" });
  expect(await new Response(child.stdout).text()).toBe("a rather long line\n");
  expect(await child.exited).toBe(0);
});

test("a lost server is told as what it is: the outcome is unknown", async () => {
  const server = Bun.spawn([...program, "serve"], { stdout: "pipe", stderr: "inherit" });
  const { value } = await server.stdout.getReader().read();
  const url = new TextDecoder().decode(value).trim();
  const child = Bun.spawn([...program, "run", "-n", "sh", "-c", "echo ready; sleep 60"], {
    env: { ...process.env, CODEX_HOME: join(home, "none"), CODEX_EXEC_SERVER_URL: url, HOME: home },
    stdout: "pipe",
    stderr: "pipe",
  });
  child.kill("SIGCONT");
  const fails = await child.exited;
  // A CODEX_HOME that does not exist is a fault of the configuration, before anything is tried.
  expect(fails).toBe(1);
  const second = Bun.spawn([...program, "run", "-n", "sh", "-c", "echo ready; sleep 60"], {
    env: { ...process.env, CODEX_HOME: "", HOME: join(home, "empty"), CODEX_EXEC_SERVER_URL: url },
    stdout: "pipe",
    stderr: "pipe",
  });
  await second.stdout.getReader().read();
  // A server that says that it goes has ended its sessions: there is nothing to get back.
  server.kill("SIGTERM");
  expect(await second.exited).toBe(254);
  expect(await new Response(second.stderr).text()).toContain("how the command ended is not known");
  expect(await server.exited).toBe(0);
});

describe("mistakes", () => {
  const mistakes: [what: string, args: string[], status: number, text: string][] = [
    ["no command", [], 2, "needs a command"],
    ["a mistyped flag", ["--enviroment", "x", "true"], 2, 'did you mean "--environment"?'],
    ["a flag without its value", ["-e"], 2, '"-e" needs a value'],
    ["a variable without a name", ["--env", "=x", "true"], 2, "expected NAME=VALUE"],
    ["a time that is none", ["--timeout", "soon", "true"], 2, "expected a number"],
    ["a relative directory", ["--cwd", "here", "true"], 2, "expected an absolute path"],
    ["an environment that is not configured", ["-e", "nowhere", "true"], 255, 'no environment "nowhere"'],
    ["a command that ends before it answers", ["-e", "gone", "-n", "true"], 255, "no route to host"],
  ];
  test.each(mistakes)("%s", async (_what, args, status, text) => {
    const outcome = await run(args);
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toContain(text);
    expect(outcome.stdout).toBe("");
  });

  test("--help after the command is the command's own", async () => {
    expect(await run(["-n", "printf", "%s", "--help"])).toMatchObject({ status: 0, stdout: "--help" });
    expect((await run(["--help"])).stdout).toContain("Usage: exec-server run");
  });
});

test("nothing of a run is left when it is killed", async () => {
  const seconds = `61234.${process.pid}`;
  const child = Bun.spawn([...program, "run", "-n", "sh", "-c", `setsid sleep ${seconds} & wait`], {
    env: { ...process.env, CODEX_HOME: home },
    stdout: "ignore",
  });
  const count = (): number =>
    Bun.spawnSync(["pgrep", "-fc", `^sleep ${seconds}$`])
      .stdout.toString()
      .trim() as never;
  await until(5000, "sleeper", () => Number(count()) === 1);
  // The guard is told a moment later.
  await until(
    5000,
    "guard",
    () => Bun.spawnSync(["pgrep", "-P", String(child.pid), "-f", "guardian"]).exitCode === 0,
  );
  child.kill("SIGKILL");
  await child.exited;
  await until(10_000, "end of the sleeper", () => Number(count()) === 0);
});
