/** Directories and trees: `fs/createDirectory`, `readDirectory`, `remove`, `copy`, `walk`. */

import { expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { FileClient, folderOfAll, type Row } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";

suite("fs trees", { transports: ["websocket"], peerTransports: ["websocket"] }, (t) => {
  const files = async (): Promise<FileClient> => new FileClient(t, await t.client());

  verifies("fs/createDirectory: with its parents unless told otherwise", async () => {
    const path = folderOfAll(t);
    const row = (name: string, expected: unknown, more: object = {}): Row => ({
      method: "createDirectory",
      params: { path: name === "/" ? name : path(name), ...more },
      expected,
    });
    const alone = { recursive: false };
    await (await files()).table({
      "with parents": row("a/b/c", {}),
      again: row("a/b/c", {}),
      "with null": row("a/b/d", {}, { recursive: null }),
      "at a link to a directory": row("ld", {}),
      "at a file": row("f", "-32603 os 17"),
      "at a link to nothing": row("dangling", "-32603 os 17"),
      "below a file": row("f/x", "-32603 os 20"),
      "the root": row("/", {}),
      "alone, there": row("d", "-32603 os 17", alone),
      "alone, the root": row("/", "-32603 os 17", alone),
      "alone, without parent": row("no/x", "-32004 os 2", alone),
      alone: row("e", {}, alone),
    });
    expect(statSync(path("e")).mode & 0o777).toBe(0o777 & ~process.umask());
  });

  verifies("fs/readDirectory: what entries lead to, sorted", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const listed = (await fs.call("readDirectory", { path: path() })).entries as Record<string, unknown>[];
    const plain = listed.map((entry) => [entry.fileName, entry.isDirectory, entry.isFile]);
    const expected = [
      ["d", true, false],
      ["f", false, true],
      ["fifo", false, false],
      ["ld", true, false],
      ["lf", false, true],
    ];
    expect(plain.toSorted()).toEqual(expected);
    for (const name of ["é", "A", "_", "-", ".x", "a"]) writeFileSync(path(`d/${name}`), "");
    const sorted = (await fs.call("readDirectory", { path: path("ld") })).entries as { fileName: string }[];
    const names = sorted.map(({ fileName }) => fileName);
    if (t.ours) expect(names).toEqual(["-", ".x", "A", "_", "a", "x", "é"]);
    else expect(names.toSorted()).toEqual(["-", ".x", "A", "_", "a", "x", "é"]);
    expect(await fs.outcome("readDirectory", { path: path("f") })).toBe("-32603 os 20");
    expect(await fs.outcome("readDirectory", { path: path("no") })).toBe("-32004 os 2");
  });

  verifies("fs/remove: what it is told to, and never what a link leads to", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    mkdirSync(path("empty"));
    mkdirSync(path("tree/deep"), { recursive: true });
    writeFileSync(path("tree/deep/x"), "");
    symlinkSync(path("d"), path("tree/link"));
    const row = (name: string, expected: unknown, more: object = {}): Row => ({
      method: "remove",
      params: { path: path(name), ...more },
      expected,
    });
    const alone = { recursive: false };
    await fs.table({
      "a link to a directory": row("ld", {}),
      "a link to nothing": row("dangling", {}),
      "a link to itself": row("loop", {}),
      "a FIFO": row("fifo", {}),
      "a full directory alone": row("d", "-32603 os 39", { recursive: false, force: true }),
      "an empty one alone": row("empty", {}, alone),
      "a tree": row("tree", {}),
      missing: row("no", {}),
      "missing, with null": row("no", {}, { force: null }),
      "missing, without force": row("no", "-32004 os 2", { force: false }),
      "below what is missing": row("no/x", {}),
      "below a file": row("f/x", "-32603 os 20"),
    });
    expect(readdirSync(path()).toSorted()).toEqual(["d", "f", "lf"]);
    expect(readdirSync(path("d"))).toEqual(["x"]);
  });

  verifies("fs/remove: a link with a slash behind it is the link", async () => {
    const path = folderOfAll(t);
    await (await files()).call("remove", { path: `${path("ld")}/` });
    expect([existsSync(path("ld")), existsSync(path("d/x"))]).toEqual([false, true]);
  });

  verifies("fs/copy: files, links and trees", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    chmodSync(path("f"), 0o4751);
    mkdirSync(path("tree/deep"), { recursive: true });
    writeFileSync(path("tree/deep/x"), "deep");
    writeFileSync(path("tree/x"), "top", { mode: 0o600 });
    chmodSync(path("tree/deep"), 0o700);
    mkdirSync(path("merged"));
    writeFileSync(path("merged/x"), "old and longer");
    writeFileSync(path("merged/kept"), "kept");
    const row = (from: string, to: string, expected: unknown, recursive = true): Row => ({
      method: "copy",
      params: { sourcePath: path(from), destinationPath: path(to), recursive },
      expected,
    });
    const within = "-32600 fs/copy cannot copy a directory to itself or one of its descendants";
    const special = "-32600 fs/copy only supports regular files, directories, and symlinks";
    await fs.table({
      "a file": row("f", "f2", {}, false),
      "over another": row("f", "merged/x", {}, false),
      "to a directory": row("f", "d", "-32603 os 21", false),
      "without parent": row("f", "no/f", "-32004 os 2", false),
      "a missing file": row("no", "f3", "-32004 os 2"),
      "a link": row("lf", "lf2", {}, false),
      "a link to nothing": row("dangling", "dangling2", {}),
      "a link again": row("lf", "lf2", "-32603 os 17"),
      "a FIFO": row("fifo", "fifo2", special),
      "a directory alone": row(
        "tree",
        "t2",
        "-32600 fs/copy requires recursive: true when sourcePath is a directory",
        false,
      ),
      "a tree": row("tree", "new/parents/tree", {}),
      "a tree into another": row("tree", "merged", {}),
      "a tree to a file": row("tree", "f2", "-32603 os 17"),
      "a tree to itself": row("tree", "tree", within),
      "a tree into itself": row("tree", "tree/deep/er", within),
    });
    symlinkSync(path("tree"), path("by-link"));
    expect(
      await fs.outcome("copy", {
        sourcePath: path("tree"),
        destinationPath: path("by-link/y"),
        recursive: true,
      }),
    ).toBe(within);
    // The system takes that right from a file that somebody writes to, but for the administrator.
    const mode = process.getuid!() === 0 ? 0o4751 : 0o751;
    expect([readFileSync(path("f2"), "utf8"), statSync(path("f2")).mode & 0o7777]).toEqual(["hello", mode]);
    expect([readlinkSync(path("lf2")), readlinkSync(path("dangling2"))]).toEqual(["f", "nothing"]);
    expect(readFileSync(path("new/parents/tree/deep/x"), "utf8")).toBe("deep");
    expect(statSync(path("new/parents/tree/deep")).mode & 0o777).toBe(0o777 & ~process.umask());
    expect(statSync(path("new/parents/tree/x")).mode & 0o777).toBe(0o600);
    expect([readFileSync(path("merged/x"), "utf8"), readFileSync(path("merged/kept"), "utf8")]).toEqual([
      "top",
      "kept",
    ]);
  });

  verifies("fs/copy: links and special files within a tree", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const params = { sourcePath: path(), destinationPath: `${path()}-2`, recursive: true };
    await fs.call("copy", params);
    expect(readdirSync(`${path()}-2`).toSorted()).toEqual(["d", "dangling", "f", "ld", "lf", "loop"]);
    expect(lstatSync(`${path()}-2/ld`).isSymbolicLink()).toBe(true);
    expect(await fs.outcome("copy", params)).toBe("-32603 os 17");
  });

  verifies("fs/copy: a file onto itself", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    linkSync(path("f"), path("hard"));
    for (const name of ["f", "lf", "hard"]) {
      writeFileSync(path("f"), "precious");
      const params = { sourcePath: path("f"), destinationPath: path(name), recursive: false };
      expect(await fs.outcome("copy", params)).toEqual({});
      t.same("fs: copied onto itself", readFileSync(path("f"), "utf8"), "precious");
    }
  });

  verifies("fs/walk: level by level, sorted, within limits", async () => {
    if (t.id === "codex-0.138.0") return;
    const path = folderOfAll(t);
    const fs = await files();
    mkdirSync(path("d/.hidden"));
    writeFileSync(path("d/.hidden/in"), "");
    mkdirSync(path("d/sub"));
    for (const name of ["é", "A", "_", "-", ".x", "a"]) writeFileSync(path(`d/sub/${name}`), "");
    symlinkSync("..", path("d/up"));
    const options = {
      maxDepth: 64,
      maxDirectories: 10_000,
      maxEntries: 50_000,
      followDirectorySymlinks: false,
      pruneHiddenDirectories: false,
    };
    const walk = async (name: string, more: object = {}): Promise<unknown> => {
      const answer = await fs.ask("walk", { path: path(name), options: { ...options, ...more } });
      if (answer.error) return `${answer.error.code} ${answer.error.message}`;
      const { entries, errors, truncated } = answer.result;
      expect(errors).toEqual([]);
      const short = entries.map((entry: { path: string; kind: string }) => {
        const native = decodeURIComponent(new URL(entry.path).pathname);
        return `${native.slice(path(name).length + 1)}${entry.kind === "directory" ? "/" : ""}`;
      });
      return truncated ? [...short, "…"] : short;
    };
    const sub = ["sub/-", "sub/.x", "sub/A", "sub/_", "sub/a", "sub/é"];
    const first = [".hidden/", "sub/", "x"];
    expect(await walk("d")).toEqual([...first, ".hidden/in", ...sub]);
    expect(await walk("d", { pruneHiddenDirectories: true })).toEqual([...first, ...sub]);
    expect(await walk("d", { maxDepth: 0 })).toEqual(first);
    expect(await walk("d", { followDirectorySymlinks: true })).toEqual([
      ".hidden/",
      "sub/",
      "up/",
      "x",
      ".hidden/in",
      ...sub,
      "up/d/",
      "up/f",
      "up/ld/",
    ]);
    expect(await walk("d", { maxEntries: 2 })).toEqual([".hidden/", "sub/", "…"]);
    expect(await walk("d", { maxDirectories: 2 })).toEqual([...first, ".hidden/in", "…"]);
    expect(await walk("f")).toEqual([]);
    expect(await walk("ld")).toEqual([]);
    expect(await walk("ld", { followDirectorySymlinks: true, maxDepth: 0 })).toEqual([
      ".hidden/",
      "sub/",
      "up/",
      "x",
    ]);
    expect(await walk("no")).toBe("-32004 No such file or directory (os error 2)");
    const zero = "-32600 filesystem walk limits must be greater than zero";
    const above = "-32600 filesystem walk limits exceed maximums: depth=64, directories=10000, entries=50000";
    expect(await walk("d", { maxEntries: 0 })).toBe(zero);
    expect(await walk("d", { maxDirectories: 0 })).toBe(zero);
    expect(await walk("d", { maxDepth: 65 })).toBe(above);
    expect(await walk("d", { maxDirectories: 10_001 })).toBe(above);
    expect(await walk("d", { maxEntries: 50_001 })).toBe(above);
    for (const left of Object.keys(options)) {
      const { [left as "maxDepth"]: _, ...rest } = options;
      const answer = await fs.ask("walk", { path: path("d"), options: rest });
      if (left === "pruneHiddenDirectories") expect(answer.result.truncated).toBe(false);
      else expect(answer.error.code).toBe(-32602);
    }
  });
});
