/** A sandbox in a start: what is enforced and what is told, on every server. */

import { expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Harness, ours, suite, verifies } from "../support/harness.ts";
import { RawProcess } from "../support/raw_process.ts";
import {
  launchForSandboxes,
  managed,
  noBubblewrap,
  readOnly,
  special,
  workspaceWrite,
} from "../support/sandbox.ts";

const launch = launchForSandboxes();

/** Exit status, whether it was denied, and the output. */
async function confined(t: Harness, command: string | readonly string[], sandbox: object, more: object = {}) {
  const process = await t.start(command, { sandbox, ...more });
  const told = await process.closed();
  const exit = process.events.find(({ kind }) => kind === "exited")!;
  const read = await process.read();
  expect(read.sandboxDenied).toBe(exit.sandboxDenied);
  return { ...told, denied: exit.sandboxDenied, type: process.result.sandboxType };
}

/** The error of a start, or how the process ended where there is none. */
async function attempt(
  t: Harness,
  params: object,
): Promise<{ error?: { code: number; message: string } | undefined }> {
  const client = await t.client();
  const process = new RawProcess(client);
  const { error } = await client.ask("process/start", { ...params, processId: process.id });
  if (error === undefined) await process.closed();
  return { error };
}

suite("sandbox", {
  servers: (server) => server.id !== "codex-0.138.0",
  missing: noBubblewrap,
  transports: ["websocket"],
  launch,
}, (t) => {
  verifies("sandbox: a read-only process changes nothing and reads everything", async () => {
    const file = join(t.folder.work, "there");
    writeFileSync(file, "before");
    const told = await confined(t, "cat there; echo after > there; echo new > new", readOnly(t.folder.work));
    expect(told.stdout).toBe("before");
    expect(told.exitCode).not.toBe(0);
    expect(told.denied).toBe(true);
    expect(told.type).toBe("linuxSeccomp");
    expect(readFileSync(file, "utf8")).toBe("before");
    expect(existsSync(join(t.folder.work, "new"))).toBe(false);
  });

  verifies("sandbox: a workspace can be written, and nothing beside it", async () => {
    const outside = join(t.folder.path, "outside");
    mkdirSync(outside, { recursive: true });
    const command = `echo in > in; mkdir -p deep/er; echo x > ${outside}/x; echo y > ../y; cat in`;
    const told = await confined(t, command, workspaceWrite(t.folder.work));
    expect(told.stdout).toBe("in\n");
    expect(readFileSync(join(t.folder.work, "in"), "utf8")).toBe("in\n");
    expect(readdirSync(outside)).toEqual([]);
    expect(existsSync(join(t.folder.path, "y"))).toBe(false);
  });

  verifies(
    "sandbox: the names that others trust are kept from a workspace, and nothing is left of them",
    async () => {
      const command = "mkdir .git; mkdir .codex; mkdir .agents; mkdir .aws; echo x > .git/config; ls -A";
      const told = await confined(t, command, workspaceWrite(t.folder.work));
      expect(told.stderr).toContain(".git");
      const left = readdirSync(t.folder.work).filter((name) => name.startsWith("."));
      expect(left).toEqual([]);
    },
  );

  verifies("sandbox: without the network there is no socket", async () => {
    const command = ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"];
    const told = await confined(t, command, readOnly(t.folder.work));
    expect(told.stderr).toContain("Operation not permitted");
    expect(told.denied).toBe(true);
  });

  verifies("sandbox: in a terminal too, with the name that was asked for", async () => {
    const more = { tty: true, arg0: "another-name" };
    const told = await confined(t, "echo $0; stty size; touch x", readOnly(t.folder.work), more);
    expect(told.pty).toContain("another-name\r\n24 80\r\n");
    expect(told.pty).toContain("Read-only file system");
    expect(told.denied).toBe(true);
  });

  verifies("sandbox: what asks for none is as free as without", async () => {
    const file = join(t.folder.work, "free");
    const types: unknown[] = [];
    for (const permissions of [{ type: "disabled" }, { type: "external", network: "enabled" }]) {
      const told = await confined(t, `echo x > ${file}`, { permissions, windowsSandboxLevel: "disabled" });
      expect([told.exitCode, told.denied]).toEqual([0, false]);
      types.push(told.type);
      expect(existsSync(file)).toBe(true);
      rmSync(file);
    }
    t.same("type of no sandbox", types, ["none", "none"]);
  });

  verifies("sandbox: a program that fails by itself was not denied", async () => {
    const told = await confined(t, "echo nothing of the kind; exit 3", readOnly(t.folder.work));
    expect([told.exitCode, told.denied]).toEqual([3, false]);
  });

  verifies("sandbox: a missing program is an error of the start and no denial", async () => {
    const { error } = await attempt(t, t.params(["/no/such"], { sandbox: readOnly(t.folder.work) }));
    t.same("missing program in a sandbox", error?.message, "No such file or directory (os error 2)");
  });

  verifies("sandbox: what is out of reach is not there", async () => {
    const sandbox = managed(t.folder.work, [special("minimal", "read"), special("project_roots", "read")]);
    const secret = join(t.folder.home, "secret");
    writeFileSync(secret, "secret");
    const told = await confined(t, `cat ${secret}; ls /etc/passwd`, sandbox);
    expect(told.stdout).toBe("/etc/passwd\n");
    expect(told.stderr).toContain("No such file");
  });

  verifies("sandbox: no write is acknowledged and lost", async () => {
    const sandbox = managed(t.folder.work, [special("minimal", "read"), special("project_roots", "write")]);
    const told = await confined(t, "echo x > /new; echo $?; echo x > /dev/new; echo $?", sandbox);
    t.same("ghost writes", told.stdout, "2\n2\n");
  });

  verifies("sandbox: a working directory that is out of reach is an error", async () => {
    const sandbox = managed(t.folder.work, [special("minimal", "read")]);
    const { error } = await attempt(t, t.params("pwd", { sandbox }));
    t.same("hidden cwd in a sandbox", error?.code, -32603);
  });

  verifies("sandbox: what does not decode is refused", async () => {
    const rows: [object, string][] = [
      [{}, "missing field `permissions`"],
      [{ permissions: { type: "x" }, windowsSandboxLevel: "disabled" }, "unknown variant `x`"],
    ];
    for (const [sandbox, message] of rows) {
      const error = await t.refusal(t.params("true", { sandbox }));
      expect(error.code).toBe(-32602);
      expect(error.message).toContain(message);
    }
  });
});

