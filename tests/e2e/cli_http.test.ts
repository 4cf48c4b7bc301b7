/** `exec-server http`, as a user calls it: on this machine, over a websocket, and on the real servers. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime, type Listener, listen } from "../../mod.ts";
import { call, program } from "../support/cli.ts";
import { within } from "../support/deadline.ts";
import { Origin } from "../support/origin.ts";
import { codex138, codex169 } from "../support/programs.ts";

setDefaultTimeout(30_000);

let home = "";
let listener: Listener;
let origin: Origin;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  origin = await Origin.start();
  listener = await listen(await currentRuntime(), {
    http: { lentVariables: ["LENT"], env: { LENT: "lent secret" } },
  });
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
  await origin.close();
  rmSync(home, { recursive: true, force: true });
});

const http = (args: string[], options: Parameters<typeof call>[1] = {}): ReturnType<typeof call> =>
  call(["http", ...args], { ...options, env: { CODEX_HOME: home, ...options.env } });

const places: [id: string, missing: string | undefined][] = [
  ["local", undefined],
  ["socket", undefined],
  ["codex-138", "missing" in codex138 ? codex138.missing : undefined],
  ["codex-169", "missing" in codex169 ? codex169.missing : undefined],
];

describe.each(places)("on %s", (id, missing) => {
  const on = test.skipIf(missing !== undefined);

  on("the body comes out, and with -i what came before it", async () => {
    expect(await http(["-e", id, origin.url("/")])).toEqual({ status: 0, stdout: "ok", stderr: "" });
    const { stdout } = await http(["-i", "-e", id, "GET", origin.url("/cookies")]);
    expect(stdout).toBe("HTTP 200\nset-cookie: a=1\nset-cookie: b=2\ncontent-length: 2\n\nok");
  });

  on("a body and headers go out", async () => {
    const args = ["-e", id, "-H", "X-One: 1", "-H", "x-two:2", "-d", "@-", "PUT", origin.url("/put")];
    expect((await http(args, { stdin: "from stdin" })).status).toBe(0);
    const seen = origin.seen.findLast(({ line }) => line === "PUT /put HTTP/1.1")!;
    expect(seen.body).toBe("from stdin");
    expect(seen.headers).toContain("x-one: 1");
    expect(seen.headers).toContain("x-two: 2");
  });

  on("what fails has a status and says why", async () => {
    const cut = await http(["-e", id, origin.url("/cut")]);
    expect([cut.status, cut.stdout, cut.stderr.includes("not whole")]).toEqual([1, "abc", true]);
    const refused = await http(["-e", id, "http://127.0.0.1:1/"]);
    expect([refused.status, refused.stderr.startsWith("exec-server: http/request failed: ")]).toEqual([
      1,
      true,
    ]);
    for (const path of ["/hang", "/silent"]) {
      const late = await http(["-e", id, "--max-time", "0.3", origin.url(path)]);
      expect([path, late.status, late.stderr]).toEqual([path, 124, "exec-server: not done in 300 ms\n"]);
    }
  });
});

test("a method is POST with a body, and GET without", async () => {
  await http(["-d", "x", origin.url("/posted")]);
  await http([origin.url("/got")]);
  expect(origin.seen.map(({ line }) => line)).toContain("POST /posted HTTP/1.1");
  expect(origin.seen.map(({ line }) => line)).toContain("GET /got HTTP/1.1");
});

test("POST without a body says so", async () => {
  await http(["POST", origin.url("/nothing-comes")]);
  await http(["-d", "", "-H", "Content-Length: 0", origin.url("/said")]);
  for (const path of ["/nothing-comes", "/said"]) {
    const { headers } = origin.seen.find(({ line }) => line.includes(path))!;
    expect(headers.filter((line) => line.startsWith("content-length"))).toEqual(["content-length: 0"]);
  }
});

test("what cannot be asked is a mistake, before anything is connected, and is not shown", async () => {
  const rows: [args: string[], message: string][] = [
    [["h.test/secret"], "What is to be asked is no URL: expected http://… or https://…"],
    [["ftp://h.test/secret"], "What is to be asked is no URL: expected http://… or https://…"],
    [["POST"], "What is to be asked is no URL: expected http://… or https://…"],
    [["http://h.test/secret", "PUT"], "The method stands before the URL: http PUT URL"],
    [["A B", "http://h.test/secret"], '"A B" is no method: http METHOD URL'],
    [["--includ", "http://h.test/secret"], 'Unknown flag "--includ": did you mean "--include"?'],
  ];
  for (const [args, message] of rows) {
    const stderr = `exec-server: ${message}\nTry "exec-server http --help".\n`;
    expect(await http(["-e", "no-such", ...args])).toEqual({ status: 2, stdout: "", stderr });
  }
});

test("headers come from a file, and from a variable that the server lends", async () => {
  const path = join(home, "headers");
  writeFileSync(path, "Authorization: Bearer file secret\r\n\nX-Two: 2\n");
  await http(["-H", `@${path}`, origin.url("/file")]);
  const { headers } = origin.seen.find(({ line }) => line.includes("/file"))!;
  expect(headers.slice(0, 2)).toEqual(["authorization: Bearer file secret", "x-two: 2"]);
  const lent = ["--header-env", "Authorization: Bearer {LENT}"];
  expect((await http(["-e", "socket", ...lent, origin.url("/lent")])).status).toBe(0);
  const seen = origin.seen.find(({ line }) => line.includes("/lent"))!;
  expect(seen.headers).toContain("authorization: Bearer lent secret");
  const refused = await http(["-e", "local", ...lent, origin.url("/lent")]);
  expect([refused.status, refused.stderr.includes("it lends none")]).toEqual([1, true]);
  writeFileSync(path, "no header, a secret");
  const wrong = await http(["-H", `@${path}`, origin.url("/")]);
  expect([wrong.status, wrong.stderr.includes("secret"), wrong.stderr.includes("line 1")]).toEqual([
    2,
    false,
    true,
  ]);
  writeFileSync(path, Buffer.from("X-Secret: \xe9\n", "latin1"));
  expect(await http(["-H", `@${path}`, origin.url("/latin")])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("it is not UTF-8"),
  });
  expect(origin.seen.some(({ line }) => line.includes("/latin"))).toBe(false);
});

test("a redirect is followed, or is the answer", async () => {
  expect((await http([origin.url("/to/302/%2F")])).stdout).toBe("ok");
  expect((await http(["-i", "--no-follow", origin.url("/to/302/%2Fx")])).stdout).toBe(
    "HTTP 302\nlocation: /x\ncontent-length: 4\n\nmove",
  );
});

test("--fail tells by the status, -o writes a file, which must be possible", async () => {
  expect(await http(["-f", origin.url("/status/404")])).toEqual({
    status: 22,
    stdout: "",
    stderr: "exec-server: the answer has status 404\n",
  });
  const path = join(home, "out");
  expect((await http(["-o", path, origin.url("/bytes/3000000")])).status).toBe(0);
  expect(readFileSync(path).length).toBe(3_000_000);
  expect((await http(["-o", join(home, "none", "out"), origin.url("/")])).status).toBe(1);
});

test("what cannot be written, for want of room, is said", async () => {
  const filled = await http(["-o", "/dev/full", origin.url("/bytes/3000000")]);
  expect([filled.status, filled.stderr]).toEqual([
    1,
    'exec-server: Cannot write "/dev/full": ENOSPC: no space left on device, write\n',
  ]);
  const child = Bun.spawn(["sh", "-c", '"$@" > /dev/full', "sh", ...program, "http", origin.url("/")], {
    env: { ...process.env, CODEX_HOME: home },
    stderr: "pipe",
  });
  expect(await new Response(child.stderr).text()).toBe(
    "exec-server: Cannot write standard output: ENOSPC: no space left on device, write\n",
  );
  expect(await child.exited).toBe(1);
});

test("a reader that goes ends it, and the origin is left", async () => {
  const child = Bun.spawn(
    ["sh", "-c", '"$@" | head -c 8', "sh", ...program, "http", origin.url("/events/0/20?head")],
    {
      env: { ...process.env, CODEX_HOME: home },
      stdout: "pipe",
    },
  );
  expect(await new Response(child.stdout).text()).toBe("data: 1\n");
  expect(await child.exited).toBe(0);
  await within(3000, "end of the connection", origin.seen.find(({ line }) => line.includes("?head"))!.gone);
});

test("Ctrl-C in the middle of a stream ends it, and the origin is left", async () => {
  const path = "/events/0/20?interrupted";
  const child = Bun.spawn([...program, "http", "-e", "socket", origin.url(path)], {
    env: { ...process.env, CODEX_HOME: home },
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = child.stdout.getReader();
  await within(8000, "the first event", reader.read());
  child.kill("SIGINT");
  await within(3000, "end of the program", child.exited);
  expect([child.signalCode, await new Response(child.stderr).text()]).toEqual(["SIGINT", ""]);
  await within(3000, "end of the connection to the origin", (await origin.waitFor(path)).gone);
});

test("a server that is killed leaves the outcome unknown, and a body without its end", async () => {
  const empty = join(home, "empty");
  mkdirSync(empty);
  for (const [path, message, body] of [
    ["/hang?killed", "http/request", ""],
    ["/events/0/20?killed", "Cannot read on from an HTTP answer", "data: 1\n\n"],
  ] as const) {
    const server = Bun.spawn([...program, "serve", "--listen", "ws://127.0.0.1:0"], { stdout: "pipe" });
    try {
      const { value } = await server.stdout.getReader().read();
      const url = new TextDecoder().decode(value).trim();
      const child = Bun.spawn([...program, "http", origin.url(path)], {
        env: { ...process.env, CODEX_HOME: empty, CODEX_EXEC_SERVER_URL: url },
        stdout: "pipe",
        stderr: "pipe",
      });
      const out = child.stdout.getReader();
      const text =
        body === "" ? "" : new TextDecoder().decode((await within(8000, "body", out.read())).value);
      await origin.waitFor(path, 8000);
      server.kill("SIGKILL");
      expect([await within(8000, "end", child.exited), text.startsWith(body)]).toEqual([254, true]);
      expect(await new Response(child.stderr).text()).toContain(message);
    } finally {
      server.kill("SIGKILL");
      await server.exited;
    }
  }
});
