/** How children are started, what they are given, and how their end is told. */

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Runtime, SpawnError, type SpawnOptions } from "../../../lib/runtime/runtime.ts";
import {
  type Case,
  dispose,
  encode,
  inFolder,
  openFds,
  output,
  programCommand,
  readUntil,
  run,
  shell,
  terminal,
  until,
  within,
} from "./support.ts";

export const spawnCases: Case[] = [
  {
    name: "exit code 7",
    run: async (runtime) => {
      const { code, signal } = await output(shell(runtime, "exit 7"));
      deepStrictEqual({ code, signal }, { code: 7, signal: null });
    },
  },
  {
    name: "killed by signal 9",
    run: async (runtime) => {
      const child = shell(runtime, "echo ready; exec sleep 1000");
      await readUntil(child.stdout, "ready");
      ok(child.signalGroup(9));
      deepStrictEqual(await within(child.exited, "the exit"), { code: null, signal: 9 });
      await dispose(child);
    },
  },
  {
    name: "killed by a signal that dumps core",
    run: async (runtime) => {
      const { code, signal } = await output(shell(runtime, "ulimit -c 0; kill -ABRT $$"));
      deepStrictEqual({ code, signal }, { code: null, signal: 6 });
    },
  },
  {
    name: "signalGroup() reaches grandchildren, and answers false when no process is left",
    run: async (runtime) => {
      const child = shell(runtime, "sleep 1000 & echo ready; wait");
      await readUntil(child.stdout, "ready");
      strictEqual(child.signalGroup(15), true);
      deepStrictEqual(await within(child.exited, "the exit"), { code: null, signal: 15 });
      strictEqual(await within(child.stdout.read(), "the end, which the grandchild held up"), null);
      await until(() => !child.signalGroup(15), "the group is empty");
      strictEqual(child.signalGroup(0), false);
      await dispose(child);
    },
  },
  {
    name: "the environment is exactly the one given",
    run: async (runtime) => {
      const env = { A: "1", "WITH SPACE": "x=y", EMPTY: "", UMLAUT: "ä€😀" };
      const { text } = await output(run(runtime, ["/usr/bin/env", "-0"], { env }));
      deepStrictEqual(text.split("\0"), ["A=1", "WITH SPACE=x=y", "EMPTY=", "UMLAUT=ä€😀", ""]);
      strictEqual((await output(run(runtime, ["/usr/bin/env"], { env: {} }))).text, "");
    },
  },
  {
    name: "argv is exactly the one given, argv[0] and empty ones included",
    run: async (runtime) => {
      const argv = ["another name", "", "a b", "ä€😀", ""];
      const child = run(runtime, argv, { file: "/bin/sleep", cwd: "/" });
      strictEqual((await output(child)).code, 1);
      const cat = run(runtime, ["-name", "/proc/self/cmdline", "--", ""], { file: "/bin/cat" });
      strictEqual((await output(cat)).text, "-name\0/proc/self/cmdline\0--\0\0");
    },
  },
  {
    name: "a relative program is looked up in cwd",
    run: async (runtime) => {
      const { text } = await output(run(runtime, ["./sh", "-c", "pwd -P"], { cwd: "/bin/" }));
      ok(["/bin\n", "/usr/bin\n"].includes(text), text);
    },
  },
  { name: "a failed start tells the system's error and leaves nothing behind", run: errors },
  {
    name: "the child has descriptors 0 to 2 only",
    run: async (runtime) => {
      // With others running, whose ends must not be inherited.
      const other = shell(runtime, "exec sleep 1000", { stdin: "pipe" });
      const second = shell(runtime, "exec sleep 1000", { terminal });
      const child = run(runtime, ["/bin/sleep", "1000"], { stdin: "pipe" });
      const fds = (): string => readdirSync(`/proc/${child.pid}/fd`).sort().join(" ");
      // At first it has its libraries open.
      await until(() => fds() === "0 1 2", fds);
      for (const one of [other, second, child]) await dispose(one);
    },
  },
  {
    name: "descriptors that we inherited are not passed on",
    run: async (runtime) => {
      const command = programCommand(runtime, "program.ts");
      const script = 'exec 9</dev/null; exec "$@"';
      const env = { PATH: "/usr/bin:/bin", HOME: process.env.HOME ?? "/" };
      const child = shell(runtime, script, { env }, ...command, "child-fds");
      const { text, stderr } = await output(child);
      strictEqual(text, "0 1 2\n", stderr);
    },
  },
  {
    name: "the child leads its own session and group, without a terminal",
    run: async (runtime) => {
      const child = run(runtime, ["/bin/sleep", "1000"]);
      const [pid, , , , group, session, tty] = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(" ");
      deepStrictEqual([pid, group, session, tty], [`${child.pid}`, `${child.pid}`, `${child.pid}`, "0"]);
      await dispose(child);
    },
  },
  {
    name: "signals are at their defaults and none is blocked",
    run: async (runtime) => {
      const { text } = await output(run(runtime, ["/bin/cat", "/proc/self/status"]));
      const masks = text.match(/^Sig(Blk|Ign|Cgt):.*$/gm)!.map((line) => line.replace(/\s+/, " "));
      const none = "0".repeat(16);
      deepStrictEqual(masks, [`SigBlk: ${none}`, `SigIgn: ${none}`, `SigCgt: ${none}`]);
    },
  },
  { name: "16 children at once", run: many },
  { name: "300 children leave descriptors flat", run: flat },
  { name: "100 children one by one leave descriptors flat", run: flatWaits },
];

