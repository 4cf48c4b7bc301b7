/** Whole files and what is known of them: `fs/readFile`, `writeFile`, `getMetadata`, `canonicalize`. */

import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { base64, FileClient, folderOfAll, type Row } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";

suite("fs files", { transports: ["websocket"], peerTransports: ["websocket"] }, (t) => {
  const files = async (): Promise<FileClient> => new FileClient(t, await t.client());

  verifies("fs/readFile: follows links, and reads regular files only", async () => {
    const path = folderOfAll(t);
    const read = (name: string, expected: unknown, differs?: Row["differs"]): Row => ({
      method: "readFile",
      params: { path: path(name) },
      expected,
      ...(differs && { differs }),
    });
    await (await files()).table({
      file: read("f", { dataBase64: base64("hello") }),
      "a link": read("lf", { dataBase64: base64("hello") }),
      "through a link": read("ld/x", { dataBase64: base64("x") }),
      missing: read("nothing", "-32004 os 2"),
      "a link to nothing": read("dangling", "-32004 os 2"),
      "a link to itself": read("loop", "-32603 os 40"),
      "below a file": read("f/x", "-32603 os 20"),
      "a slash too many": read("f/", { dataBase64: base64("hello") }),
      "a directory": read("d", `-32600 path \`${path("d")}\` is not a file`, "fs: reading a directory"),
    });
  });

  verifies("fs/readFile: files of the system, which seem empty", async () => {
    const { dataBase64 } = await (await files()).call("readFile", { path: "/proc/self/status" });
    expect(Buffer.from(dataBase64, "base64").toString()).toContain("VmRSS:");
  });

  verifies("fs/readFile: a FIFO or a device does not hold up anything", async () => {
    // The older peer opens it, and its connection waits for good.
    if (t.id === "codex-0.138.0") return;
    const path = folderOfAll(t);
    const fs = await files();
    await fs.table({
      "a FIFO": {
        method: "readFile",
        params: { path: path("fifo") },
        expected: `-32600 path \`${path("fifo")}\` is not a file`,
      },
      "a device": {
        method: "readFile",
        params: { path: "/dev/zero" },
        expected: "-32600 path `/dev/zero` is not a file",
      },
    });
  });

  verifies("fs/readFile: 20 MB arrive as they are, and more than 512 MiB are refused", async () => {
    const fs = await files();
    const bytes = randomBytes(20_000_000);
    const path = folderOfAll(t);
    writeFileSync(path("large"), bytes);
    const { dataBase64 } = await fs.call("readFile", { path: path("large") }, 20_000);
    expect(Buffer.from(dataBase64, "base64").equals(bytes)).toBe(true);
    writeFileSync(path("sparse"), "");
    truncateSync(path("sparse"), 512 * 1024 * 1024 + 1);
    expect(await fs.outcome("readFile", { path: path("sparse") })).toBe(
      "-32600 file is too large to read: limit is 536870912 bytes",
    );
  });

  verifies("fs/writeFile: makes a file, or writes an existing one in place", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const before = statSync(path("f"));
    expect(await fs.call("writeFile", { path: path("f"), dataBase64: base64("hi") })).toEqual({});
    const after = statSync(path("f"));
    expect([readFileSync(path("f"), "utf8"), after.ino, after.mode]).toEqual(["hi", before.ino, before.mode]);
    await fs.call("writeFile", { path: path("new"), dataBase64: base64("new") });
    expect(readFileSync(path("new"), "utf8")).toBe("new");
    expect(statSync(path("new")).mode & 0o777).toBe(0o666 & ~process.umask());
    await fs.call("writeFile", { path: path("dangling"), dataBase64: base64("by a link") });
    expect(readFileSync(path("nothing"), "utf8")).toBe("by a link");
    await fs.call("writeFile", { path: path("lf"), dataBase64: base64("") });
    expect(readFileSync(path("f"), "utf8")).toBe("");
    const write = (name: string, expected: unknown): Row => ({
      method: "writeFile",
      params: { path: name.startsWith("/") ? name : path(name), dataBase64: base64("x") },
      expected,
    });
    await fs.table({
      "a missing parent": write("no/x", "-32004 os 2"),
      "a directory": write("d", "-32603 os 21"),
      "a link to a directory": write("ld", "-32603 os 21"),
      "below a file": write("f/x", "-32603 os 20"),
      "a link to itself": write("loop", "-32603 os 40"),
      "/dev/null": write("/dev/null", {}),
    });
  });

  verifies("fs/writeFile: a FIFO that nobody reads does not hold up anything", async () => {
    if (!t.ours) return;
    const path = folderOfAll(t);
    const fs = await files();
    expect(await fs.outcome("writeFile", { path: path("fifo"), dataBase64: "" })).toBe("-32603 os 6");
  });

  verifies("fs/writeFile: what is no base64 is told in the words of the peer", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const told = "-32600 fs/writeFile requires valid base64 dataBase64: ";
    for (const [dataBase64, fault] of [
      ["YQ", "Invalid padding"],
      ["YW-j", "Invalid symbol 45, offset 2."],
      ["YWL=", "Invalid last symbol 76, offset 2."],
      ["YQ==\n", "Invalid symbol 10, offset 4."],
    ]) {
      expect(await fs.outcome("writeFile", { path: path("x"), dataBase64 })).toBe(told + fault);
    }
    expect(await fs.outcome("readFile", { path: path("x") })).toBe("-32004 os 2");
  });

  verifies("fs/getMetadata: of the target, and whether the path is a link", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const kinds = async (name: string): Promise<unknown> => {
      const answer = await fs.outcome("getMetadata", { path: path(name) });
      if (typeof answer === "string") return answer;
      const { isDirectory, isFile, isSymlink } = answer as Record<string, boolean>;
      return [isDirectory, isFile, isSymlink];
    };
    expect(await kinds("f")).toEqual([false, true, false]);
    expect(await kinds("d")).toEqual([true, false, false]);
    expect(await kinds("lf")).toEqual([false, true, true]);
    expect(await kinds("ld")).toEqual([true, false, true]);
    expect(await kinds("fifo")).toEqual([false, false, false]);
    expect(await kinds("dangling")).toBe("-32004 os 2");
    expect(await kinds("loop")).toBe("-32603 os 40");
    expect(await kinds("f/x")).toBe("-32603 os 20");
    expect(await kinds("nothing")).toBe("-32004 os 2");
    utimesSync(path("f"), 1.9, 1_234_567_890.987);
    const found = await fs.call("getMetadata", { path: path("f") });
    expect(found.modifiedAtMs).toBe(1_234_567_890_986);
    t.same("fs: size", found.size, 5);
    t.same("fs: birth", found.createdAtMs > 1_600_000_000_000, true);
    t.same("fs: mode", found.mode, 0o640);
    expect(spawnSync("touch", ["-d", "1960-01-01", path("f")]).status).toBe(0);
    expect((await fs.call("getMetadata", { path: path("f") })).modifiedAtMs).toBe(0);
  });

  verifies("fs/canonicalize: the path without links", async () => {
    const path = folderOfAll(t);
    const found = (name: string): object => ({ path: t.path(path(name)) });
    const row = (name: string, expected: unknown): Row => ({
      method: "canonicalize",
      params: { path: path(name) },
      expected,
    });
    mkdirSync(path("d/deep"));
    symlinkSync(path("d/deep"), path("far"));
    await (await files()).table({
      "a file": row("f", found("f")),
      "a link": row("lf", found("f")),
      "through links": row("far", found("d/deep")),
      "below a link": row("ld/x", found("d/x")),
      "the root": { method: "canonicalize", params: { path: "/" }, expected: { path: t.path("/") } },
      "a link to nothing": row("dangling", "-32004 os 2"),
      "a link to itself": row("loop", "-32603 os 40"),
      missing: row("nothing", "-32004 os 2"),
    });
  });

  verifies("fs: null stands for what is the default", async () => {
    const path = folderOfAll(t);
    const row = (method: string, name: string, expected: unknown, more: object = {}): Row => ({
      method,
      params: { path: path(name), sandbox: null, followSymlinks: null, ...more },
      expected,
    });
    const nulls = { recursive: null, force: null };
    await (await files()).table({
      "read through a link": row("readFile", "lf", { dataBase64: base64("hello") }),
      "write through a link": row("writeFile", "lf", {}, { dataBase64: base64("hello") }),
      "make with parents": row("createDirectory", "new/deep", {}, { recursive: null }),
      "remove a tree": row("remove", "new", {}, nulls),
      "remove what is missing": row("remove", "new", {}, nulls),
    });
  });

  verifies("fs: followSymlinks false takes no link at any place", async () => {
    if (t.id === "codex-0.138.0") return;
    const path = folderOfAll(t);
    const row = (method: string, name: string, expected: unknown, more: object = {}): Row => ({
      method,
      params: { path: path(name), followSymlinks: false, ...more },
      expected,
    });
    const data = { dataBase64: base64("y") };
    await (await files()).table({
      "read a file": row("readFile", "d/x", { dataBase64: base64("x") }),
      "read a link": row("readFile", "lf", "-32603 os 40"),
      "read through a link": row("readFile", "ld/x", "-32603 os 20"),
      "read a directory": row("readFile", "d", "-32600 path is not a regular file"),
      "read a FIFO": row("readFile", "fifo", "-32600 path is not a regular file"),
      "write a link": row("writeFile", "lf", "-32603 os 40", data),
      "write through a link": row("writeFile", "ld/new", "-32603 os 20", data),
      "write a FIFO": row("writeFile", "fifo", "-32603 os 6", data),
      "write a new file": row("writeFile", "d/new", {}, data),
      "write it again": row("writeFile", "d/new", {}, data),
      "metadata of a link": row("getMetadata", "lf", "-32600 path contains a symbolic link"),
      "metadata through a link": row("getMetadata", "ld/x", "-32603 os 20"),
      "remove a link": row("remove", "lf", "-32600 path contains a symbolic link", { recursive: false }),
      "remove through a link": row("remove", "ld/x", "-32603 os 20", { recursive: false }),
      "remove recursively": row("remove", "d/new", "-32603 recursive no-follow removal is unsupported"),
      "remove a file": row("remove", "d/new", {}, { recursive: false }),
      "make directories": row("createDirectory", "d/a/b", {}),
      "make them through a link": row("createDirectory", "ld/c", "-32603 os 20"),
      "make one at a link": row("createDirectory", "ld", "-32603 os 20"),
      "make one at a file": row("createDirectory", "f", "-32603 os 20"),
      "make one at a link alone": row("createDirectory", "ld", "-32603 os 17", { recursive: false }),
    });
  });
});
