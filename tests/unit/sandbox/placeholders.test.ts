/** Folders that stand for missing names. */

import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { adoptPlaceholder, isPlaceholder, Placeholders } from "../../../lib/sandbox/placeholders.ts";
import { descriptorsOf } from "../../support/proc.ts";

/** What this program has open below a folder. */
const openBelow = (folder: string): string[] =>
  descriptorsOf(process.pid).filter((target) => target.startsWith(folder));

test("one that somebody makes his own stays, and nothing of ours with it", async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "exec-server-test-")));
  try {
    const [kept, adopted] = ["kept", "adopted"].map((name) => join(folder, name)) as [string, string];
    const placeholders = new Placeholders(await currentRuntime(), [kept, adopted]);
    expect([kept, adopted].map(isPlaceholder)).toEqual([true, true]);
    expect(openBelow(folder).sort()).toEqual([adopted, kept]);
    adoptPlaceholder(adopted);
    expect(openBelow(folder)).toEqual([kept]);
    await placeholders.ended();
    expect(readdirSync(folder)).toEqual(["adopted"]);
    expect(statSync(adopted).mtime.getUTCFullYear()).toBeGreaterThan(1985);
    expect(openBelow(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
