/** Sandboxes as users ask for them: `serve --sandbox`, `run --sandbox`, the prompt, the client and `env check`. */

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { connectWebsocket, currentRuntime } from "../../mod.ts";
import { call } from "../support/cli.ts";
import { ConfinedServer, cannotBe } from "../support/confined_server.ts";
import { suite, verifies } from "../support/harness.ts";
import { beyondTemporary, launchForSandboxes, managed, noBubblewrap, special } from "../support/sandbox.ts";

setDefaultTimeout(30_000);

for (const user of ["root", "ordinary"] as const) {
  const missing = cannotBe(user) ?? noBubblewrap;
  describe.skipIf(missing !== undefined)(`serve --sandbox as ${user}${missing ? `: ${missing}` : ""}`, () => {
    let server: ConfinedServer;
    let root = "";
    let beside = "";
    beforeAll(async () => {
      const shared = realpathSync(mkdtempSync(join(tmpdir(), "exec-server-root-")));
      root = join(shared, "root");
      beside = join(shared, "beside");
      chmodSync(shared, 0o755);
      for (const folder of [root, beside]) mkdirSync(folder);
      // Below the temporary folder, which the policy would have writable.
      const flags = ["--sandbox", "workspace-write", "--root", root];
      server = await ConfinedServer.start({ user, flags });
      if (server.isOther) for (const folder of [root, beside]) server.own(folder);
    });
    afterEach(() => {
      for (const folder of [root, beside]) {
        for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
      }
    });
    afterAll(async () => {
      await server.close();
      rmSync(join(root, ".."), { recursive: true });
    });

    const attempts =
      (): string => `touch ${root}/in; touch /etc/out ${beyondTemporary}/.exec-server-out; mkdir ${root}/.git;
    (exec 3<>/dev/tcp/127.0.0.1/9) 2>&1 | grep -o 'not permitted'`;
    const expectHeld = (): void => {
      expect(existsSync(join(root, "in"))).toBe(true);
      expect(existsSync("/etc/out")).toBe(false);
      expect(existsSync(join(beyondTemporary, ".exec-server-out"))).toBe(false);
      expect(readdirSync(root)).toEqual(["in"]);
    };

    test("holds a process that asks for nothing", async () => {
      const process = await server.start(attempts());
      expect(process.result.sandboxType).toBe("linuxSeccomp");
      expect((await process.closed()).stdout).toContain("not permitted");
      expectHeld();
    });

    test("is not widened by what a process asks for", async () => {
      const wide = managed(root, [special("root", "write")], "enabled");
      for (const sandbox of [
        { permissions: { type: "disabled" } },
        { sandboxPolicy: { type: "danger-full-access" } },
        wide,
      ]) {
        expect((await server.run(attempts(), { sandbox })).stdout).toContain("not permitted");
        expectHeld();
        rmSync(join(root, "in"));
      }
    });

    test("is narrowed by what a process asks for", async () => {
      const sandbox = managed(root, [special("root", "read")]);
      expect((await server.run(`touch ${root}/in`, { sandbox })).denied).toBe(true);
      expect(readdirSync(root)).toEqual([]);
    });

    test("holds file requests, and there are no HTTP requests", async () => {
      const write = async (path: string, more: object = {}) => {
        const params = { path: pathToFileURL(path).href, dataBase64: "eA==", ...more };
        return (await server.client.ask("fs/writeFile", params)).error?.code;
      };
      expect(await write(join(root, "file"))).toBeUndefined();
      expect(existsSync(join(root, "file"))).toBe(true);
      expect(await write("/etc/out")).toBe(-32603);
      expect(await write("/etc/out", { sandbox: { permissions: { type: "disabled" } } })).toBe(-32603);
      expect(existsSync("/etc/out")).toBe(false);
      const http = await server.client.ask("http/request", {
        method: "GET",
        url: "http://127.0.0.1:9/",
        requestId: "r",
      });
      expect(http.error?.code).toBe(-32601);
    });
  });
}

test("serve does not start below a policy that it cannot enforce", async () => {
  const missing = cannotBe("ordinary") ?? (process.platform === "linux" ? undefined : "not Linux");
  if (missing !== undefined) return console.log(`skipped: ${missing}`);
  const started = ConfinedServer.start({
    user: "ordinary",
    withoutNamespaces: true,
    flags: ["--sandbox", "workspace-write", "--root", tmpdir()],
  });
  await started.then(
    () => expect.unreachable(),
    (error: Error) => expect(error.message).toContain("ended before it listened"),
  );
});

