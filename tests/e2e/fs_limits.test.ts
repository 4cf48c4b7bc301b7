/** File requests where the system says no, and while somebody else changes the same files. */

import { afterEach, beforeAll, expect } from "bun:test";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { base64, FileClient, folderOfAll, type Row, shortened } from "../support/fs_client.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { asNobody, isRoot, NOBODY, startable } from "../support/ordinary_user.ts";
import { memoryOf } from "../support/proc.ts";
import type { Json } from "../support/raw_client.ts";

suite("fs as an ordinary user", { servers: startable, transports: ["websocket"], launch: asNobody }, (t) => {
  let path: (name: string) => string;
  // Or nobody could remove the folder.
  afterEach(() => {
    for (const name of ["secret", "shut", "listed"]) chmodSync(path(name), 0o700);
  });

  verifies("fs: what may not be done is -32600 with its errno", async () => {
    path = folderOfAll(t);
    if (isRoot) for (const name of ["", "f", "d", "d/x"]) chownSync(path(name), NOBODY, NOBODY);
    const client = new FileClient(t, await t.client());
    writeFileSync(path("secret"), "s");
    mkdirSync(path("shut"));
    writeFileSync(path("shut/x"), "");
    mkdirSync(path("listed"));
    writeFileSync(path("listed/x"), "");
    for (const name of ["secret", "shut", "listed"]) if (isRoot) chownSync(path(name), NOBODY, NOBODY);
    for (const [name, mode] of [
      ["secret", 0o000],
      ["shut", 0o000],
      ["listed", 0o444],
    ] as const) {
      chmodSync(path(name), mode);
    }
    const denied = "-32600 os 13";
    const ask = (method: string, name: string, more: object = {}): Promise<unknown> =>
      client.outcome(method, { path: path(name), ...more });
    expect(await ask("readFile", "secret")).toBe(denied);
    expect(await ask("writeFile", "secret", { dataBase64: "" })).toBe(denied);
    expect(await ask("writeFile", "shut/new", { dataBase64: "" })).toBe(denied);
    expect(await ask("getMetadata", "shut/x")).toBe(denied);
    expect(await ask("readDirectory", "shut")).toBe(denied);
    expect(await ask("createDirectory", "shut/d")).toBe(denied);
    expect(await ask("canonicalize", "shut/x")).toBe(denied);
    expect(await ask("remove", "shut/x")).toBe(denied);
    expect(await ask("remove", "shut")).toBe(denied);
    const listed = (await ask("readDirectory", "listed")) as { entries: object[] };
    t.same("fs: a directory that cannot be searched", listed.entries.length, 1);
    const copied = { sourcePath: path("secret"), destinationPath: path("copy"), recursive: false };
    expect(await client.outcome("copy", copied)).toBe(denied);
    expect(existsSync(path("copy"))).toBe(false);
    if (t.id === "codex-0.138.0") return;
    expect(await ask("open", "secret", { handleId: "h" })).toBe(denied);
    const options = { maxDepth: 9, maxDirectories: 99, maxEntries: 99, followDirectorySymlinks: false };
    const walked = (await ask("walk", "", { options })) as { entries: object[]; errors: Json[] };
    t.same("fs: walk of what cannot be searched", walked.errors.length, 1);
    expect(walked.errors).toContainEqual({
      path: t.path(path("shut")),
      message: "Permission denied (os error 13)",
    });
    if (!t.ours) return;
    const { error } = await client.ask("readFile", { path: path("secret") });
    expect(error.data).toEqual({ errno: "EACCES", path: t.path(path("secret")) });
    expect(await ask("chmod", "/../../../../etc/passwd", { mode: 0o777 })).toBe("-32600 os 1");
  });
});

