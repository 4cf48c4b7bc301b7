import { describe, expect, test } from "bun:test";
import { type ProcessRow, parseStat, treeOf } from "../../../lib/process/process_tree.ts";

const row = (pid: number, parent: number, group = pid, session = group): ProcessRow => ({
  pid,
  parent,
  group,
  session,
  startTime: 1,
});

const numbers = (rows: readonly ProcessRow[]): number[] => rows.map(({ pid }) => pid).sort((a, b) => a - b);

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

  test("zombies are not there", () => {
    expect(parseStat(`42 (sh) Z 7 8 9 ${rest}`)).toBeUndefined();
    expect(parseStat(`42 (sh) X 7 8 9 ${rest}`)).toBeUndefined();
  });
});

describe("a tree", () => {
  test("is the leader, its group and session, and all who descend from these, in any order of the table", () => {
    const table = [
      row(50, 40, 50), // grandchild in a session of its own
      row(40, 30, 40),
      row(30, 1, 30),
      row(31, 1, 31, 30), // orphan of the session
      row(32, 1, 30, 99), // orphan of the group
      row(60, 31),
      row(70, 1),
      row(71, 70),
    ];
    for (const rows of [table, table.toReversed()]) {
      expect(numbers(treeOf(new Set([30]), rows))).toEqual([30, 31, 32, 40, 50, 60]);
    }
  });

  test("of several leaders is all of theirs, and of none is nobody", () => {
    const table = [row(2, 1), row(3, 2), row(4, 1), row(5, 1)];
    expect(numbers(treeOf(new Set([2, 4]), table))).toEqual([2, 3, 4]);
    expect(treeOf(new Set(), table)).toEqual([]);
    expect(treeOf(new Set([99]), table)).toEqual([]);
  });

  test("never has ourselves in it, nor who descends from us only", () => {
    const table = [row(process.pid, 30, 30, 30), row(30, 1), row(31, process.pid, 31, 31)];
    expect(numbers(treeOf(new Set([30]), table))).toEqual([30]);
  });
});
