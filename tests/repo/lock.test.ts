/** The set-up runs once at a time, whoever asks for it. */

import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until, within } from "../support/deadline.ts";
import { root } from "../support/programs.ts";

const name = `test-${process.pid}`;

/** Notes in the file when it has begun and when it has ended. */
function holder(file: string, ms: number): Bun.Subprocess {
  const script = `
    import { appendFileSync } from "node:fs";
    import { exclusively } from ${JSON.stringify(join(root, "tools/lock.mjs"))};
    exclusively(${JSON.stringify(name)}, () => {}, () => {
      appendFileSync(${JSON.stringify(file)}, "begin " + process.pid + "\\n");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms});
      appendFileSync(${JSON.stringify(file)}, "end " + process.pid + "\\n");
    });`;
  return Bun.spawn(["node", "--input-type=module", "-e", script], { stdout: "ignore", stderr: "inherit" });
}

test("one holds the lock at a time, and who was killed holds it no longer", async () => {
  const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  const file = join(folder, "log");
  writeFileSync(file, "");
  try {
    const killed = holder(file, 60_000);
    await until(5000, "the first", () => readFileSync(file, "utf8").startsWith("begin"));
    const others = [holder(file, 30), holder(file, 30), holder(file, 30)];
    killed.kill("SIGKILL");
    await killed.exited;
    const codes = await within(10_000, "all", Promise.all(others.map(({ exited }) => exited)));
    expect(codes).toEqual([0, 0, 0]);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => line.split(" ")[0]).join(" ")).toBe("begin begin end begin end begin end");
    for (let i = 1; i < lines.length; i += 2) expect(lines[i]!.slice(6)).toBe(lines[i + 1]!.slice(4));
    expect(existsSync(join(root, "dist", `.${name}.lock`))).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** What became of what a holder had written, and was killed. */
const left: Record<string, (text: string) => string> = {
  "whose number was given out again": (text) => text.replace(/^\d+/, `${process.pid}`),
  "of a machine that went out": () => "",
};

test.each(Object.keys(left))("a holder %s holds no longer", async (what) => {
  const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  const file = join(folder, "log");
  const lock = join(root, "dist", `.${name}.lock`);
  mkdirSync(join(root, "dist"), { recursive: true });
  try {
    const living = holder(file, 60_000);
    await until(5000, "the first", () => existsSync(file));
    const text = readFileSync(lock, "utf8");
    living.kill("SIGKILL");
    await living.exited;
    writeFileSync(lock, left[what]!(text));
    const next = holder(file, 0);
    try {
      expect(await within(5000, "the next", next.exited)).toBe(0);
    } finally {
      next.kill("SIGKILL");
    }
  } finally {
    rmSync(folder, { recursive: true });
    rmSync(lock, { force: true });
  }
});
