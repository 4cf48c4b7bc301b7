/** The filter, run by a small machine of the test's own; the launcher, as an executable; and the judgement of output. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DenialWatch } from "../../../lib/sandbox/denial.ts";
import { filterProgram } from "../../../lib/sandbox/filter.ts";
import { launcherProgram } from "../../../lib/sandbox/launcher.ts";
import { seatbeltArguments } from "../../../lib/sandbox/seatbelt.ts";

const x64 = 0xc000003e;
const arm64 = 0xc00000b7;
const verdicts: Record<number, string> = {
  2147418112: "allow",
  2147483648: "kill",
  327681: "EPERM",
  2143289344: "ask",
};

/** What the program answers for a call. */
function verdict(program: Uint8Array, arch: number, nr: number, ...args: number[]): string {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, nr, true);
  data.setUint32(4, arch, true);
  for (const [i, value] of args.entries()) data.setBigUint64(16 + 8 * i, BigInt(value), true);
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const code = view.getUint16(8 * at, true);
    const operand = view.getUint32(8 * at + 4, true);
    const jump = (taken: boolean): number => view.getUint8(8 * at + (taken ? 2 : 3));
    if (code === 0x20) accumulator = data.getUint32(operand, true);
    else if (code === 0x54) accumulator = (accumulator & operand) >>> 0;
    else if (code === 0x15) at += jump(accumulator === operand);
    else if (code === 0x35) at += jump(accumulator >= operand);
    else if (code === 0x45) at += jump((accumulator & operand) !== 0);
    else if (code === 0x06) return verdicts[operand] ?? `unknown ${operand}`;
    else throw new Error(`Unknown instruction ${code}`);
  }
}