async function errors(runtime: Runtime): Promise<void> {
  await inFolder(async (folder) => {
    const plain = join(folder, "plain");
    writeFileSync(plain, "echo hello\n");
    const noFormat = join(folder, "no format");
    writeFileSync(noFormat, "echo hello\n");
    chmodSync(noFormat, 0o755);
    const missing = join(folder, "missing");
    const cases: [name: string, errno: number, argv: string[], more: Partial<SpawnOptions>][] = [
      ["ENOENT", 2, [missing], {}],
      ["ENOENT, a bare name", 2, ["true"], { cwd: folder }],
      ["EACCES", 13, [plain], {}],
      ["EACCES, a folder", 13, [folder], {}],
      ["ENOTDIR", 20, [join(plain, "program")], {}],
      ["ENOENT, cwd", 2, ["/bin/true"], { cwd: missing }],
      ["ENOTDIR, cwd", 20, ["/bin/true"], { cwd: plain }],
      ["E2BIG", 7, ["/bin/true", "x".repeat(1 << 20)], {}],
      ["ENOEXEC", 8, [noFormat], {}],
      ["EINVAL, argument with NUL", 22, ["/bin/true", "a\0b"], {}],
      ["EINVAL, environment with NUL", 22, ["/bin/true"], { env: { A: "a\0b" } }],
      ["EINVAL, program with NUL", 22, ["/bin/true\0x"], {}],
      ["EINVAL, cwd with NUL", 22, ["/bin/true"], { cwd: "/\0x" }],
    ];
    const before = openFds();
    for (const [name, errno, argv, more] of cases) {
      for (const how of [{}, { stdin: "pipe" as const }, { terminal }]) {
        try {
          await dispose(run(runtime, argv, { ...more, ...how }));
          ok(false, `${name}: started`);
        } catch (error) {
          ok(error instanceof SpawnError, `${name}: ${error}`);
          strictEqual(error.errno, errno, name);
          ok(error.message.length > 0);
        }
        deepStrictEqual(openFds(), before, `${name}: descriptors`);
      }
    }
  });
}

async function many(runtime: Runtime): Promise<void> {
  const children = Array.from({ length: 16 }, () => run(runtime, ["/bin/cat"], { stdin: "pipe" }));
  const results = children.map(async (child, i) => {
    await child.stdin!.write(encode(`hello ${i}`));
    child.stdin!.close();
    return output(child);
  });
  const texts = (await Promise.all(results)).map(({ text, code }) => `${text}, ${code}`);
  deepStrictEqual(
    texts,
    children.map((_, i) => `hello ${i}, 0`),
  );
}

async function flat(runtime: Runtime): Promise<void> {
  const before = openFds().length;
  let left = 300;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const how = left % 3 === 0 ? { terminal } : ({ stdin: left % 3 === 1 ? "pipe" : "null" } as const);
      strictEqual((await output(run(runtime, ["/bin/true"], how))).code, 0);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  strictEqual(openFds().length, before);
}

/** Each child alone, so that the waiting begins and ends with it. Those that runtimes close later are counted too. */
async function flatWaits(runtime: Runtime): Promise<void> {
  const count = (): number => readdirSync("/proc/self/fd").length;
  await output(run(runtime, ["/bin/true"]));
  const before = count();
  for (let i = 0; i < 100; i++) await output(run(runtime, ["/bin/true"]));
  ok(count() < before + 20, `${before} descriptors have become ${count()}`);
}
