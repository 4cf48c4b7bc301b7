/** File requests under a sandbox: what they may do, on every server. */

import { expect } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { until } from "../support/deadline.ts";
import { type Harness, ours, suite, verifies } from "../support/harness.ts";
import { childrenOf } from "../support/proc.ts";
import {
  at,
  launchForSandboxes,
  managed,
  noBubblewrap,
  readOnly,
  special,
  workspaceWrite,
} from "../support/sandbox.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const EROFS = "-32603 (os error 30)";
const ENOENT = "-32004 (os error 2)";
const EACCES = "-32600 (os error 13)";

/** The hidden names of the workspace; both ways to list it tell the same. */
async function hiddenNames(t: Harness, sandbox: object): Promise<string[]> {
  const path = pathToFileURL(t.folder.work).href;
  const client = await t.client();
  const list = await client.ask("fs/readDirectory", { path, sandbox });
  const options = {
    maxDepth: 1,
    maxDirectories: 10,
    maxEntries: 100,
    followDirectorySymlinks: false,
    pruneHiddenDirectories: false,
  };
  const walk = await client.ask("fs/walk", { path, sandbox, options });
  const [listed, walked] = [
    list.result.entries.map(({ fileName }: { fileName: string }) => fileName),
    walk.result.entries.map(({ path }: { path: string }) => path.slice(path.lastIndexOf("/") + 1)),
  ].map((names: string[]) => names.filter((name) => name.startsWith(".")));
  expect(walked).toEqual(listed!);
  return listed!;
}

/** Code and number of the error, or what the answer holds. */
async function ask(
  t: Harness,
  method: string,
  name: string,
  sandbox: object,
  more: object = {},
): Promise<unknown> {
  const path = pathToFileURL(name.startsWith("/") ? name : join(t.folder.work, name)).href;
  const { error, result } = await (await t.client()).ask(method, { path, sandbox, ...more });
  if (!error)
    return result.dataBase64 === undefined ? "done" : Buffer.from(result.dataBase64, "base64").toString();
  return `${error.code} ${/\(os error \d+\)/.exec(error.message)?.[0] ?? error.message}`;
}

/** Helpers belong to the connection and end with it. */
function endHelpers(t: Harness): void {
  t.closing.push(async () => {
    const { pid } = t;
    await (await t.client()).close();
    if (t.ours && t.transport === "websocket") {
      await until(5000, "end of the helpers", () => childrenOf(pid).length === 0);
    }
  });
}

const write = (t: Harness, name: string, sandbox: object, text = "new"): Promise<unknown> =>
  ask(t, "fs/writeFile", name, sandbox, { dataBase64: base64(text) });
const read = (t: Harness, name: string, sandbox: object): Promise<unknown> =>
  ask(t, "fs/readFile", name, sandbox);

