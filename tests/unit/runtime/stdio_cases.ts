/** The program's own stdin and stdout, seen from outside; and that nothing keeps it running when it is done. */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Child, Runtime, SpawnOptions } from "../../../lib/runtime/runtime.ts";
import {
  type Case,
  inFolder,
  MIB,
  noise,
  output,
  programCommand,
  readUntil,
  run,
  sameBytes,
  shell,
  within,
} from "./support.ts";

export const stdioCases: Case[] = [
  {
    name: "stdin and stdout: 8 MiB come through unchanged",
    run: async (runtime) => {
      const child = program(runtime, "cat", { stdin: "pipe" });
      const bytes = noise(8 * MIB);
      const written = child.stdin!.write(bytes).then(() => child.stdin!.close());
      const { stdout, code, stderr } = await output(child);
      strictEqual(code, 0, stderr);
      await written;
      sameBytes(stdout, bytes, "stdout");
    },
  },
  {
    name: "stdin and stdout: files come through unchanged",
    run: (runtime) =>
      inFolder(async (folder) => {
        const bytes = noise(3 * MIB);
        writeFileSync(join(folder, "in"), bytes);
        const command = programCommand(runtime, "program.ts");
        const script = '"$@" < in > out';
        const child = shell(runtime, script, { cwd: folder, env: environment() }, ...command, "cat");
        const { code, stderr } = await output(child);
        strictEqual(code, 0, stderr);
        sameBytes(readFileSync(join(folder, "out")), bytes, "out");
      }),
  },
  {
    name: "stdout: a reader that stands still holds writers back, and nothing else",
    run: async (runtime) => {
      const child = program(runtime, "write-all", {});
      await readUntil(child.stdout, "x");
      let ticks = "";
      while ((ticks.match(/tick [1-9]/g) ?? []).length < 20) ticks += await readUntil(child.stderr!, "\n");
      ok(!ticks.includes("done"), "writes resolve although nobody reads");
      const { stdout, stderr, code } = await output(child);
      strictEqual(code, 0);
      match(stderr, /done 0\n$/);
      ok(stdout.length > 31 * MIB, `${stdout.length} bytes came`);
    },
  },
  {
    name: "stdout: what was awaited is not lost when the program exits",
    run: async (runtime) => {
      const { text, code } = await output(program(runtime, "write-many", {}));
      strictEqual(code, 0);
      const lines = text.split("\n");
      strictEqual(lines.length, 20_001);
      strictEqual(lines[19_999], "line 19999");
    },
  },
  {
    name: "stdout: write() rejects when the reader is gone",
    run: async (runtime) => {
      const child = program(runtime, "write-forever", {});
      await within(child.stdout.read(), "some output");
      child.stdout.cancel();
      await readUntil(child.stderr!, "rejected");
      strictEqual((await output(child)).code, 0);
    },
  },
  {
    name: "stdin: cancel() ends a pending read, and the program can end",
    run: async (runtime) => {
      const child = program(runtime, "cancel-stdin", { stdin: "pipe" });
      const { stderr, code } = await output(child);
      deepStrictEqual([stderr, code], ["reading\nread null\nread null\n", 0]);
    },
  },
  {
    name: "a program whose children are over ends by itself",
    run: async (runtime) => {
      const { stderr, code } = await output(program(runtime, "run-child", {}));
      deepStrictEqual([stderr, code], ["hello\nexit 7\nread null\n", 0]);
    },
  },
  {
    name: "a program started with SIGCHLD ignored learns how its children ended",
    run: async (runtime) => {
      const perl = "/usr/bin/perl";
      if (!existsSync(perl)) return "perl, which can ignore the signal, is not installed";
      const ignore = ["-e", "$SIG{CHLD} = 'IGNORE'; exec @ARGV"];
      const argv = [perl, ...ignore, ...programCommand(runtime, "program.ts"), "run-child"];
      const { stderr, code } = await output(run(runtime, argv, { env: environment() }));
      deepStrictEqual([stderr, code], ["hello\nexit 7\nread null\n", 0]);
    },
  },
  {
    name: "selfCommand() starts this program again",
    run: async (runtime) => {
      const { text, stderr } = await output(program(runtime, "self-command", {}));
      const command = JSON.parse(text || stderr) as string[];
      deepStrictEqual(command, programCommand(runtime, "program.ts"));
      const again = run(runtime, [...command, "self-command"], { env: environment() });
      strictEqual((await output(again)).text, text);
    },
  },
  {
    name: "Deno without --allow-ffi says what is missing",
    run: async (runtime) => {
      if (runtime.name !== "deno") return "Bun has no permissions";
      const [deno, , , script] = programCommand(runtime, "program.ts");
      const argv = [deno!, "run", "--no-prompt", "--allow-read", "--allow-env", script!, "run-child"];
      const { stderr, code } = await output(run(runtime, argv, { env: environment() }));
      strictEqual(code, 1);
      match(stderr, /RuntimeUnsupported: Cannot start processes: Deno needs --allow-ffi/);
    },
  },
];

function program(runtime: Runtime, what: string, more: Partial<SpawnOptions>): Child {
  return run(runtime, [...programCommand(runtime, "program.ts"), what], { env: environment(), ...more });
}

/** Deno wants a home for its caches. */
function environment(): Record<string, string> {
  const { PATH = "/usr/bin:/bin", HOME = "/", DENO_DIR } = process.env;
  return { PATH, HOME, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...(DENO_DIR ? { DENO_DIR } : {}) };
}
