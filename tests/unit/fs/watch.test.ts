/** Watches of trees in which much happens at once. */

import { dlopen, ptr } from "bun:ffi";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inotify } from "../../../lib/fs/inotify.ts";
import { PathWatch, type WatchReport } from "../../../lib/fs/watch.ts";
import type { FileCalls } from "../../../lib/runtime/file_calls.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { until, within } from "../../support/deadline.ts";

const real = (await currentRuntime()).files();
let root = "";
const path = (name: string): string => join(root, name);
const open: PathWatch[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "exec-server-watch-"));
});
afterEach(() => {
  for (const watch of open.splice(0)) watch.close();
  rmSync(root, { recursive: true, force: true });
});

/** A watch of the whole tree that has not begun, and what it tells. */
function make(files: FileCalls): { watch: PathWatch; told: WatchReport[] } {
  const told: WatchReport[] = [];
  const report = (one: WatchReport): void => void told.push(one);
  const watch = new PathWatch(files, root, { recursive: true, delayMs: 1, ready: () => undefined, report });
  open.push(watch);
  return { watch, told };
}

/** Watches the whole tree. @returns What is told. */
async function watchTree(files: FileCalls): Promise<WatchReport[]> {
  const { watch, told } = make(files);
  await within(3000, "begin", watch.begin());
  return told;
}

/** The system's calls, counted; the first events that are read say, besides or instead, that others were dropped. */
function overflowing(instead = false): { files: FileCalls; calls: Record<string, number> } {
  const calls: Record<string, number> = {};
  let isFirst = true;
  const files = new Proxy(real, {
    get(target, key) {
      const value = target[key as keyof FileCalls] as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        calls[String(key)] = (calls[String(key)] ?? 0) + 1;
        if (key !== "read" || !isFirst) return value.apply(target, args);
        isFirst = false;
        const memory = args[1] as Uint8Array;
        const lost = new Int32Array([-1, inotify.overflow, 0, 0]);
        memory.set(new Uint8Array(lost.buffer));
        const length = value.call(target, args[0], memory.subarray(lost.byteLength));
        return lost.byteLength + (instead ? 0 : length);
      };
    },
  });
  return { files, calls };
}

/** `mv --exchange`, which few systems have. */
function exchange(a: string, b: string): void {
  const { symbols, close } = dlopen("libc.so.6", {
    renameat2: { args: ["i32", "ptr", "i32", "ptr", "u32"], returns: "i32" },
  });
  const [from, to] = [a, b].map((name) => Buffer.from(`${name}\0`));
  const result = symbols.renameat2(-100, ptr(from!), -100, ptr(to!), 2);
  close();
  if (result !== 0) throw new Error(`${a} and ${b} cannot change places`);
}

const isTold = (told: readonly WatchReport[], changed: string): boolean =>
  told.some(({ changes }) => changes.some(([one]) => one === path(changed)));

test("a small tree is watched at once, as what is asked next may change it", async () => {
  mkdirSync(path("in/deep"), { recursive: true });
  const { watch, told } = make(real);
  const begun = watch.begin();
  writeFileSync(path("in/deep/new"), "");
  await within(3000, "begin", begun);
  await until(3000, "file", () => isTold(told, "in/deep/new"));
});

test("a directory that takes the place of an empty one is watched in its stead", async () => {
  mkdirSync(path("empty"));
  mkdirSync(path("full/in"), { recursive: true });
  const told = await watchTree(real);
  renameSync(path("full"), path("empty"));
  await until(3000, "directory", () => isTold(told, "empty/in"));
  writeFileSync(path("empty/new"), "");
  writeFileSync(path("empty/in/new"), "");
  await until(3000, "files", () => isTold(told, "empty/new") && isTold(told, "empty/in/new"));
});

test("two that change places in one step are there still, and watched", async () => {
  mkdirSync(path("one/in"), { recursive: true });
  mkdirSync(path("two"));
  writeFileSync(path("file"), "");
  const told = await watchTree(real);
  for (const [a, b] of [
    ["one", "two"],
    ["one", "file"],
  ] as const) {
    exchange(path(a), path(b));
    await until(3000, "change", () => isTold(told, a) && isTold(told, b));
    const kinds = told.flatMap(({ changes }) => changes);
    expect(new Map(kinds).get(path(a))).toBe("modified");
    expect(new Map(kinds).get(path(b))).toBe("modified");
    told.length = 0;
  }
  // The first is "two" now, the second "file".
  for (const inside of ["two/in/new", "two/new", "file/new"]) {
    writeFileSync(path(inside), "");
    await until(3000, inside, () => isTold(told, inside));
  }
});