suite("sandboxed files", {
  servers: (server) => server.id !== "codex-0.138.0",
  missing: noBubblewrap,
  transports: ["websocket"],
  launch: launchForSandboxes(),
}, (t) => {
  endHelpers(t);

  verifies("sandboxed files: a read-only request reads everything and changes nothing", async () => {
    const sandbox = readOnly(t.folder.work);
    writeFileSync(join(t.folder.work, "file"), "text");
    expect(await read(t, "file", sandbox)).toBe("text");
    expect(await write(t, "file", sandbox)).toBe(EROFS);
    expect(await write(t, "none", sandbox)).toBe(EROFS);
    expect(await ask(t, "fs/remove", "file", sandbox)).toBe(EROFS);
    expect(await ask(t, "fs/createDirectory", "folder", sandbox)).toBe(EROFS);
    expect(readFileSync(join(t.folder.work, "file"), "utf8")).toBe("text");
  });

  verifies(
    "sandboxed files: a workspace can be written, not what is beside it and not by a link",
    async () => {
      const sandbox = workspaceWrite(t.folder.work);
      const outside = join(t.folder.path, "outside");
      mkdirSync(outside, { recursive: true });
      rmSync(join(t.folder.work, "link"), { force: true });
      symlinkSync(outside, join(t.folder.work, "link"));
      expect(await write(t, "mine", sandbox)).toBe("done");
      expect(readFileSync(join(t.folder.work, "mine"), "utf8")).toBe("new");
      expect(await write(t, join(outside, "x"), sandbox)).toBe(EROFS);
      expect(await write(t, "link/x", sandbox)).toBe(EROFS);
      expect(readdirSync(outside)).toEqual([]);
    },
  );

  verifies("sandboxed files: protected names are kept, whether they are there or not", async () => {
    const sandbox = workspaceWrite(t.folder.work);
    await until(5000, "end of the helpers before", () => !existsSync(join(t.folder.work, ".git")));
    mkdirSync(join(t.folder.work, ".git"));
    try {
      expect(await write(t, ".git/config", sandbox)).toBe(EROFS);
      const made = await ask(t, "fs/createDirectory", ".codex", sandbox);
      t.same("protected folder made", made, EROFS);
      expect(existsSync(join(t.folder.work, ".git/config"))).toBe(false);
    } finally {
      rmSync(join(t.folder.work, ".git"), { recursive: true });
    }
    await until(
      5000,
      "end of what stands for missing names",
      () => !existsSync(join(t.folder.work, ".codex")),
    );
  });

  verifies("sandboxed files: what is out of reach is not there, but the system's folders are", async () => {
    const sandbox = managed(t.folder.work, [special("project_roots", "read")]);
    writeFileSync(join(t.folder.home, "secret"), "secret");
    writeFileSync(join(t.folder.work, "open"), "open");
    expect(await read(t, join(t.folder.home, "secret"), sandbox)).toBe(ENOENT);
    expect(await read(t, "open", sandbox)).toBe("open");
    expect(await read(t, "/etc/passwd", sandbox)).toContain("root:");
  });

  verifies("sandboxed files: no write is acknowledged and lost", async () => {
    const sandbox = managed(t.folder.work, [special("project_roots", "write")]);
    expect(await write(t, join(t.folder.home, "ghost"), sandbox)).toBe(ENOENT);
    t.same("ghost write at the top", await write(t, "/ghost", sandbox), EROFS);
    expect(existsSync(join(t.folder.home, "ghost"))).toBe(false);
  });

  verifies("sandboxed files: what is denied can be neither read nor removed", async () => {
    writeFileSync(join(t.folder.work, "key"), "secret");
    const sandbox = managed(t.folder.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(t.folder.work, "key"), "deny"),
    ]);
    expect(await read(t, "key", sandbox)).toBe(EACCES);
    expect(await ask(t, "fs/remove", "key", sandbox)).toBe("-32603 (os error 16)");
    expect(readFileSync(join(t.folder.work, "key"), "utf8")).toBe("secret");
  });

  verifies("sandboxed files: blocks of a handle stay in the sandbox of its opening", async () => {
    const client = await t.client();
    const sandbox = workspaceWrite(t.folder.work);
    const opened = await ask(t, "fs/open", "blocks", sandbox, { handleId: "h", mode: "replace" });
    expect(opened).toBe("done");
    await client.call("fs/writeBlock", { handleId: "h", offset: 0, chunk: base64("hello") });
    await client.call("fs/close", { handleId: "h" });
    expect(readFileSync(join(t.folder.work, "blocks"), "utf8")).toBe("hello");
    expect(
      await ask(t, "fs/open", join(t.folder.path, "no"), sandbox, { handleId: "n", mode: "replace" }),
    ).toBe(EROFS);
    await ask(t, "fs/open", "blocks", sandbox, { handleId: "r", mode: "read" });
    const block = await client.call("fs/readBlock", { handleId: "r", offset: 1, len: 10 });
    expect(Buffer.from(block.chunk, "base64").toString()).toBe("ello");
    await client.call("fs/close", { handleId: "r" });
  });

  verifies("sandboxed files: what asks for no limit is done as without", async () => {
    const outside = join(t.folder.path, "free");
    for (const permissions of [
      { type: "disabled" },
      { type: "managed", file_system: { type: "unrestricted" }, network: "restricted" },
    ]) {
      expect(await write(t, outside, { permissions, windowsSandboxLevel: "disabled" })).toBe("done");
      expect(existsSync(outside)).toBe(true);
      rmSync(outside);
    }
  });

  verifies("sandboxed files: a policy that needs a folder to stand in is refused without one", async () => {
    const { permissions } = workspaceWrite(t.folder.work) as { permissions: object };
    const told = await write(t, "x", { permissions, windowsSandboxLevel: "disabled" });
    expect(told).toContain("-32602");
    expect(told).toContain("requires cwd");
  });
});