test("serve says what is wrong with its flags", async () => {
  const rows: [string[], string][] = [
    [["--sandbox", "read-onyl"], '"--sandbox" has the value "read-onyl"'],
    [["--root", "/tmp"], '"--root" needs "--sandbox workspace-write"'],
    [["--sandbox", "read-only", "--root", "/tmp"], '"--root" needs "--sandbox workspace-write"'],
    [
      ["--sandbox", "workspace-write", "--root", "/no/such"],
      '"--root" has the value "/no/such": expected a folder',
    ],
    [["--sandbox-network"], '"--sandbox-network" needs "--sandbox"'],
  ];
  for (const [flags, message] of rows) {
    const { status, stderr } = await call(["serve", "--listen", "stdio", ...flags]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  }
});

describe.skipIf(noBubblewrap !== undefined)("on the command line", () => {
  let folder = "";
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(beyondTemporary, ".exec-server-test-")));
  });
  afterEach(() => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const options = (): { cwd: string; env: Record<string, string> } => ({
    cwd: folder,
    env: { CODEX_HOME: folder },
  });

  test("run --sandbox confines the command to its folder", async () => {
    const command = ["-n", "--", "sh", "-c", `touch in; touch ${beyondTemporary}/.exec-server-out`];
    const held = await call(["run", "--sandbox", "workspace-write", ...command], options());
    expect([held.status, held.stderr]).toEqual([1, expect.stringContaining("Read-only file system")]);
    expect(readdirSync(folder)).toEqual(["in"]);
    const read = await call(["run", "--sandbox", "read-only", ...command], options());
    expect(read.status).toBe(1);
    const free = await call(
      ["run", "--sandbox", "danger-full-access", "-n", "--", "touch", "free"],
      options(),
    );
    expect(free.status).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(["free", "in"]);
  });

  test("run --sandbox-network leaves the network", async () => {
    const command = ["-n", "--", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"];
    const closed = await call(["run", "--sandbox", "read-only", ...command], options());
    expect(closed.stderr).toContain("not permitted");
    const open = await call(["run", "--sandbox", "read-only", "--sandbox-network", ...command], options());
    expect(open.stderr).toContain("refused");
  });

  test("repl --sandbox keeps its workspace, wherever cd leads", async () => {
    const stdin = `touch in\ncd ..\ntouch .exec-server-out\ncd ${folder}\ntouch again\n`;
    const { stderr } = await call(["repl", "--sandbox", "workspace-write"], { ...options(), stdin });
    expect(stderr).toContain("Read-only file system");
    expect(readdirSync(folder).sort()).toEqual(["again", "in"]);
    expect(existsSync(join(folder, "..", ".exec-server-out"))).toBe(false);
  });

  test("env check says what confines processes", async () => {
    const text = await call(["env", "check"], options());
    expect(text.stdout).toMatch(/sandboxes by .*bubblewrap/);
    const [found] = JSON.parse((await call(["env", "check", "--json"], options())).stdout);
    expect(found.sandbox.mechanisms).toContain("seccomp");
    expect(found.sandbox.missing.seatbelt).toBe("not macOS");
  });
});

suite("sandbox of the client", {
  missing: noBubblewrap,
  transports: ["websocket"],
  launch: launchForSandboxes(),
}, (t) => {
  verifies("client: a sandbox is asked of servers that enforce it, and of no other", async () => {
    await using client = await connectWebsocket(await currentRuntime(), { url: t.listening.url });
    const options = { argv: ["/usr/bin/touch", "x"], cwd: t.folder.work, sandbox: "read-only" } as const;
    const started = client.start(options);
    if (t.id === "codex-0.138.0") {
      expect(started).rejects.toMatchObject({ code: "ERR_UNSUPPORTED" });
      await started.catch(() => {});
    } else {
      expect(await (await started).wait()).toMatchObject({
        kind: "exited",
        exitCode: 1,
        sandboxDenied: true,
      });
    }
    expect(existsSync(join(t.folder.work, "x"))).toBe(false);
    const free = await client.start({ ...options, sandbox: "danger-full-access" });
    expect(await free.wait()).toMatchObject({ kind: "exited", exitCode: 0 });
  });
});
