/** Somebody puts a link in the place of a directory at the worst moment. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readWhole, writeWhole } from "../../../lib/fs/contents.ts";
import { copy } from "../../../lib/fs/copy.ts";
import { removeTree } from "../../../lib/fs/remove.ts";
import { walk } from "../../../lib/fs/walk.ts";
import type { FileCalls } from "../../../lib/runtime/file_calls.ts";
import { AT_FDCWD } from "../../../lib/runtime/file_libc.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";

const real = (await currentRuntime()).files();
let root = "";
const path = (name: string): string => join(root, name);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "exec-server-races-"));
  mkdirSync(path("tree/in/deep"), { recursive: true });
  writeFileSync(path("tree/in/x"), "mine");
  writeFileSync(path("tree/in/deep/mine"), "mine");
  mkdirSync(path("outside/deep"), { recursive: true });
  writeFileSync(path("outside/x"), "secret");
  writeFileSync(path("outside/deep/secret"), "secret");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A link to what is outside, in place of `tree/in`. */
function swap(): void {
  renameSync(path("tree/in"), path("aside"));
  symlinkSync(path("outside"), path("tree/in"));
}

/** The system's calls, with a swap right before the first `open` that fits. */
function swapping(fits: (name: string) => boolean): FileCalls {
  let done = false;
  return new Proxy(real, {
    get(target, key) {
      const value = target[key as keyof FileCalls] as unknown;
      if (typeof value !== "function") return value;
      if (key !== "open") return value.bind(target);
      return (dir: number, name: string, ...rest: [number, number?]) => {
        if (!done && fits(name)) {
          done = true;
          swap();
        }
        return target.open(dir, name, ...rest);
      };
    },
  });
}

const noTurn = <T>(_size: number, read: () => Promise<T>): Promise<T> => read();
const limits = {
  maxDepth: 9,
  maxDirectories: 99,
  maxEntries: 99,
  followDirectorySymlinks: false,
};

describe("a walk", () => {
  for (const [when, name] of [
    ["before a directory is entered", "tree/in"],
    ["on the way to one below it", "tree/in/deep"],
  ] as const) {
    test(`does not leave the tree when a link takes the place of a directory ${when}`, async () => {
      const files = swapping((opened) => opened === path(name));
      const { entries, errors } = await walk(files, path("tree"), limits, "native");
      expect(existsSync(path("aside"))).toBe(true);
      expect(entries.filter((entry) => entry.path.includes("secret"))).toEqual([]);
      expect(errors).toEqual([]);
    });
  }
});

describe("removing a tree", () => {
  test("does not remove what a link leads to that takes the place of a directory", async () => {
    const files = swapping((opened) => opened === "in");
    await removeTree(files, AT_FDCWD, path("tree")).catch(() => {});
    expect(existsSync(path("aside"))).toBe(true);
    expect(readFileSync(path("outside/deep/secret"), "utf8")).toBe("secret");
  });
});

describe("copying a tree", () => {
  test("does not copy what a link leads to that takes the place of a directory", async () => {
    const files = swapping((opened) => opened === "in");
    await copy(files, path("tree"), path("copy"), true).catch(() => {});
    expect(existsSync(path("aside"))).toBe(true);
    expect([existsSync(path("copy/in/x")), existsSync(path("copy/in/deep"))]).toEqual([false, false]);
  });
});

describe("without following links", () => {
  test("a file is not read through a link that takes the place of a directory on the way", async () => {
    const files = swapping((opened) => opened === "in");
    expect(readWhole(files, path("tree/in/x"), false, noTurn)).rejects.toMatchObject({ code: "ENOTDIR" });
    expect(existsSync(path("aside"))).toBe(true);
  });

  test("nor is one made there", async () => {
    const files = swapping((opened) => opened === "in");
    const options = { follow: false, atomic: false, sync: false };
    const made = writeWhole(files, path("tree/in/new"), Buffer.from("new"), options);
    expect(made).rejects.toMatchObject({ code: "ENOTDIR" });
    await made.catch(() => {});
    expect(existsSync(path("outside/new"))).toBe(false);
  });
});
