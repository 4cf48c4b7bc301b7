/** `exec-server env`, help and mistakes of the command line. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime, type Listener, listen } from "../../mod.ts";
import { call, program } from "../support/cli.ts";

setDefaultTimeout(30_000);

let folder = "";
let listener: Listener;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  listener = await listen(await currentRuntime());
});

afterAll(async () => {
  await listener.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A CODEX_HOME with this file. */
function configured(name: string, text: string): Record<string, string> {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "environments.toml"), text);
  return { CODEX_HOME: home };
}

const secret = "s3cr3t-t0ken";

function several(): Record<string, string> {
  return configured(
    "several",
    `default = "socket"
[[environments]]
id = "socket"
url = "${listener.url}"
auth_bearer_token = "${secret}"
connect_timeout_sec = 2.5
[[environments]]
id = "pipe"
program = ${JSON.stringify(program[0])}
args = ${JSON.stringify([...program.slice(1), "--listen", "stdio"])}
[[environments]]
id = "closed"
url = "ws://127.0.0.1:1"
`,
  );
}

test("env list shows a table: the default is marked, no token is shown", async () => {
  const { status, stdout, stderr } = await call(["env", "list"], { env: several() });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^local +local +this machine$/m);
  expect(stdout).toMatch(new RegExp(`^socket +default +websocket +${listener.url}$`, "m"));
  expect(stdout).toMatch(/^pipe +stdio +\S+/m);
  expect(stderr).toContain("environments.toml");
  expect(stdout + stderr).not.toContain(secret);
});

test("env list --json has the same for programs", async () => {
  const { status, stdout } = await call(["env", "list", "--json"], { env: several() });
  expect(status).toBe(0);
  expect(stdout).not.toContain(secret);
  const { default: chosen, environments, source } = JSON.parse(stdout);
  expect([chosen, source]).toEqual(["socket", "file"]);
  expect(environments.map(({ id }: { id: string }) => id)).toEqual(["local", "socket", "pipe", "closed"]);
  expect(environments[1]).toMatchObject({ default: true, connectTimeoutMs: 2500, authenticated: true });
});

test("env check connects to each and fails when one fails, with the reason", async () => {
  const { status, stdout } = await call(["env", "check"], { env: several() });
  expect(status).toBe(1);
  for (const id of ["local", "socket", "pipe"]) {
    expect(stdout).toMatch(
      new RegExp(`^ok +${id}: version \\d.*shell /.*cwd /.*connected in .* ms, latency .* ms$`, "m"),
    );
  }
  expect(stdout).toMatch(/^FAIL +closed: Cannot connect to "ws:\/\/127\.0\.0\.1:1": /m);
  expect(stdout).not.toContain("\x1b[");
});

test("env check of those that are named, and as JSON", async () => {
  const { status, stdout } = await call(["env", "check", "--json", "pipe", "local"], { env: several() });
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([
    { id: "pipe", ok: true, shell: expect.stringContaining("/") },
    { id: "local", ok: true, latencyMs: expect.any(Number) },
  ]);
});

test("an id that is not configured is named, with those that are", async () => {
  const { status, stderr } = await call(["env", "check", "nowhere"], { env: several() });
  expect(status).toBe(1);
  expect(stderr).toContain(
    'There is no environment "nowhere": configured are "local", "socket", "pipe", "closed"',
  );
});

test("a mistake in the file is told with its place, and never with its text", async () => {
  const env = configured(
    "wrong",
    `[[environments]]\nid = "a"\nurl = "ws://h:1"\nauth_bearer_token = 7${secret}\n`,
  );
  for (const command of [["env", "list"], ["env", "check"], ["run", "true"], ["repl"]]) {
    const { status, stdout, stderr } = await call(command, { env });
    expect(status).toBe(1);
    expect(stderr).toContain("line 4, column");
    expect(stdout + stderr).not.toContain(secret);
  }
});

test("CODEX_EXEC_SERVER_URL is the one environment where there is no file, and ignored where there is one", async () => {
  const without = join(folder, "without");
  mkdirSync(without, { recursive: true });
  const url = { CODEX_EXEC_SERVER_URL: listener.url };
  expect((await call(["env", "list"], { env: { CODEX_HOME: without, ...url } })).stdout).toMatch(
    /^remote +default +websocket/m,
  );
  const empty = configured("empty", "");
  expect((await call(["env", "list"], { env: { ...empty, ...url } })).stdout).toMatch(
    /^local +default +local/m,
  );
  const none = await call(["env", "list"], { env: { CODEX_HOME: without, CODEX_EXEC_SERVER_URL: "none" } });
  expect(none).toMatchObject({ status: 0, stdout: "No environment is configured.\n" });
});

describe("the command line", () => {
  test("--version and help", async () => {
    expect(await call(["--version"])).toMatchObject({ status: 0, stdout: "exec-server 0.1.0\n", stderr: "" });
    for (const args of [["--help"], ["help"], ["-h"], ["help", "help"], ["help", "-h"]]) {
      const { status, stdout } = await call(args);
      expect(status).toBe(0);
      expect(stdout).toContain("Usage: exec-server [COMMAND] [FLAGS]");
    }
    for (const command of ["serve", "run", "env", "repl"]) {
      const [direct, asked] = await Promise.all([call([command, "--help"]), call(["help", command])]);
      expect(direct.stdout).toContain(`exec-server ${command}`);
      expect(asked).toEqual(direct);
    }
  });

  const mistakes: [args: string[], text: string][] = [
    [["sevre"], 'Unknown command "sevre": did you mean "serve"?'],
    [["env", "chek"], 'did you mean "check"?'],
    [["serve", "--lisen", "stdio"], 'Unknown flag "--lisen": did you mean "--listen"?'],
    [["serve", "extra"], '"serve" takes no argument "extra"'],
    [["--listen"], '"--listen" needs a value: --listen URL'],
    [["serve", "--verbose=yes"], '"--verbose" takes no value'],
    [["repl", "a", "b"], "takes one environment"],
    [["help", "rnu"], 'did you mean "run"?'],
  ];
  test.each(mistakes)("%j is refused and explained", async (args, text) => {
    const { status, stdout, stderr } = await call(args);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(text);
    // Where to read on is the help of the command, if it is one.
    const [first = ""] = args;
    const command =
      first === "sevre" || first === "help" ? "" : first.startsWith("-") ? "serve " : `${first} `;
    expect(stderr).toEndWith(`\nTry "exec-server ${command}--help".\n`);
  });
});