describe("the filter", () => {
  const restricted = filterProgram({ architecture: "x64", network: false, withoutNamespaces: false });
  const open = filterProgram({ architecture: "x64", network: true, withoutNamespaces: false });
  const alone = filterProgram({
    architecture: "x64",
    network: true,
    withoutNamespaces: true,
    ownLimitsOnly: true,
  });

  test("ends who calls in another convention", () => {
    expect(verdict(restricted, arm64, 0)).toBe("kill");
    expect(verdict(restricted, 0x40000003, 101)).toBe("kill");
    expect(verdict(open, x64, 0x40000000 + 41, 2, 1)).toBe("EPERM");
  });

  test("refuses tracing, rings and keys always, the network on demand", () => {
    // ptrace, process_vm_writev, io_uring_setup, pidfd_getfd, bpf, keyctl
    for (const nr of [101, 311, 425, 438, 321, 250]) {
      expect([verdict(restricted, x64, nr), verdict(open, x64, nr)]).toEqual(["EPERM", "EPERM"]);
    }
    // connect, bind, listen, accept, accept4
    for (const nr of [42, 49, 50, 43, 288]) {
      expect([verdict(restricted, x64, nr), verdict(open, x64, nr)]).toEqual(["EPERM", "allow"]);
    }
  });

  test("allows local streams without a name and no datagrams", () => {
    const socket = (domain: number, type: number): string => verdict(restricted, x64, 41, domain, type);
    const pair = (domain: number, type: number): string => verdict(restricted, x64, 53, domain, type);
    const flags = 0o2004000;
    expect([socket(1, 1), socket(1, 5 | flags), pair(1, 1 | flags)]).toEqual(["allow", "allow", "allow"]);
    expect([
      socket(1, 2),
      socket(1, 3),
      pair(1, 2 | flags),
      socket(2, 1),
      socket(16, 3),
      socket(10, 1),
    ]).toEqual(new Array(6).fill("EPERM"));
    expect(verdict(open, x64, 41, 2, 2)).toBe("allow");
  });

  test("refuses input to a terminal and nothing else of it", () => {
    expect([verdict(open, x64, 16, 0, 0x5412), verdict(open, x64, 16, 0, 0x541c)]).toEqual([
      "EPERM",
      "EPERM",
    ]);
    expect(verdict(open, x64, 16, 0, 0x5413)).toBe("allow");
  });

  test("stands in for namespaces: modes, times, shared memory, others' limits", () => {
    // chmod, fchmodat2, utimensat, setxattr, shmget, mq_open, file_setattr
    for (const nr of [90, 452, 280, 188, 29, 240, 469]) {
      expect([verdict(alone, x64, nr), verdict(open, x64, nr)]).toEqual(["EPERM", "allow"]);
    }
    expect([verdict(alone, x64, 302, 0), verdict(alone, x64, 302, 77)]).toEqual(["allow", "EPERM"]);
    expect(verdict(alone, x64, 16, 0, 0x40086602)).toBe("EPERM");
  });

  test("lets everything else through, and always ends", () => {
    const listed = new Set([
      101, 310, 311, 440, 438, 312, 425, 426, 427, 321, 298, 323, 248, 249, 250, 246, 320, 304,
    ]);
    fc.assert(
      fc.property(fc.nat(600), fc.nat(), fc.nat(), (nr, a, b) => {
        fc.pre(nr !== 16);
        expect(verdict(open, x64, nr, a, b)).toBe(listed.has(nr) ? "EPERM" : "allow");
      }),
    );
  });

  test("asks about calls that make names, on demand, and about opening only with O_CREAT", () => {
    const base = { architecture: "x64", network: true, withoutNamespaces: false } as const;
    const made = filterProgram({ ...base, names: "made" });
    const removals = filterProgram({ ...base, names: "removals" });
    // creat, openat2, mkdir, mkdirat, mknod, mknodat, symlink, symlinkat, link, linkat, rename, renameat, renameat2
    const makers = [85, 437, 83, 258, 133, 259, 88, 266, 86, 265, 82, 264, 316];
    expect(makers.map((nr) => verdict(made, x64, nr))).toEqual(makers.map(() => "ask"));
    expect(makers.map((nr) => verdict(open, x64, nr))).toEqual(makers.map(() => "allow"));
    // open and openat, with O_RDWR | O_CREAT, O_RDWR | O_TRUNC
    expect([verdict(made, x64, 2, 0, 0o102), verdict(made, x64, 2, 0, 0o1002)]).toEqual(["ask", "allow"]);
    expect([verdict(made, x64, 257, 0, 0, 0o102), verdict(made, x64, 257, 0, 0, 0o1002)]).toEqual([
      "ask",
      "allow",
    ]);
    // unlink, unlinkat
    expect([87, 263].map((nr) => verdict(removals, x64, nr))).toEqual(["ask", "ask"]);
    expect([87, 263].map((nr) => verdict(made, x64, nr))).toEqual(["allow", "allow"]);
    // openat with O_CREAT, openat2, mkdirat, mknodat, symlinkat, linkat, renameat, renameat2, unlinkat
    const other = filterProgram({ ...base, architecture: "arm64", names: "removals" });
    const numbers = [56, 437, 34, 33, 36, 37, 38, 276, 35];
    expect(numbers.map((nr) => verdict(other, arm64, nr, 0, 0, 0o100))).toEqual(numbers.map(() => "ask"));
  });

  test("has the numbers of the other architecture", () => {
    const other = filterProgram({ architecture: "arm64", network: false, withoutNamespaces: true });
    // ptrace, connect, io_uring_setup, fchmodat, shmget; read, write, execve
    expect([117, 203, 425, 53, 194].map((nr) => verdict(other, arm64, nr))).toEqual(
      new Array(5).fill("EPERM"),
    );
    expect([63, 64, 221].map((nr) => verdict(other, arm64, nr))).toEqual(["allow", "allow", "allow"]);
    expect(verdict(other, arm64, 198, 1, 1)).toBe("allow");
    expect(verdict(other, x64, 63)).toBe("kill");
  });
});

