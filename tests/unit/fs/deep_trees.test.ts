/** Trees that are deeper than a path can be long. */

import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copy } from "../../../lib/fs/copy.ts";
import { removeTree } from "../../../lib/fs/remove.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../../lib/runtime/file_libc.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";

const files = (await currentRuntime()).files();
const LEVELS = 5000;
/** Two for each level, and those of the program. */
const DESCRIPTORS = 2 * LEVELS + 200;
const limit = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];

function makeDeep(top: string): void {
  let dir = files.open(AT_FDCWD, top, O_RDONLY | O_DIRECTORY);
  for (let level = 0; level < LEVELS; level++) {
    files.makeDirectory(dir, "d", 0o777);
    const next = files.open(dir, "d", O_RDONLY | O_DIRECTORY);
    files.close(dir);
    dir = next;
  }
  files.close(dir);
}

function depthOf(top: string): number {
  let dir = files.open(AT_FDCWD, top, O_RDONLY | O_DIRECTORY);
  for (let depth = 0; ; depth++) {
    const [entry] = files.readEntries(dir) ?? [];
    const next = entry && files.open(dir, entry.name, O_RDONLY | O_DIRECTORY);
    files.close(dir);
    if (next === undefined) return depth;
    dir = next;
  }
}

// A system that allows fewer descriptors cannot hold a copy of such a tree.
test.skipIf(Number(limit) < DESCRIPTORS)("a very deep tree is copied and removed whole", async () => {
  const root = mkdtempSync(join(tmpdir(), "exec-server-deep-"));
  try {
    const [from, to] = [join(root, "from"), join(root, "to")];
    mkdirSync(from);
    makeDeep(from);
    await copy(files, from, to, true);
    expect(depthOf(to)).toBe(LEVELS);
    for (const tree of [from, to]) await removeTree(files, AT_FDCWD, tree);
    expect(readdirSync(root)).toEqual([]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
