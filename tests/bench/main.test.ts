/** The bench runs: every figure can be taken on ours, on the real server and on the control. No time is judged. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codex169, executable, root } from "../support/programs.ts";
import { families } from "./families.ts";
import { goals } from "./goals.ts";
import type { Result } from "./result.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "exec-server-bench-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const missing = [executable, codex169].flatMap((found) => ("missing" in found ? [found.missing] : []));

function bench(...args: string[]): { status: number; stdout: string; stderr: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "tests/bench/main.ts", ...args], {
    cwd: root,
    timeout: 110_000,
    killSignal: "SIGKILL",
  });
  return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

test.skipIf(missing.length > 0)(
  "every figure is taken, and the report can be made of it",
  () => {
    const file = join(folder, "result.json");
    const { status, stdout, stderr } = bench("--quick", "--json", file);
    expect({ status, failed: stdout.match(/^FAILED.*/gm), stderr: status === 0 ? "" : stderr }).toEqual({
      status: 0,
      failed: null,
      stderr: "",
    });
    const { figures, skipped } = JSON.parse(readFileSync(file, "utf8")) as Result;
    const left = families.filter(({ name }) => skipped.some(({ family }) => family === name));
    const ids = families
      .filter((family) => !left.includes(family))
      .flatMap(({ cases }) => cases.flatMap(({ figures }) => figures.map(({ id }) => id)));
    const taken = figures.filter(({ ours, peer }) => ours !== null && peer !== null).map(({ id }) => id);
    expect(ids.filter((id) => !taken.includes(id))).toEqual([]);
    expect(bench("--from", file).stdout).toContain("start.listen_ms");
  },
  120_000,
);

describe("flags", () => {
  test("what is mistyped is named, with the help", () => {
    const { status, stderr } = bench("--qick");
    expect(status).toBe(2);
    expect(stderr).toContain("--qick");
    expect(stderr).toContain("Usage: npm run bench");
  });

  test("a number of rounds that is none is refused", () => {
    expect(bench("--rounds", "no")).toMatchObject({ status: 2, stdout: "" });
  });
});

test("ids are unique, and every goal is about one of them", () => {
  const ids = families.flatMap(({ cases }) => cases.flatMap(({ figures }) => figures.map(({ id }) => id)));
  expect(new Set(ids).size).toBe(ids.length);
  expect(Object.keys(goals).filter((id) => !ids.includes(id))).toEqual([]);
});