suite("sandboxed files, ours", { servers: ours, missing: noBubblewrap }, (t) => {
  endHelpers(t);

  verifies("sandboxed files: a workspace that was replaced is written as it is now", async () => {
    const sandbox = workspaceWrite(t.folder.work);
    const folder = join(t.folder.work, "inner");
    const inner = managed(folder, [special("root", "read"), special("project_roots", "write")]);
    for (let round = 0; round < 3; round++) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      expect(await write(t, join(folder, "file"), inner, `${round}`)).toBe("done");
      expect(readFileSync(join(folder, "file"), "utf8")).toBe(`${round}`);
    }
    expect(await write(t, join(folder, "file"), sandbox, "outer")).toBe("done");
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("outer");
  });

  verifies(
    "sandboxed files: what stands for a missing name is missing to other requests, and can be made",
    async () => {
      const free = { permissions: { type: "disabled" } };
      expect(await write(t, "keeps-it-busy", workspaceWrite(t.folder.work))).toBe("done");
      expect(await ask(t, "fs/getMetadata", ".git", free)).toBe(ENOENT);
      for (const sandbox of [
        free,
        workspaceWrite(t.folder.work),
        managed(t.folder.work, [special("project_roots", "read")]),
      ]) {
        expect(await hiddenNames(t, sandbox)).toEqual([]);
      }
      const strict = { recursive: false, force: false };
      expect(await ask(t, "fs/remove", ".git", free, strict)).toBe(ENOENT);
      expect(await ask(t, "fs/remove", ".git", free)).toBe("done");
      expect(await ask(t, "fs/remove", ".git", workspaceWrite(t.folder.work))).not.toBe("done");
      expect(existsSync(join(t.folder.work, ".git"))).toBe(true);
      expect(await ask(t, "fs/createDirectory", ".git", free, strict)).toBe("done");
      expect(await hiddenNames(t, free)).toEqual([".git"]);
      expect(await ask(t, "fs/getMetadata", ".git", free)).toBe("done");
      await until(
        5000,
        "end of what stands for missing names",
        () => !existsSync(join(t.folder.work, ".codex")),
      );
      expect(existsSync(join(t.folder.work, ".git"))).toBe(true);
      rmSync(join(t.folder.work, ".git"), { recursive: true });
    },
  );

  verifies("sandboxed files: every call that changes something is confined", async () => {
    const sandbox = readOnly(t.folder.work);
    writeFileSync(join(t.folder.work, "file"), "text");
    const uri = (name: string): string => pathToFileURL(join(t.folder.work, name)).href;
    const two = { sourcePath: uri("file"), destinationPath: uri("other") };
    const rows: [string, object][] = [
      ["fs/copy", { ...two, recursive: false }],
      ["fs/rename", two],
      ["fs/chmod", { mode: 0o777 }],
      ["fs/setTimes", { modifiedAtMs: 0, accessedAtMs: 0 }],
      ["fs/symlink", { path: uri("symlink"), target: "file" }],
      ["fs/open", { handleId: "o", mode: "replace" }],
    ];
    for (const [method, more] of rows)
      expect([method, await ask(t, method, "file", sandbox, more)]).toEqual([method, EROFS]);
    expect(readdirSync(t.folder.work).sort()).toContain("file");
    expect(readFileSync(join(t.folder.work, "file"), "utf8")).toBe("text");
  });
});
