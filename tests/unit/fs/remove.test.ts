import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "../../../lib/fs/remove.ts";
import type { FileCalls } from "../../../lib/runtime/file_calls.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../../lib/runtime/file_libc.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";

const files = (await currentRuntime()).files();
let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "exec-server-remove-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Entries of every kind, in more than one list of the system. */
function fill(directory: string): void {
  for (let i = 0; i < 300; i++) writeFileSync(join(directory, `${"n".repeat(245)}${i}`), "");
  for (const name of [".hidden", "...", "..x", "-", " "]) writeFileSync(join(directory, name), "");
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])]), "");
  symlinkSync("/", join(directory, "link"));
  mkdirSync(join(directory, ".d"));
  mkdirSync(join(directory, "..d"));
}

/** The same calls, but for one. */
function filesWith<K extends keyof FileCalls>(name: K, call: FileCalls[K]): FileCalls {
  return new Proxy(files, {
    get(target, key) {
      if (key === name) return call;
      const value = target[key as keyof FileCalls] as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("a tree", () => {
  test("is removed whole: many entries, odd names, deep folders", async () => {
    const tree = join(root, "tree");
    let deepest = tree;
    for (let depth = 0; depth < 12; depth++) deepest = join(deepest, "d");
    mkdirSync(deepest, { recursive: true });
    for (const directory of [tree, join(tree, "d"), deepest]) fill(directory);
    await removeTree(files, AT_FDCWD, tree);
    expect(readdirSync(root)).toEqual([]);
  });

  test("that others empty at the same time is removed as well", async () => {
    mkdirSync(join(root, "tree"));
    fill(join(root, "tree"));
    await Promise.all([
      removeTree(files, AT_FDCWD, join(root, "tree")),
      removeTree(files, AT_FDCWD, join(root, "tree")),
    ]);
    expect(existsSync(join(root, "tree"))).toBe(false);
  });

  test("of which another removes a folder that is being looked at is removed as well", async () => {
    mkdirSync(join(root, "tree/in/deep"), { recursive: true });
    // Between the list that names it and the look into it, and between that and its own list.
    let removals: "before" | "after" = "before";
    const racing = filesWith("open", (...args) => {
      if (args[1] !== "deep") return files.open(...args);
      if (removals === "before") rmSync(join(root, "tree/in/deep"), { recursive: true });
      const fd = files.open(...args);
      rmSync(join(root, "tree/in/deep"), { recursive: true });
      return fd;
    });
    await removeTree(racing, AT_FDCWD, join(root, "tree"));
    expect(readdirSync(root)).toEqual([]);
    removals = "after";
    mkdirSync(join(root, "tree/in/deep"), { recursive: true });
    await removeTree(racing, AT_FDCWD, join(root, "tree"));
    expect(readdirSync(root)).toEqual([]);
  });

  test("that is not there is told as the system tells it", async () => {
    await expect(removeTree(files, AT_FDCWD, join(root, "none"))).rejects.toThrow(
      "No such file or directory",
    );
  });

  test("of which an entry cannot be removed tells the system's error and leaves nothing open", async () => {
    mkdirSync(join(root, "tree/in"), { recursive: true });
    writeFileSync(join(root, "tree/in/file"), "");
    const open = (): number => readdirSync("/proc/self/fd").length;
    const before = open();
    // The directory is gone from under the list: what is in it is told as the system tells it.
    const fd = files.open(AT_FDCWD, join(root, "tree/in"), O_RDONLY | O_DIRECTORY);
    const sweep = files.sweep(fd);
    files.close(fd);
    expect(() => sweep.next()).toThrow("Bad file descriptor (os error 9)");
    sweep.end();
    const failing = filesWith("removeDirectory", () => {
      throw new Error("No");
    });
    await expect(removeTree(failing, AT_FDCWD, join(root, "tree"))).rejects.toThrow("No");
    expect(open()).toBe(before);
    expect(readdirSync(join(root, "tree/in"))).toEqual([]);
  });
});
