import { describe, expect, test } from "bun:test";
import { holds, parseStat, processTable } from "../../../lib/process/process_table.ts";

describe("the process table", () => {
  const rest = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 777 0";

  test("a line is read whatever the name of the program is", () => {
    for (const name of ["sh", "a b", "x) S 1 1 1", "((", "1 (y)"]) {
      expect(parseStat(`42 (${name}) S 7 8 9 ${rest.slice(2)}`)).toMatchObject({
        pid: 42,
        parent: 7,
        group: 8,
        session: 9,
      });
    }
    expect(parseStat(`42 (sh) R 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0`)?.startTime).toBe(777);
  });

  test("is the same where the system has no list of children", async () => {
    const script = "sleep 1000 & sleep 1000 & echo; wait";
    const child = Bun.spawn(["sh", "-c", script], { stdout: "pipe", detached: true });
    await child.stdout.getReader().read();
    const [listed, counted] = [processTable(true), processTable(false)];
    expect(counted.pids()).toContain(child.pid);
    const children = listed.children(child.pid).sort();
    expect(children).toHaveLength(2);
    expect(counted.children(child.pid).sort()).toEqual(children);
    for (const table of [listed, counted]) {
      for (const pid of [child.pid, ...children]) {
        const numbers = { group: child.pid, session: child.pid };
        expect([table.numbers(pid), table.row(pid)]).toMatchObject([numbers, { pid, ...numbers }]);
      }
    }
    process.kill(-child.pid, "SIGKILL");
    await child.exited;
    for (const table of [listed, counted]) {
      table.renew();
      expect([table.children(child.pid), table.row(child.pid), table.numbers(child.pid)]).toEqual([
        [],
        undefined,
        undefined,
      ]);
    }
  });

  test("knows who holds a file", async () => {
    const child = Bun.spawn(["sh", "-c", "readlink /proc/$$/fd/2; exec sleep 1000"], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const { value } = await child.stdout.getReader().read();
    const name = new TextDecoder().decode(value).trim();
    expect(holds(child.pid, ["pipe:[1]", name])).toBe(true);
    expect(holds(child.pid, ["pipe:[1]"])).toBe(false);
    child.kill();
    await child.exited;
    expect(holds(child.pid, [name])).toBe(false);
  });

  test("zombies are not there", () => {
    expect(parseStat(`42 (sh) Z 7 8 9 ${rest}`)).toBeUndefined();
    expect(parseStat(`42 (sh) X 7 8 9 ${rest}`)).toBeUndefined();
    expect(parseStat("42 (sh) Z 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0")).toBeUndefined();
  });

  test("one whose first thread has ended is there while others run", () => {
    const row = { pid: 42, parent: 7, group: 8, session: 9, startTime: 777 };
    expect(parseStat("42 (sh) Z 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 777 0 0")).toEqual(row);
  });
});
