import { describe, expect, test } from "bun:test";
import { ChangeLog } from "../../../lib/fs/change_log.ts";

type Kind = "created" | "arrived" | "modified" | "removed";

describe("changes of one path", () => {
  const cases: [Kind[], Exclude<Kind, "arrived"> | undefined][] = [
    [["created"], "created"],
    [["created", "modified"], "created"],
    [["created", "removed"], undefined],
    [["created", "removed", "created"], "created"],
    [["modified", "modified"], "modified"],
    [["modified", "removed"], "removed"],
    [["modified", "created"], "modified"],
    [["removed", "created"], "modified"],
    [["removed", "created", "removed"], "removed"],
    [["removed", "modified"], "modified"],
    [["arrived"], "created"],
    [["arrived", "modified"], "created"],
    [["arrived", "removed"], "removed"],
    [["removed", "arrived"], "modified"],
    [["created", "arrived", "removed"], undefined],
  ];
  for (const [kinds, expected] of cases) {
    test(`${kinds.join(", then ")} is ${expected ?? "nothing"}`, () => {
      const log = new ChangeLog();
      for (const kind of kinds) log.add("x", kind);
      expect(log.isEmpty).toBe(expected === undefined);
      expect(log.take()).toEqual({ changes: expected ? [["x", expected]] : [], overflow: false });
      expect(log.isEmpty).toBe(true);
    });
  }

  test("more than 10000 paths are an overflow, told once", () => {
    const log = new ChangeLog();
    for (let i = 0; i <= 10_000; i++) log.add(`${i}`, "created");
    log.add("more", "created");
    expect(log.take()).toEqual({ changes: [], overflow: true });
    log.add("later", "created");
    expect(log.take()).toEqual({ changes: [["later", "created"]], overflow: false });
  });
});