suite("sandbox, ours", {
  servers: ours,
  missing: noBubblewrap,
  transports: ["websocket"],
}, (t) => {
  verifies("sandbox: the older policies are enforced as what they stand for", async () => {
    const cwd = t.folder.work;
    const rows: [object, string][] = [
      [{ sandboxPolicy: { type: "read-only" }, cwd }, "1 linuxSeccomp"],
      [{ sandboxPolicy: { type: "workspace-write" }, cwd }, "0 linuxSeccomp"],
      [{ sandboxPolicy: { type: "danger-full-access" } }, "0 none"],
      [{ permissions: { file_system: { read: ["/"], write: [cwd] } } }, "0 linuxSeccomp"],
    ];
    for (const [sandbox, wanted] of rows) {
      const told = await confined(t, "touch mine", sandbox);
      expect(`${told.exitCode} ${told.type}`).toBe(wanted);
      rmSync(join(cwd, "mine"), { force: true });
    }
  });

  verifies("sandbox: the environment is exactly what was asked for", async () => {
    const env = { A: "1", B: "two words" };
    const told = await confined(t, ["/usr/bin/env"], readOnly(t.folder.work), { env });
    expect(told.stdout).toBe("A=1\nB=two words\n");
    const traced = { LD_DEBUG: "libs", LD_DEBUG_OUTPUT: join(t.folder.work, "loader") };
    await confined(t, ["/usr/bin/env"], readOnly(t.folder.work), { env: traced });
    // Whoever makes the sandbox is not confined, and must not be led by variables of the program.
    expect(readdirSync(t.folder.work).filter((name) => name.startsWith("loader"))).toEqual([]);
  });

  verifies("sandbox: signals reach the program, and not what made its sandbox", async () => {
    const process = await t.start(
      "trap 'echo got it; exit 5' INT; echo ready; while :; do sleep 0.01; done",
      {
        sandbox: readOnly(t.folder.work),
      },
    );
    await process.says("ready");
    await process.client.call("process/signal", { processId: process.id, signal: "interrupt" });
    const told = await process.closed();
    expect([told.stdout, told.exitCode]).toEqual(["ready\ngot it\n", 5]);
    const killed = await t.run("kill -TERM $$", { sandbox: readOnly(t.folder.work) });
    expect(killed.exitCode).toBe(143);
  });

  verifies("sandbox: terminate takes everything along", async () => {
    const command = "setsid sleep 1000 & sh -c 'setsid sleep 1001' & echo ready; wait";
    const process = await t.start(command, { sandbox: workspaceWrite(t.folder.work) });
    await process.says("ready");
    expect(await process.terminate()).toBe(true);
    expect((await process.closed()).exitCode).toBe(137);
  });

  verifies(
    "sandbox: the answer comes when the program runs, and calls behind the start are in order",
    async () => {
      const client = await t.client();
      const process = new RawProcess(client);
      const processId = process.id;
      const params = { ...t.params("cat", { sandbox: readOnly(t.folder.work), pipeStdin: true }), processId };
      const chunk = Buffer.from("hello").toString("base64");
      const answers = await Promise.all([
        client.ask("process/start", params),
        client.ask("process/write", { processId, chunk }),
        client.ask("process/closeStdin", { processId }),
      ]);
      expect(answers.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
      expect((await process.closed()).stdout).toBe("hello");
    },
  );

  verifies("sandbox: a start that fails in it leaves its id free", async () => {
    const params = t.params(["/no/such"], { processId: "again", sandbox: readOnly(t.folder.work) });
    expect((await t.refusal(params)).code).toBe(-32603);
    expect((await t.refusal(params)).message).toBe("No such file or directory (os error 2)");
  });

  verifies("sandbox: a network that only a proxy may use is refused", async () => {
    const error = await t.refusal(t.params("true", { enforceManagedNetwork: true }));
    expect(error.code).toBe(-32603);
  });
});
