import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cgroup, Cgroups } from "../../../lib/process/cgroups.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder that looks like a group; the system would make these files. */
function fakeGroup(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

describe("a control group", () => {
  test("is given the limits that were asked for, in the words of the system", () => {
    const names = ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max"];
    const files = Object.fromEntries(names.map((name) => [name, ""]));
    const limitsOf = (folder: string): string[] =>
      names.map((name) => readFileSync(join(folder, name), "utf8"));
    const all = fakeGroup(files);
    new Cgroup(all, "/none").limit({ memoryBytes: 67_108_864, processes: 100, cpuPercent: 150 });
    expect(limitsOf(all)).toEqual(["67108864", "0", "1", "100", "150000 100000"]);
    const none = fakeGroup(files);
    new Cgroup(none, "/none").limit({ wallTimeMs: 5, outputBytes: 6 });
    expect(limitsOf(none)).toEqual(["", "", "", "", ""]);
    const most = fakeGroup(files);
    new Cgroup(most, "/none").limit({ memoryBytes: 2 ** 64, processes: 2 ** 64, cpuPercent: 2 ** 64 });
    expect(limitsOf(most)).toEqual(["9007199254740992", "0", "1", "4194304", "1000000000000 100000"]);
    const little = fakeGroup({ "cpu.max": "" });
    new Cgroup(little, "/none").limit({ cpuPercent: 0 });
    expect(readFileSync(join(little, "cpu.max"), "utf8")).toBe("1000 100000");
  });

  test("has no file made that the system does not have", () => {
    const empty = fakeGroup({});
    expect(() => new Cgroup(empty, "/none").limit({ memoryBytes: 5 })).toThrow("ENOENT");
    new Cgroup(empty, "/none").kill();
    expect(readdirSync(empty)).toEqual([]);
  });

  test("tells who is in it, whether it is empty, and whether its memory was too small", () => {
    const group = (files: Record<string, string>): Cgroup => new Cgroup(fakeGroup(files), "/none");
    expect(group({ "cgroup.procs": "5\n67\n" }).pids()).toEqual([5, 67]);
    expect(group({ "cgroup.procs": "" }).pids()).toEqual([]);
    expect(group({ "cgroup.events": "populated 0\nfrozen 0\n" }).isEmpty()).toBe(true);
    expect(group({ "cgroup.events": "populated 1\nfrozen 0\n" }).isEmpty()).toBe(false);
    expect(group({}).isEmpty()).toBe(false);
    expect(group({ "memory.events": "low 0\noom 0\noom_kill 0\noom_group_kill 0\n" }).outOfMemory()).toBe(
      false,
    );
    expect(group({ "memory.events": "low 0\noom 1\noom_kill 2\noom_group_kill 1\n" }).outOfMemory()).toBe(
      true,
    );
    expect(group({}).outOfMemory()).toBe(false);
  });
});

describe("a folder for control groups", () => {
  test("that is none is refused, and nothing is left in it", () => {
    const folder = fakeGroup({});
    expect(() => new Cgroups(folder)).toThrow("no control group that can be killed");
    expect(readdirSync(folder)).toEqual([]);
    expect(() => new Cgroups(join(folder, "none"))).toThrow("ENOENT");
    mkdirSync(join(folder, "a b"));
    expect(() => new Cgroups(join(folder, "a b"))).toThrow("white space");
  });
});
