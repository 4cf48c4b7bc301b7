/** Children without libc, as on macOS and Windows; tried here on whatever system runs the tests. */

import { describe, expect, test } from "bun:test";
import { spawnFallback, type TerminalMaker } from "../../../lib/runtime/bun_fallback.ts";
import { type ByteSource, type Child, SpawnError, type SpawnOptions } from "../../../lib/runtime/runtime.ts";

const decoder = new TextDecoder();

async function textOf(source: ByteSource): Promise<string> {
  let text = "";
  for (let bytes = await source.read(); bytes; bytes = await source.read()) text += decoder.decode(bytes);
  return text;
}

function shell(script: string, options: Partial<SpawnOptions> = {}): SpawnOptions {
  return {
    file: "/bin/sh",
    argv: ["sh", "-c", script],
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    stdin: "null",
    ...options,
  };
}

describe("pipes", () => {
  test("output, exit status and both streams arrive, and argv[0] is ours to choose", async () => {
    const child = spawnFallback({
      ...shell("echo out $0; echo err >&2; exit 7"),
      argv: ["-x", "-c", "echo out $0; echo err >&2; exit 7"],
    });
    expect(await Promise.all([textOf(child.stdout), textOf(child.stderr!), child.exited])).toEqual([
      "out -x\n",
      "err\n",
      { code: 7, signal: null },
    ]);
  });

  test("input reaches the child, and so does its end", async () => {
    const child = spawnFallback(shell("cat", { stdin: "pipe" }));
    await child.stdin!.write(new TextEncoder().encode("hello"));
    child.stdin!.close();
    expect(await textOf(child.stdout)).toBe("hello");
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test("the environment is exactly the one asked for", async () => {
    const child = spawnFallback({ ...shell(""), file: "/usr/bin/env", argv: ["env"], env: { A: "1" } });
    expect(await textOf(child.stdout)).toBe("A=1\n");
  });

  test("a group is signalled and the signal is told", async () => {
    const child = spawnFallback(shell("sleep 60"));
    expect(child.signalGroup(15)).toBe(true);
    expect(await child.exited).toEqual({ code: null, signal: 15 });
  });

  test("an end that is not told is not taken for success: signal 34 has no name", async () => {
    const child = spawnFallback(shell("kill -34 $$"));
    expect(await child.exited).toEqual({ code: -1, signal: null });
  });

  test("a missing program and a missing folder are errors of the system", () => {
    expect(() => spawnFallback({ ...shell(""), file: "/no/such" })).toThrow(SpawnError);
    expect(() => spawnFallback(shell("", { cwd: "/no/such" }))).toThrow(
      "No such file or directory (os error 2)",
    );
  });
});

describe.each<TerminalMaker>(["bun", "bun-pty"])("a terminal made by %s", (maker) => {
  const start = (script: string): Child =>
    spawnFallback(shell(script, { terminal: { columns: 100, rows: 33 } }), maker);

  test("has the size asked for, and its exit status arrives with all output", async () => {
    const child = start("stty size; exit 3");
    expect(await textOf(child.stdout)).toContain("33 100");
    expect((await child.exited).code).toBe(3);
  });

  test("takes input, and a new size", async () => {
    const child = start("read line; stty size; echo got $line");
    child.resize({ columns: 120, rows: 40 });
    await child.stdin!.write(new TextEncoder().encode("word\n"));
    const text = await textOf(child.stdout);
    expect(text).toContain("40 120");
    expect(text).toContain("got word");
  });
});
