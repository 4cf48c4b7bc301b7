/** `process/start`: its parameters, and starts that fail. */

import { expect } from "bun:test";

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { until } from "../support/deadline.ts";
import { type Harness, ours, suite, verifies } from "../support/harness.ts";
import { childrenOf, descriptorsOf } from "../support/proc.ts";
import { RawProcess } from "../support/raw_process.ts";

const script = (t: Harness, name: string, text: string, mode = 0o755): string => {
  const path = join(t.folder.work, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

suite("start", {}, (t) => {
  verifies("process/start: answers with the id and how the process is confined", async () => {
    const child = await t.start("true");
    expect(child.result.processId).toBe(child.id);
    t.same("sandboxType", child.result.sandboxType, "none");
    await child.closed();
  });

  verifies("process/start: any text is an id", async () => {
    const client = await t.client();
    for (const id of ["", "\u0000", "ü 💥", "__proto__", "constructor", "x".repeat(10_000)]) {
      const child = await new RawProcess(client, id).start(t.params("echo on"));
      expect((await child.closed()).stdout).toBe("on\n");
      expect((await child.read()).chunks.length).toBe(1);
    }
  });

  verifies("process/start: an id in use is refused, until its process is forgotten", async () => {
    const child = await t.start("sleep 100");
    const refused = { code: -32600, message: `process ${child.id} already exists` };
    expect(await t.refusal(t.params("true", { processId: child.id }))).toEqual(refused);
    await child.end();
    expect(await t.refusal(t.params("true", { processId: child.id }))).toEqual(refused);
  });

  verifies("process/start: two sessions may use the same id", async () => {
    if (t.transport === "stdio") return;
    const [a, b] = [await t.fresh(), await t.fresh()];
    const one = await new RawProcess(a, "same").start(t.params("echo one; sleep 100"));
    const two = await new RawProcess(b, "same").start(t.params("echo two; sleep 100"));
    await one.says("one");
    await two.says("two");
    expect([one.text, two.text]).toEqual(["one\n", "two\n"]);
    await one.end();
    await two.end();
  });

  verifies("process/start: a working directory is a path or a file URI", async () => {
    const folder = join(t.folder.work, "a dir % ü #?");
    mkdirSync(folder, { recursive: true });
    const uri = pathToFileURL(folder).href;
    const of = async (cwd: string): Promise<unknown> => {
      const client = await t.client();
      const child = new RawProcess(client);
      const answer = await client.ask("process/start", {
        processId: child.id,
        ...t.params(["pwd"], { cwd }),
      });
      return answer.error ? answer.error.code : (await child.closed()).stdout;
    };
    t.same("cwd as path", await of(folder), `${folder}\n`);
    t.same("cwd as URI", await of(uri), `${folder}\n`);
    t.same("cwd as URI", await of(uri.replace("file://", "file://localhost")), `${folder}\n`);
    t.same("cwd as URI", await of(`${uri}/../a%20dir%20%25%20%C3%BC%20%23%3F`), `${folder}\n`);
    t.same("cwd on another host", await of("file://elsewhere/tmp"), -32602);
    t.same("cwd on another host", await of("http://localhost/tmp"), -32602);
    t.same("relative cwd", (await of(".")) === `${t.folder.work}\n`, false);
  });

  verifies("process/start: arg0 is what the program sees, and not what is run", async () => {
    const client = await t.client();
    for (const tty of [false, true]) {
      for (const arg0 of ["another-name", "", "/bin/false"]) {
        const child = new RawProcess(client);
        const params = t.params(["/bin/sh", "-c", 'tr "\\\\0" "\\\\n" < /proc/$$/cmdline | head -1'], {
          tty,
          arg0,
        });
        const answer = await client.ask("process/start", { processId: child.id, ...params });
        const got = answer.error ? "not started" : (await child.closed()).bytes.toString().trimEnd();
        if (tty) {
          const difference = t.difference("arg0 in a terminal");
          expect(difference ? got !== arg0 : got === arg0).toBe(true);
        } else expect(got).toBe(arg0);
      }
    }
  });

  verifies("process/start: a program is looked up in the PATH of the child", async () => {
    const folder = join(t.folder.work, "bin");
    mkdirSync(folder, { recursive: true });
    script(t, "bin/only-here", "#!/bin/sh\necho found\n");
    for (const tty of [false, true]) {
      const env = { PATH: `/nowhere:${folder}` };
      expect((await t.run(["only-here"], { env, tty })).bytes.toString().trim()).toBe("found");
      const { code, message } = await t.refusal(t.params(["only-here"], { tty }));
      expect(code).toBe(-32603);
      if (!tty) expect(message).toBe("No such file or directory (os error 2)");
    }
  });

  verifies("process/start: without a PATH the program is looked up where the system has it", async () => {
    expect((await t.run(["sh", "-c", "echo on"], { env: {} })).stdout).toBe("on\n");
    const client = await t.client();
    const child = new RawProcess(client);
    const params = t.params(["sh", "-c", "echo on"], { env: {}, tty: true });
    const answer = await client.ask("process/start", { processId: child.id, ...params });
    const got = answer.error ? answer.error.code : (await child.closed()).pty;
    t.same("no PATH in a terminal", got, "on\r\n");
  });

  verifies("process/start: a name with a slash is relative to the working directory", async () => {
    script(t, "here", "#!/bin/sh\necho here\n");
    mkdirSync(join(t.folder.work, "below"), { recursive: true });
    for (const tty of [false, true]) {
      expect((await t.run(["./here"], { tty })).bytes.toString().trim()).toBe("here");
      const client = await t.client();
      const child = new RawProcess(client);
      const params = t.params(["below/../here"], { tty });
      const answer = await client.ask("process/start", { processId: child.id, ...params });
      const got = answer.error ? answer.error.code : (await child.closed()).bytes.toString().trim();
      if (tty) t.same("slash in a terminal", got, "here");
      else expect(got).toBe("here");
    }
  });

  verifies("process/start: arguments arrive as they are", async () => {
    const odd = ["", " ", "a b", "\n", "'\"$x`", "ü💥", "-n", "\\", "x".repeat(100_000)];
    const told = await t.run(["/usr/bin/printf", "%s\\0", ...odd]);
    expect(told.stdout.split("\0").slice(0, -1)).toEqual(odd);
  });

  const failing: Record<string, (t: Harness) => [params: object, code: number, message: string]> = {
    "a missing program": () => [{ argv: ["/no/such"] }, -32603, "No such file or directory (os error 2)"],
    "a missing name": () => [{ argv: ["no-such-name"] }, -32603, "No such file or directory (os error 2)"],
    "a folder as program": () => [{ argv: ["/usr/bin"] }, -32603, "Permission denied (os error 13)"],
    "a file below a file": () => [{ argv: ["/etc/passwd/x"] }, -32603, "Not a directory (os error 20)"],
    "a file that is not executable": (t) => [
      { argv: [script(t, "plain", "#!/bin/sh\n", 0o644)] },
      -32603,
      "Permission denied (os error 13)",
    ],
    "a script without its interpreter line": (t) => [
      { argv: [script(t, "bare", "echo on\n")] },
      -32603,
      "Exec format error (os error 8)",
    ],
    "a script with a missing interpreter": (t) => [
      { argv: [script(t, "orphan", "#!/no/such\n")] },
      -32603,
      "No such file or directory (os error 2)",
    ],
    "a link to itself": (t) => {
      const path = join(t.folder.work, `loop-${Math.random()}`);
      symlinkSync(path, path);
      return [{ argv: [path] }, -32603, "Symbolic link loop (os error 40)"];
    },
    "an argument list that is too long": () => [
      { argv: ["/bin/true", ...Array(20).fill("x".repeat(120_000))], env: { X: "y".repeat(200_000) } },
      -32603,
      "Argument list too long (os error 7)",
    ],
    "NUL in an argument": () => [{ argv: ["/bin/echo", "a\0b"] }, -32603, "nul byte found in provided data"],
    "no program": () => [{ argv: [] }, -32602, "argv must not be empty"],
    "an empty program": () => [{ argv: [""] }, -32603, "missing program for pipe spawn"],
    "a missing working directory": (t) => [
      { cwd: t.path("/no/such/folder") },
      -32603,
      "No such file or directory (os error 2)",
    ],
    "a file as working directory": (t) => [
      { cwd: t.path("/etc/passwd") },
      -32603,
      "Not a directory (os error 20)",
    ],
  };
  for (const [name, make] of Object.entries(failing)) {
    verifies("process/start: a start that fails says why and leaves nothing", name, async () => {
      const [more, code, message] = make(t);
      // What is opened once is open after this.
      await t.run("true");
      const before = descriptorsOf(t.pid).length;
      const processId = `failing-${Math.random()}`;
      const error = await t.refusal({ ...t.params("true"), ...more, processId });
      expect(error.code).toBe(code);
      expect(error.message).toBe(message);
      // The id is free at once.
      const child = await new RawProcess(await t.client(), processId).start(t.params("exit 3"));
      expect((await child.closed()).exitCode).toBe(3);
      if (t.ours) await until(2000, "end of descriptors", () => descriptorsOf(t.pid).length <= before);
    });
  }

  verifies("process/start: NUL in a variable or a working directory is refused", async () => {
    for (const env of [{ "A\0": "x" }, { A: "x\0" }]) {
      expect((await t.refusal(t.params("true", { env }))).code).toBe(-32603);
    }
    expect((await t.refusal(t.params("true", { cwd: t.path("/tmp/a\0b") }))).code).toBeOneOf([
      -32602, -32603,
    ]);
  });

  verifies("process/start: parameters that do not decode are refused", async () => {
    const good = t.params("true");
    for (const name of ["argv", "cwd", "env", "tty"]) {
      expect((await t.refusal({ ...good, [name]: undefined })).message).toBe(`missing field \`${name}\``);
      expect((await t.refusal({ ...good, [name]: null })).code).toBe(-32602);
      expect((await t.refusal({ ...good, [name]: 5 })).code).toBe(-32602);
    }
    for (const bad of [
      { argv: "true" },
      { argv: ["true", 5] },
      { env: { A: null } },
      { env: { A: 1 } },
      { pipeStdin: null },
      { pipeStdin: "yes" },
      { arg0: 5 },
      { envPolicy: {} },
      { envPolicy: "all" },
    ]) {
      expect({ bad, code: (await t.refusal({ ...good, ...bad })).code }).toEqual({ bad, code: -32602 });
    }
    const client = await t.client();
    const answer = await client.ask("process/start", { ...good });
    expect(answer.error).toEqual({ code: -32602, message: "missing field `processId`" });
  });

  verifies("process/start: null is as good as absent where the peer says so", async () => {
    const nulls = { arg0: null, envPolicy: null, sandbox: null, managedNetwork: null, networkProxy: null };
    const told = await t.run("echo on", {
      ...nulls,
      shellSnapshot: null,
      credentialProviders: null,
      metadata: null,
    });
    expect(told.stdout).toBe("on\n");
    expect((await t.run("echo on", { enforceManagedNetwork: false })).stdout).toBe("on\n");
  });

  verifies("process/start: metadata become variables", async () => {
    const threadId = "3f0c6f0e-8a55-4b0e-9d5e-0f1f7a2f6c11";
    const params = { env: { CODEX_THREAD_ID: "x" }, metadata: { threadId, toolCallId: "call-1" } };
    const told = await t.run(["/usr/bin/env"], params);
    const wanted = [`CODEX_THREAD_ID=${threadId}`, "CODEX_TOOL_CALL_ID=call-1"];
    t.same("metadata", told.stdout.trimEnd().split("\n").sort(), wanted);
    const client = await t.client();
    const bad = t.params("true", { metadata: { threadId: "x" } });
    const answer = await client.ask("process/start", { ...bad, processId: `meta-${Math.random()}` });
    t.same("metadata checked", answer.error?.code, -32602);
  });
});

suite("start, ours", { servers: ours }, (t) => {
  verifies("process/start: a start that fails says why and leaves nothing", "in a terminal too", async () => {
    const rows: [object, string][] = [
      [{ argv: ["/no/such"] }, "No such file or directory (os error 2)"],
      [{ argv: ["no-such-name"] }, "No such file or directory (os error 2)"],
      [{ argv: [script(t, "bare", "echo on\n")] }, "Exec format error (os error 8)"],
      [{ argv: [""] }, "missing program for PTY spawn"],
      [{ cwd: t.path("/no/such/folder") }, "No such file or directory (os error 2)"],
    ];
    await t.run("true");
    const before = descriptorsOf(t.pid).length;
    for (const [more, message] of rows) {
      const error = await t.refusal({ ...t.params("true", { tty: true }), ...more });
      expect(error).toMatchObject({ code: -32603, message });
    }
    await until(2000, "end of descriptors", () => descriptorsOf(t.pid).length <= before);
    expect(childrenOf(t.pid)).toEqual([]);
  });
});
