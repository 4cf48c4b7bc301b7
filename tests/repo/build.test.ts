/** The build, with a program in the place of Bun that makes an empty executable. */

import { afterEach, beforeEach, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./source.ts";

let folder = "";
let built = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  built = join(folder, "dist", "exec-server");
  mkdirSync(join(folder, "lib"));
  cpSync(join(root, "tools"), join(folder, "tools"), { recursive: true });
  writeFileSync(join(folder, "cli.ts"), "");
  const script =
    '#!/bin/sh\nfor arg; do case $arg in --outfile=*) : > "$(echo "$arg" | cut -d= -f2-)";; esac; done\n';
  writeFileSync(join(folder, "bun"), script, { mode: 0o755 });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a main function with `build` and `bun`, as a tool does. */
function tool(main: string): { status: number | null; stdout: string; stderr: string } {
  const load = (name: string): string => JSON.stringify(join(folder, "tools", name));
  const script = `
    import { build } from ${load("build.mjs")};
    import { runMain } from ${load("report.mjs")};
    const bun = ${JSON.stringify(join(folder, "bun"))};
    runMain(() => { ${main} });`;
  const command = ["node", "--input-type=module", "-e", script];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { timeout: 20_000 });
  return { status: exitCode, stdout: String(stdout), stderr: String(stderr) };
}

test("an executable that is as its sources is not built again, also where it may not be touched", () => {
  const ask = "console.log(build(bun));";
  expect(tool(ask)).toMatchObject({ status: 0, stdout: `${built}\n` });
  expect(tool(ask)).toEqual({ status: 0, stdout: `${built}\n`, stderr: "" });
  rmSync(built);
  // Nobody sets the times of it, root neither.
  symlinkSync("/proc/self/ns/mnt", built);
  expect(tool(ask)).toEqual({ status: 0, stdout: `${built}\n`, stderr: "" });
  writeFileSync(join(folder, "cli.ts"), "// changed");
  expect(tool(ask).stderr).toStartWith("Built dist/exec-server: ");
});

test("what the system or the command line is at fault for is one line", () => {
  writeFileSync(join(folder, "dist"), "a file in the way");
  const { status, stderr } = tool("build(bun);");
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^E[A-Z]+: [^\n]+\n$/)]);
  const flags = ["--target", "--tarket=x", "word"];
  for (const flag of flags) {
    const command = ["node", join(folder, "tools/build.mjs"), flag];
    const { exitCode, stderr } = Bun.spawnSync(command, { timeout: 20_000 });
    expect([flag, exitCode, String(stderr)]).toEqual([flag, 1, expect.stringMatching(/^[^\n]+\n$/)]);
  }
  expect(tool('throw new Error("ours");').stderr).toContain("    at ");
});