test("a tree that is removed and made again is watched again", async () => {
  const told = await watchTree(real);
  for (const round of ["one", "two"]) {
    mkdirSync(path("a/b/c"), { recursive: true });
    await until(3000, "tree", () => isTold(told, "a/b/c"));
    writeFileSync(path(`a/b/c/${round}`), "");
    await until(3000, "file", () => isTold(told, `a/b/c/${round}`));
    told.length = 0;
    rmSync(path("a"), { recursive: true });
    await until(3000, "end", () =>
      told.some(({ changes }) => changes.some(([, kind]) => kind === "removed")),
    );
    told.length = 0;
  }
});

test("after an overflow each tree is looked at once, however many watch it", async () => {
  const folders = 20;
  for (let i = 0; i < folders; i++) mkdirSync(path(`d${i}`));
  const { files, calls } = overflowing();
  const told = await Promise.all([watchTree(files), watchTree(files), watchTree(files)]);
  expect(calls.addWatch).toBe(3 * (folders + 1));
  writeFileSync(path("x"), "");
  await until(3000, "overflow", () => told.every((reports) => reports.some(({ overflow }) => overflow)));
  await until(3000, "second look", () => calls.addWatch === 2 * 3 * (folders + 1));
  writeFileSync(path("d7/new"), "");
  await until(3000, "change", () => told.every((reports) => isTold(reports, "d7/new")));
});

test("after an overflow events come by the same descriptor, as those that are read already are of it", async () => {
  const { files, calls } = overflowing();
  const told = await watchTree(files);
  writeFileSync(path("x"), "");
  await until(3000, "overflow", () => told.some(({ overflow }) => overflow));
  expect([calls.watcher, calls.closeWaited]).toEqual([1, undefined]);
  open.pop()!.close();
  await until(3000, "end", () => calls.closeWaited === 1);
  expect(calls.watcher).toBe(1);
});

describe("while a large tree is looked at", () => {
  const count = 3000;
  /** Counts the turns that others have. */
  const turnsUntil = async (end: Promise<unknown>): Promise<number> => {
    let turns = 0;
    let isOver = false;
    const over = (): void => void (isOver = true);
    end.then(over, over);
    for (; !isOver; turns++) await new Promise(setImmediate);
    return turns;
  };
  beforeEach(() => {
    for (let i = 0; i < count; i++) mkdirSync(path(`d${i}`));
  });

  test("others have their turn, also when it is given up", async () => {
    const { files, calls } = overflowing();
    const { watch } = make(files);
    expect(await turnsUntil(within(3000, "begin", watch.begin()))).toBeGreaterThan(2);
    expect(calls.addWatch).toBe(count + 1);
    watch.close();
    expect(await turnsUntil(until(3000, "end", () => calls.closeWaited === 1))).toBeGreaterThan(0);
    expect(calls.removeWatch).toBe(count + 1);
  });

  test("what changes is told when it has begun", async () => {
    const { watch, told } = make(real);
    const begun = watch.begin();
    await new Promise(setImmediate);
    mkdirSync(path("new/in"), { recursive: true });
    renameSync(path("d1"), path("moved"));
    expect(told).toEqual([]);
    await within(3000, "begin", begun);
    await until(3000, "directory", () => isTold(told, "new/in"));
    writeFileSync(path("new/in/file"), "");
    writeFileSync(path("moved/file"), "");
    await until(3000, "files", () => isTold(told, "new/in/file") && isTold(told, "moved/file"));
  });

  test("it can be given up", async () => {
    const { files, calls } = overflowing();
    const { watch } = make(files);
    const begun = watch.begin();
    await new Promise(setImmediate);
    watch.close();
    await expect(within(3000, "begin", begun)).rejects.toThrow("the watch was ended before it had begun");
    await until(3000, "end", () => calls.closeWaited === 1);
    expect(calls.addWatch).toBeLessThan(count);
    expect(calls.removeWatch).toBe(calls.addWatch!);
  });
});

test("a root that has gone when events were lost is told as ended", async () => {
  const { files } = overflowing(true);
  mkdirSync(path("in"));
  const told: WatchReport[] = [];
  const report = (one: WatchReport): void => void told.push(one);
  const watch = new PathWatch(files, path("in"), {
    recursive: true,
    delayMs: 1,
    ready: () => undefined,
    report,
  });
  open.push(watch);
  await within(3000, "begin", watch.begin());
  rmSync(path("in"), { recursive: true });
  await until(3000, "end", () => told.some(({ ended }) => ended));
});
