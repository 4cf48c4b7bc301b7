import { describe, expect, test } from "bun:test";
import type { ProcessRow, ProcessTable } from "../../../lib/process/process_table.ts";
import { type SearchOptions, type TreeRoot, TreeSearch } from "../../../lib/process/tree_search.ts";

const row = (pid: number, parent: number, group = pid, session = group): ProcessRow => ({
  ...{ pid, parent, group, session },
  startTime: 1,
});

/** Rows may be added to it; it counts what it is asked. */
class FakeTable implements ProcessTable {
  readonly rows: ProcessRow[];
  readonly looks: number[] = [];
  renewals = 0;

  constructor(rows: ProcessRow[]) {
    this.rows = rows;
  }

  renew(): void {
    this.renewals++;
  }

  pids(): number[] {
    return this.rows.map(({ pid }) => pid);
  }

  row(pid: number): ProcessRow | undefined {
    return this.rows.find((one) => one.pid === pid);
  }

  numbers(pid: number): ProcessRow | undefined {
    this.looks.push(pid);
    return this.row(pid);
  }

  children(pid: number): number[] {
    return this.rows.filter(({ parent }) => parent === pid).map((one) => one.pid);
  }
}

const root = (pid: number, more: Partial<TreeRoot> = {}): TreeRoot => ({
  ...{ pid, exited: false, isTerminal: false },
  ...more,
});
const numbers = (rows: readonly ProcessRow[]): number[] => rows.map(({ pid }) => pid).sort((a, b) => a - b);
const search = async (roots: TreeRoot[], rows: ProcessRow[], options?: SearchOptions): Promise<number[]> =>
  numbers(await new TreeSearch(roots, new FakeTable(rows), options).look());

describe("a tree", () => {
  const table = [
    row(50, 40, 50), // grandchild in a session of its own
    row(40, 30, 40),
    row(30, 1, 30),
    row(31, 1, 31, 30), // orphan of the session
    row(32, 1, 30, 99), // orphan of the group
    row(60, 31),
    row(61, 1, 61, 50), // orphan of the grandchild's session
    row(62, 61, 62, 50),
    row(70, 1),
    row(71, 70),
  ];

  test("is the leader, its group and session, who descends from these, and sessions they lead, in any order", async () => {
    for (const rows of [table, table.toReversed()]) {
      expect(await search([root(30)], rows)).toEqual([30, 31, 32, 40, 50, 60, 61, 62]);
    }
  });

  test("of several leaders is all of theirs, and of none is nobody", async () => {
    const rows = [row(2, 1), row(3, 2), row(4, 1), row(5, 1)];
    expect(await search([root(2), root(4)], rows)).toEqual([2, 3, 4]);
    expect(await search([], rows)).toEqual([]);
    expect(await search([root(99)], rows)).toEqual([]);
  });

  test("never has ourselves in it, nor who descends from us only", async () => {
    const rows = [row(process.pid, 30, 30, 30), row(30, 1), row(31, process.pid, 31, 31)];
    expect(await search([root(30)], rows)).toEqual([30]);
  });

  test("of a leader that has ended is who is left, unless its number is another's", async () => {
    const rows = [row(31, 1, 30, 30), row(32, 31)];
    expect(await search([root(30, { exited: true })], rows)).toEqual([31, 32]);
    expect(await search([root(30, { exited: true })], [row(30, 1), ...rows])).toEqual([]);
    expect(await search([root(30, { exited: true })], rows, { strangers: new Set([30]) })).toEqual([]);
    // Who cannot be looked at has no session, and a group without a leader no number.
    expect(await search([root(-1, { exited: true })], [row(5, 1, -1, -1)])).toEqual([]);
  });

  test("has who is in its control group", async () => {
    const cgroup = { pids: () => [70], kill: () => {} };
    expect(await search([root(-1, { exited: true, cgroup })], table)).toEqual([70, 71]);
  });

  test("strangers are not looked at, unless they are roots that run", async () => {
    const fake = new FakeTable(table);
    const found = await new TreeSearch([root(70)], fake, { strangers: new Set([30, 40, 70]) }).look();
    expect(numbers(found)).toEqual([70, 71]);
    expect(fake.looks.sort()).toEqual([31, 32, 50, 60, 61, 62, 70, 71]);
  });

  test("a second look finds who has come since, and looks at nobody twice", async () => {
    const fake = new FakeTable([row(30, 1), row(70, 1), row(50, 30)]);
    const trees = new TreeSearch([root(30)], fake);
    expect(numbers(await trees.look())).toEqual([30, 50]);
    expect(await trees.look()).toEqual([]);
    fake.rows.push(row(33, 1, 30), row(51, 1, 51, 50), row(72, 70), row(52, 51));
    expect(numbers(await trees.look())).toEqual([33, 51, 52]);
    expect(numbers(trees.members)).toEqual([30, 33, 50, 51, 52]);
    expect(fake.looks.sort()).toEqual([30, 33, 50, 51, 52, 70, 72].sort());
  });

  test("a look below finds what members have started, and asks about nobody else", async () => {
    const fake = new FakeTable([row(30, 1), row(70, 1)]);
    const trees = new TreeSearch([root(30)], fake);
    await trees.look();
    fake.rows.push(row(50, 30, 50), row(51, 50), row(33, 1, 30), row(71, 70));
    expect(numbers(await trees.lookBelow())).toEqual([50, 51]);
    expect(await trees.lookBelow()).toEqual([]);
    expect(fake.looks.sort()).toEqual([30, 70]);
    expect(fake.renewals).toBe(3);
    expect(numbers(await trees.look())).toEqual([33]);
  });
});