test("the launcher is an executable of its architecture, with its entry inside", () => {
  for (const [architecture, machine] of [
    ["x64", 62],
    ["arm64", 183],
  ] as const) {
    const filter = filterProgram({ architecture, network: true, withoutNamespaces: true });
    const program = launcherProgram({
      architecture,
      filter,
      fileRules: true,
      rights: 0,
      dropPwd: true,
      handOver: true,
    });
    const view = new DataView(program.buffer);
    expect(new TextDecoder().decode(program.subarray(1, 4))).toBe("ELF");
    expect(view.getUint16(18, true)).toBe(machine);
    const entry = Number(view.getBigUint64(24, true)) - 0x400000;
    expect(entry).toBeGreaterThan(filter.length);
    expect(entry).toBeLessThan(program.length);
    // What is loaded is the whole file.
    expect(Number(view.getBigUint64(96, true))).toBe(program.length);
  }
});

describe("whether it was denied", () => {
  test("by what is known, with another status than 0", () => {
    const known = new DenialWatch(() => true);
    expect([known.denied(1), known.denied(0)]).toEqual([true, false]);
    expect(new DenialWatch(() => false).denied(1)).toBe(false);
  });

  const judge = (exitCode: number, ...pieces: string[]): boolean => {
    const watch = new DenialWatch();
    for (const piece of pieces) watch.output("stderr", new TextEncoder().encode(piece));
    return watch.denied(exitCode);
  };

  test("by the filter's signal, or by words with another status than 0", () => {
    expect(judge(159)).toBe(true);
    expect(judge(1, "touch: cannot touch 'x': Read-only file system")).toBe(true);
    expect(judge(126, "sh: x: Permission denied")).toBe(true);
    expect(judge(1, "OPERATION NOT PERMITTED")).toBe(true);
    expect(judge(0, "Permission denied")).toBe(false);
    expect(judge(1, "no such thing")).toBe(false);
    expect(judge(2)).toBe(false);
  });

  test("however the output is cut, but not across streams", () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (a, b) => {
        const text = `${"x".repeat(20)}Failed to write file${"y".repeat(20)}`;
        const [first, second] = [Math.min(a, b), Math.max(a, b)];
        expect(judge(1, text.slice(0, first), text.slice(first, second), text.slice(second))).toBe(true);
      }),
    );
    const watch = new DenialWatch();
    watch.output("stdout", new TextEncoder().encode("sand"));
    watch.output("stderr", new TextEncoder().encode("box"));
    expect(watch.denied(1)).toBe(false);
  });

  test("in large pieces too", () => {
    expect(judge(1, `${"x".repeat(100_000)}seccomp`)).toBe(true);
  });
});

test("the profile of macOS has the rules in order, as the last that matches decides", () => {
  const rule = (path: string, access: "read" | "write" | "deny") => ({ path, access, skipMissing: false });
  const [, profile, ...parameters] = seatbeltArguments({
    rules: [rule("/", "read"), rule("/ws", "write"), rule("/ws/.git", "read"), rule("/ws/key", "deny")],
    denyGlobs: ["/ws/**/*.pem"],
    globScanMaxDepth: 9,
    network: false,
  });
  expect(parameters).toEqual(["-DRULE_0=/", "-DRULE_1=/ws", "-DRULE_2=/ws/.git", "-DRULE_3=/ws/key"]);
  const lines = profile!.trimEnd().split("\n").slice(-7);
  expect(lines).toEqual([
    '(allow file-read* (subpath (param "RULE_0")))',
    '(deny file-write* (subpath (param "RULE_0")))',
    '(allow file-read* file-write* (subpath (param "RULE_1")))',
    '(allow file-read* (subpath (param "RULE_2")))',
    '(deny file-write* (subpath (param "RULE_2")))',
    '(deny file-read* file-write* (subpath (param "RULE_3")))',
    '(deny file-read* file-write* (regex #"^/ws/(.*/)?[^/]*[.]pem(/.*)?$"))',
  ]);
  expect(profile).not.toContain("network");
  expect(profile).toStartWith("(version 1)\n(deny default)\n");
});
