/** Which names may be made, and when a folder's content has to be looked through before it moves. */

import { describe, expect, test } from "bun:test";
import { NameRules } from "../../../lib/sandbox/name_rules.ts";

const rules = (denied: string[], heldLinks: string[] = []): NameRules => new NameRules({ denied, heldLinks });

describe("names", () => {
  test("that match are denied with all beneath them, held ones alone", () => {
    const some = rules(["/ws/**/.env", "/ws/keys/*.pem"], ["/ws/.git"]);
    const told = [
      "/ws/.env",
      "/ws/a/b/.env",
      "/ws/.env/x/y",
      "/ws/keys/a.pem",
      "/ws/keys/a.txt",
      "/other/.env",
    ];
    expect(told.map((path) => some.verdict(path))).toEqual([
      ...(["denied", "denied", "denied", "denied", "allowed", "allowed"] as const),
    ]);
    expect([some.verdict("/ws/.git"), some.verdict("/ws/.git/x"), some.verdict("/ws/.gitignore")]).toEqual([
      ...(["held", "allowed", "allowed"] as const),
    ]);
  });

  test("in a folder that moves matter unless only the last name counts, below one base", () => {
    const loose = rules(["/ws/**/.env", "/ws/**/*.pem"]);
    expect(loose.changesWithin("/ws/a", "/ws/b/c")).toBe(false);
    expect(loose.changesWithin("/tmp/a", "/ws/b")).toBe(true);
    expect(loose.changesWithin("/tmp/a", "/tmp/b")).toBe(false);
    const fixed = rules(["/ws/secrets/**"]);
    expect(fixed.changesWithin("/ws/a", "/ws/secrets")).toBe(true);
    expect(fixed.changesWithin("/ws/a", "/ws/secrets/b")).toBe(true);
    expect(fixed.changesWithin("/ws/a", "/ws/b")).toBe(false);
    expect(rules(["/ws/**/keys/*"]).changesWithin("/ws/a", "/ws/keys")).toBe(true);
    expect(rules(["/w*/secret"]).changesWithin("/a", "/ws")).toBe(true);
    expect(rules(["/**/.env"]).changesWithin("/a", "/b")).toBe(false);
    expect(rules([], ["/ws/.git"]).changesWithin("/ws/a", "/ws/b")).toBe(false);
  });
});
