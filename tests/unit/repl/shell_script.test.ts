/** The wrapper around a line, run by every POSIX shell of this machine. */

import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MarkerStripper } from "../../../lib/repl/marker.ts";
import { lineCommand, nextState, parseReport } from "../../../lib/repl/shell_script.ts";

const shells = ["/bin/bash", "/bin/dash", "/bin/zsh", "/usr/bin/zsh"].filter((path) => existsSync(path));

function run(shell: string, text: string, env: Record<string, string> = {}, status = 0) {
  const name = shell.replace(/.*\//, "");
  const [file, ...args] = lineCommand({ shell: { name, path: shell } }, text, "0badcafe", status);
  const done = spawnSync(file!, args, {
    env: { PATH: process.env.PATH!, ...env },
    cwd: "/usr",
    maxBuffer: 64 << 20,
  });
  const stripper = new MarkerStripper("0badcafe");
  const stdout = Buffer.concat([...stripper.push(done.stdout), ...stripper.finish()]).toString();
  const report = stripper.report && parseReport(stripper.report);
  return {
    stdout,
    stderr: done.stderr.toString(),
    status: done.status,
    signal: done.signal,
    report,
    pid: stripper.pid,
  };
}

describe.each(shells)("a line of %s", (shell) => {
  test("reports folder and exported variables", () => {
    const { report, status, stdout } = run(shell, "cd /tmp; export A='x\n=\"y' B=; C=hidden; echo out");
    expect(stdout).toBe("out\n");
    expect(status).toBe(0);
    expect(report?.cwd).toBe("/tmp");
    expect(report?.env).toMatchObject({ A: 'x\n="y', B: "", PWD: "/tmp", OLDPWD: "/usr" });
    expect(report?.env.C).toBeUndefined();
    expect(Object.keys(report?.env ?? {}).filter((name) => name === "_" || name.startsWith("__es"))).toEqual(
      [],
    );
  });

  test("tells its process number first", () => {
    const { pid, stdout } = run(shell, "echo $$");
    expect(stdout).toBe(`${pid}\n`);
  });

  test("has the status of its last command", () => {
    expect(run(shell, "true; false").status).toBe(1);
    expect(run(shell, "f() { return 4; }; f").status).toBe(4);
    expect(run(shell, "no-such-program-here").status).toBe(127);
  });

  test("reports when it calls exit, and says so", () => {
    const { report, status } = run(shell, "cd /tmp; exit 3");
    expect([status, report?.cwd, report?.exitCalled]).toEqual([3, "/tmp", true]);
    expect(run(shell, "true").report?.exitCalled).toBe(false);
  });

  test("reports after set -eu", () => {
    const { report, status, stdout } = run(shell, "cd /tmp; set -eu; false; echo no");
    expect([status, stdout, report?.cwd]).toEqual([1, "", "/tmp"]);
  });

  test("keeps our own commands out of set -x", () => {
    expect(run(shell, "set -x; true").stderr).not.toContain("__es");
  });

  test("runs a trap of the line", () => {
    const { report, stdout } = run(shell, "trap 'echo bye' EXIT; cd /tmp");
    expect([stdout, report?.cwd]).toEqual(["bye\n", "/tmp"]);
  });

  test("sees the status of the line before, and no arguments", () => {
    expect(run(shell, 'echo "$? $# [$*]"', {}, 42).stdout).toBe("42 0 []\n");
  });

  test("reports with a broken PATH", () => {
    expect(run(shell, "PATH=/nowhere; export PATH").report?.env.PATH).toBe("/nowhere");
  });

  test("puts no report into a file that its output goes to", () => {
    const folder = mkdtempSync(join(tmpdir(), "repl-script-"));
    try {
      const { report } = run(shell, `exec >${folder}/out; echo inside`);
      expect(readFileSync(`${folder}/out`, "utf8")).toBe("inside\n");
      expect(report).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("takes a text that is longer than one argument may be", () => {
    expect(run(shell, `printf %s ${"é".repeat(100_000)} | wc -c`).stdout.trim()).toBe("200000");
  });

  test("reports large environments whole, and only once", () => {
    const value = "v".repeat(100_000);
    expect(run(shell, "true", { BIG: value }).report?.env.BIG).toBe(value);
  });

  test("reports although another process of the line writes all the time", () => {
    const { report, stdout } = run(
      shell,
      "while :; do echo tick; done & w=$!; cd /tmp; (sleep 0.3; kill $w) & true",
      { BIG: "b".repeat(20_000) },
    );
    expect(report?.env.BIG).toBe("b".repeat(20_000));
    expect(stdout.replaceAll("tick\n", "")).toBe("");
  });
});

describe("nextState()", () => {
  const report = { exitCalled: false, cwd: "/", dropped: [] };
  test("does not count a level of shells for each line", () => {
    const first = nextState({ cwd: "/", env: null }, { ...report, env: { SHLVL: "2" } });
    expect(first.env?.SHLVL).toBe("1");
    expect(nextState(first, { ...report, env: { SHLVL: "2" } }).env?.SHLVL).toBe("1");
    expect(nextState(first, { ...report, env: { SHLVL: "1" } }).env?.SHLVL).toBe("1");
  });
});

describe("parseReport()", () => {
  const bytes = (...fields: string[]) => Buffer.from(fields.map((field) => `${field}\0`).join(""), "latin1");
  test("names variables that are not UTF-8", () => {
    expect(parseReport(bytes("e", "/", "", "A=1", "B=\xff"))).toEqual({
      exitCalled: false,
      cwd: "/",
      env: { A: "1", PWD: "/" },
      dropped: ["B"],
    });
  });
  test("refuses what is no report", () => {
    expect(parseReport(bytes("e", "/"))).toBeUndefined();
    expect(parseReport(new Uint8Array())).toBeUndefined();
  });
});
