/** Directories of very many entries, which the system makes up here. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDirectory } from "../../../lib/fs/directory.ts";
import { walk } from "../../../lib/fs/walk.ts";
import type { FileCalls, RawEntry } from "../../../lib/runtime/file_calls.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";

const real = (await currentRuntime()).files();
let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "exec-server-directory-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Names in no order, all of one length. */
const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => String((i * 7919) % count).padStart(6, "0"));

/** Every directory has these files, and all are read at once. */
function withFiles(all: readonly string[]): FileCalls {
  let batch: RawEntry[] | undefined = all.map((name) => ({ name, kind: "file" }));
  const readEntries = (): RawEntry[] | undefined => {
    const entries = batch;
    batch = undefined;
    return entries;
  };
  return new Proxy(real, {
    get(target, key) {
      const value = key === "readEntries" ? readEntries : (target[key as keyof FileCalls] as unknown);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** How often others have a turn until it is done. */
async function turnsDuring<T>(action: () => Promise<T>): Promise<{ result: T; turns: number }> {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  try {
    return { result: await action(), turns };
  } finally {
    isDone = true;
  }
}

describe("a directory of very many entries", () => {
  test.each([0, 1, 4096, 4097, 9001, 50_000])("is listed in the order of the names: %d", async (count) => {
    const all = names(count);
    const entries = await readDirectory(withFiles(all), root, false);
    expect(entries.map(({ fileName }) => fileName)).toEqual(all.sort());
  });

  test("lets others have a turn while it is listed", async () => {
    const files = withFiles(names(50_000));
    const { turns } = await turnsDuring(() => readDirectory(files, root, false));
    expect(turns).toBeGreaterThan(3);
  });

  test("lets others have a turn while it is walked", async () => {
    const files = withFiles(names(200_000));
    const options = {
      maxDepth: 1,
      maxDirectories: 1,
      maxEntries: 20_000,
      followDirectorySymlinks: false,
      pruneHiddenDirectories: false,
    };
    const { result, turns } = await turnsDuring(() => walk(files, root, options, "native"));
    expect(result.entries).toHaveLength(20_000);
    expect(turns).toBeGreaterThan(5);
  });
});
