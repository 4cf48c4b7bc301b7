/** `exec-server mcp` between a real MCP host and a real server. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime, type Listener, listen } from "../../mod.ts";
import { call, program } from "../support/cli.ts";
import { until, within } from "../support/deadline.ts";
import { everythingServer, loadSdk, missingMcp, type WholeSdk } from "../support/mcp.ts";
import { isAlive } from "../support/proc.ts";
import { codex138, codex169 } from "../support/programs.ts";

setDefaultTimeout(30_000);

const node = Bun.which("node")!;
let home = "";
let listener: Listener;
let sdk: WholeSdk;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  listener = await listen(await currentRuntime());
  if (missingMcp === undefined) sdk = await loadSdk();
  const codex = (id: string, found: typeof codex138): string =>
    "path" in found
      ? `[[environments]]\nid = "${id}"\nprogram = "${found.path}"\nargs = ["exec-server", "--listen", "stdio"]\n[environments.env]\nCODEX_HOME = "${home}"\n`
      : "";
  writeFileSync(
    join(home, "environments.toml"),
    [
      `[[environments]]\nid = "socket"\nurl = "${listener.url}"\n`,
      codex("codex-138", codex138),
      codex("codex-169", codex169),
    ].join("\n"),
  );
});

afterAll(async () => {
  await listener.close();
  rmSync(home, { recursive: true, force: true });
});

const [command, ...first] = program as [string, ...string[]];
const env = (): Record<string, string> => ({ ...(process.env as Record<string, string>), CODEX_HOME: home });

const places: [id: string, missing: string | undefined][] = [
  ["local", missingMcp],
  ["socket", missingMcp],
  ["codex-138", missingMcp ?? ("missing" in codex138 ? codex138.missing : undefined)],
  ["codex-169", missingMcp ?? ("missing" in codex169 ? codex169.missing : undefined)],
];

describe.each(places)("on %s", (id, missing) => {
  test.skipIf(missing !== undefined)("the SDK's client speaks to a server through it", async () => {
    const args = [
      ...first,
      "mcp",
      "-e",
      id,
      "--cwd",
      home,
      "--env",
      "GIVEN=value",
      "--",
      node,
      everythingServer,
      "stdio",
    ];
    const transport = new sdk.StdioClientTransport({ command, args, env: env(), stderr: "ignore" });
    const client = new sdk.Client({ name: "test", version: "1" });
    await within(15_000, "connection", client.connect(transport));
    const message = "long ".repeat(50_000);
    const echo = await client.callTool({ name: "echo", arguments: { message } });
    expect(echo.content[0].text === `Echo: ${message}`).toBe(true);
    const seen = JSON.parse((await client.callTool({ name: "get-env", arguments: {} })).content[0].text);
    expect(seen.GIVEN).toBe("value");
    await within(8000, "end", client.close());
  });
});

const mcp = (args: string[], options: Parameters<typeof call>[1] = {}): ReturnType<typeof call> =>
  call(["mcp", ...args], { ...options, env: { CODEX_HOME: home, ...options.env } });

test("messages go to standard output, all else to standard error, and the end of input ends it", async () => {
  const script = 'echo noise; echo words >&2; while read -r line; do echo "$line"; done';
  const args = ["-e", "socket", "--", "sh", "-c", script];
  expect(await mcp(args, { stdin: '{"a":1}\n\n{"b":2}\n{"cut":' })).toEqual({
    status: 0,
    stdout: '{"a":1}\n{"b":2}\n',
    stderr: expect.stringMatching(/^(noise\nwords\n|words\nnoise\n)$/) as unknown as string,
  });
});

test("a server that ends by itself, or cannot be started, is told", async () => {
  const child = Bun.spawn([...program, "mcp", "--", "sh", "-c", "echo '{\"last\":1}'"], {
    env: env(),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await new Response(child.stdout).text()).toBe('{"last":1}\n');
  expect(await child.exited).toBe(1);
  expect(await new Response(child.stderr).text()).toContain("ended by itself");
  const missing = await mcp(["--", "/no/such/server"], { stdin: "" });
  expect([missing.status, missing.stderr]).toEqual([
    1,
    'exec-server: cannot start "/no/such/server": No such file or directory (os error 2)\n',
  ]);
  expect((await mcp([])).status).toBe(2);
});

test("a message that the server does not take is told, and fails", async () => {
  const messages = new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Until one comes when the input is seen to be closed.
      await Bun.sleep(20);
      controller.enqueue(Buffer.from('{"a":1}\n'));
    },
  });
  const child = Bun.spawn([...program, "mcp", "--", "sh", "-c", "exec <&-; exec sleep 100"], {
    env: env(),
    stdin: messages,
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await within(20_000, "the end", child.exited)).toBe(1);
  expect(await new Response(child.stderr).text()).toBe(
    "exec-server: The MCP server takes no message: stdinClosed\n",
  );
});

test("variables come from over there by name", async () => {
  const script = 'printf \'{"there":"%s","secret":"%s"}\\n\' "$THERE" "$OTHER"; cat';
  const { stdout } = await mcp(["-e", "local", "--env-there", "THERE", "--", "sh", "-c", script], {
    stdin: "",
    env: { THERE: "yes", OTHER: "no" },
  });
  expect(stdout).toBe('{"there":"yes","secret":""}\n');
});

test("a signal ends the server program too", async () => {
  const pidFile = join(home, "pid");
  const child = Bun.spawn(
    [
      ...program,
      "mcp",
      "-e",
      "socket",
      "--",
      "sh",
      "-c",
      `echo $$ > ${pidFile}; echo '{"ready":1}'; exec cat`,
    ],
    {
      env: env(),
      stdin: "pipe",
      stdout: "pipe",
    },
  );
  await within(8000, "start", child.stdout.getReader().read());
  const pid = Number(readFileSync(pidFile, "utf8"));
  expect(isAlive(pid)).toBe(true);
  child.kill("SIGTERM");
  expect(await within(8000, "end", child.exited)).toBe(0);
  await until(3000, "end of the server program", () => !isAlive(pid));
});