const onSmallDisk = {
  through: (folder: { work: string }): string[] =>
    isRoot
      ? ["unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=1m none ${folder.work} && exec "$@"`, "sh"]
      : [],
};

// Only root can mount the small disk.
suite("fs on a full disk", {
  servers: ours,
  missing: isRoot ? undefined : "the tests do not run as root",
  transports: ["websocket"],
  launch: onSmallDisk,
}, (t) => {
  verifies("fs: a full disk is an error, and nothing else is lost", async () => {
    const client = new FileClient(t, await t.client());
    const path = (name: string): string => join(t.folder.work, name);
    const large = randomBytes(1_500_000).toString("base64");
    const full = "-32603 os 28";
    await client.call("writeFile", { path: path("kept"), dataBase64: base64("kept") });
    expect(await client.outcome("writeFile", { path: path("new"), dataBase64: large })).toBe(full);
    const atomic = { path: path("kept"), dataBase64: large, atomic: true };
    expect(await client.outcome("writeFile", atomic)).toBe(full);
    expect(await client.outcome("readFile", { path: path("kept") })).toEqual({ dataBase64: base64("kept") });
    const { entries } = await client.call("readDirectory", { path: t.folder.work });
    expect(entries.map(({ fileName }: Json) => fileName)).toEqual(["kept"]);
    await client.call("open", { handleId: "h", path: path("blocks"), mode: "replace" });
    const block = { handleId: "h", offset: 0, chunk: large.slice(0, 1_333_332) };
    expect(await client.outcome("writeBlock", block)).toEqual({});
    expect(await client.outcome("writeBlock", { ...block, offset: 1_000_000 })).toBe(full);
    expect(await client.outcome("close", { handleId: "h" })).toEqual({});
    await client.call("remove", { path: path("blocks") });
    const fits = randomBytes(900_000).toString("base64");
    expect(await client.outcome("writeFile", { path: path("new"), dataBase64: fits })).toEqual({});
    const copy = { sourcePath: path("new"), destinationPath: path("copy"), recursive: false };
    // The path is of what there is no room for.
    expect((await client.ask("copy", copy)).error).toEqual({
      code: -32603,
      message: "No space left on device (os error 28)",
      data: { errno: "ENOSPC", path: t.path(path("copy")) },
    });
  });
});

/** A small disk at `ro` in the folder, on which nothing can be changed any more. */
const withReadOnlyDisk = {
  through: ({ work }: { work: string }): string[] => {
    if (!isRoot) return [];
    const mount = `mkdir ${work}/ro && mount -t tmpfs -o size=1m none ${work}/ro && echo x > ${work}/ro/f`;
    return [
      "unshare",
      "--mount",
      "sh",
      "-c",
      `${mount} && mount -o remount,ro ${work}/ro && exec "$@"`,
      "sh",
    ];
  },
};

// Only root can mount it.
suite("fs on a disk that is only read", {
  servers: () => isRoot,
  transports: ["websocket"],
  peerTransports: ["websocket"],
  launch: withReadOnlyDisk,
}, (t) => {
  verifies("fs: what cannot be changed, and what is in use, is -32603 with its errno", async () => {
    const client = new FileClient(t, await t.client());
    const path = (name: string): string => join(t.folder.work, "ro", name);
    const row = (method: string, name: string, expected: unknown, more: object = {}): Row => ({
      method,
      params: { path: path(name), ...more },
      expected,
    });
    const data = { dataBase64: base64("y") };
    const copy = { sourcePath: path("f"), destinationPath: path("g"), recursive: false };
    await client.table({
      read: row("readFile", "f", { dataBase64: base64("x\n") }),
      "write what is there": row("writeFile", "f", "-32603 os 30", data),
      "write what is new": row("writeFile", "new", "-32603 os 30", data),
      "make a directory": row("createDirectory", "d", "-32603 os 30"),
      remove: row("remove", "f", "-32603 os 30"),
      copy: { method: "copy", params: copy, expected: "-32603 os 30" },
      "remove where a disk begins": row("remove", "", "-32603 os 16", { recursive: false }),
    });
  });
});

/** Puts a link to `outside` in the place of a directory and back, as fast as it can, until it is ended. */
const swapper = `
const { renameSync, symlinkSync, unlinkSync } = require("node:fs");
const [inside, outside] = process.argv.slice(-2);
process.stdout.write("on");
for (;;) {
  try {
    renameSync(inside, inside + ".real");
    symlinkSync(outside, inside);
    unlinkSync(inside);
    renameSync(inside + ".real", inside);
  } catch {
    process.exit();
  }
}`;

suite("fs while others change the files", { servers: ours, transports: ["websocket"] }, (t) => {
  let path: (name?: string) => string;

  beforeAll(() => {
    path = folderOfAll(t);
    mkdirSync(path("outside/deep"), { recursive: true });
    writeFileSync(path("outside/deep/secret"), "secret");
    writeFileSync(path("outside/x"), "secret");
  });

  /** Does something again and again while a directory is swapped with a link. */
  async function whileSwapped(inside: string, action: () => Promise<void>): Promise<void> {
    const swapping = spawn(process.execPath, ["-e", swapper, inside, path("outside")], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    // Once there is nothing to swap it ends by itself.
    const ended = once(swapping, "exit");
    try {
      await once(swapping.stdout!, "data");
      const end = performance.now() + 250;
      while (performance.now() < end) await action();
    } finally {
      swapping.kill("SIGKILL");
      await ended;
    }
    for (const name of [inside, `${inside}.real`]) rmSync(name, { recursive: true, force: true });
  }

  const makeTree = (name: string): string => {
    mkdirSync(path(`${name}/in/deep`), { recursive: true });
    writeFileSync(path(`${name}/in/x`), "mine");
    writeFileSync(path(`${name}/in/deep/mine`), "mine");
    return path(`${name}/in`);
  };

  verifies("fs: a link that takes the place of a directory is not followed where none may be", async () => {
    const client = new FileClient(t, await t.client());
    const inside = makeTree("read");
    const seen = new Set<unknown>();
    await whileSwapped(inside, async () => {
      const read = { path: join(inside, "x"), followSymlinks: false };
      seen.add(JSON.stringify(await client.outcome("readFile", read)));
      await client.outcome("writeFile", { ...read, path: join(inside, "new"), dataBase64: base64("new") });
    });
    seen.delete(JSON.stringify({ dataBase64: base64("mine") }));
    seen.delete('"-32603 os 20"');
    seen.delete('"-32004 os 2"');
    expect([...seen]).toEqual([]);
    expect(readdirSync(path("outside")).toSorted()).toEqual(["deep", "x"]);
  });

  verifies("fs/walk: does not leave the tree by a link that takes the place of a directory", async () => {
    const client = new FileClient(t, await t.client());
    const inside = makeTree("walk");
    const options = { maxDepth: 9, maxDirectories: 99, maxEntries: 99, followDirectorySymlinks: false };
    await whileSwapped(inside, async () => {
      const { entries } = await client.call("walk", { path: path("walk"), options });
      expect(entries.filter((entry: Json) => entry.path.endsWith("secret"))).toEqual([]);
    });
  });

  verifies(
    "fs/copy and fs/remove: stay in the tree as well",
    async () => {
      const client = new FileClient(t, await t.client());
      const inside = makeTree("tree");
      let n = 0;
      await whileSwapped(inside, async () => {
        const copy = path(`copy-${n++}`);
        await client.outcome("copy", { sourcePath: path("tree"), destinationPath: copy, recursive: true });
        for (const name of ["in", "in.real"]) {
          const made = lstatSync(join(copy, name), { throwIfNoEntry: false })?.isDirectory();
          if (made && existsSync(join(copy, name, "x")))
            expect(readFileSync(join(copy, name, "x"), "utf8")).toBe("mine");
        }
        await client.outcome("remove", { path: copy });
      });
      for (let i = 0; i < 2; i++) {
        const again = makeTree(`gone-${i}`);
        await whileSwapped(again, async () => {
          await client.outcome("remove", { path: path(`gone-${i}`) });
          if (existsSync(path(`gone-${i}`))) return;
          // Made aside, as who swaps may put the link where we would write.
          makeTree("fresh");
          renameSync(path("fresh"), path(`gone-${i}`));
        });
      }
      expect(readFileSync(path("outside/deep/secret"), "utf8")).toBe("secret");
      expect(readFileSync(path("outside/x"), "utf8")).toBe("secret");
    },
    60_000,
  );

  verifies(
    "fs: directories that are removed while they are listed, and files that shrink while read",
    async () => {
      const client = new FileClient(t, await t.client());
      mkdirSync(path("going"));
      for (let i = 0; i < 3000; i++) writeFileSync(path(`going/${i}`), "");
      const list = client.client.post("fs/readDirectory", { path: path("going") });
      const options = { maxDepth: 9, maxDirectories: 99, maxEntries: 5000, followDirectorySymlinks: false };
      const walk = client.client.post("fs/walk", { path: path(), options });
      rmSync(path("going"), { recursive: true });
      const listed = shortened(await client.client.answer(list));
      expect(listed === "-32004 os 2" || Array.isArray((listed as Json).entries)).toBe(true);
      expect((await client.client.answer(walk)).result.errors).toEqual([]);
      const size = 64 * 1024 * 1024;
      writeFileSync(path("shrinking"), Buffer.alloc(size, "x"));
      const read = client.client.post("fs/readFile", { path: path("shrinking") });
      truncateSync(path("shrinking"), 1000);
      const { result } = await client.client.answer(read, 20_000);
      const length = Buffer.from(result.dataBase64, "base64").length;
      expect(length >= 1000 && length <= size).toBe(true);
    },
  );
});

suite("fs requests whose answers are not read", { servers: ours, transports: ["websocket"] }, (t) => {
  verifies("fs: who asks for much and reads nothing fills no memory and delays nobody", async () => {
    const path = folderOfAll(t);
    // Its base64 fits one frame, which is all that this client reads.
    writeFileSync(path("large"), Buffer.alloc(3 * 1024 * 1024, "x"));
    mkdirSync(path("many"));
    for (let i = 0; i < 2000; i++) writeFileSync(path(`many/${i}`), "");
    const other = await t.client();
    const before = memoryOf(t.pid);
    const slow = await (await t.socket()).upgrade();
    await slow.initialize();
    slow.ask("fs/open", { handleId: "h", path: path("large") });
    slow.socket.pause();
    for (let i = 0; i < 300; i++) {
      slow.ask("fs/readBlock", { handleId: "h", offset: 0, len: 1024 * 1024 });
      slow.ask("fs/readDirectory", { path: path("many") });
      slow.ask("fs/readFile", { path: path("large") });
    }
    let highest = 0;
    for (const from = performance.now(); performance.now() - from < 1000; ) {
      const asked = performance.now();
      await other.call("environment/status", null);
      expect(performance.now() - asked).toBeLessThan(1000);
      highest = Math.max(highest, memoryOf(t.pid));
      await Bun.sleep(20);
    }
    expect(highest - before).toBeLessThan(250);
    slow.socket.resume();
    const answered = new Set<number>();
    while (answered.size < 60) answered.add((await slow.nextJson(10_000)).id);
  });
});
