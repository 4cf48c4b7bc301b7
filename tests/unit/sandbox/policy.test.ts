/** Two policies at once, and what a pattern matches. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SandboxAccess } from "../../../lib/protocol/sandbox.ts";
import { compileGlob } from "../../../lib/sandbox/glob.ts";
import { accessAt, intersect, orderRules, type Policy, policyKey } from "../../../lib/sandbox/policy.ts";

const policyOf = (
  rules: readonly (readonly [string, SandboxAccess])[],
  more: Partial<Policy> = {},
): Policy => ({
  rules: orderRules(rules.map(([path, access]) => ({ path, access, skipMissing: false }))),
  denyGlobs: [],
  globScanMaxDepth: Number.POSITIVE_INFINITY,
  network: false,
  ...more,
});

describe("a ceiling", () => {
  const paths = fc
    .array(fc.constantFrom("a", "b", "c"), { maxLength: 4 })
    .map((names) => `/${names.join("/")}`);
  const access = fc.constantFrom<SandboxAccess>("deny", "read", "write");
  const policies = fc.array(fc.tuple(paths, access), { maxLength: 8 }).map((rules) => policyOf(rules));
  const reach = { deny: 0, read: 1, write: 2 };

  test("lets through at every path what both let through", () => {
    fc.assert(
      fc.property(policies, policies, paths, (a, b, path) => {
        const both = accessAt(intersect(a, b), path);
        expect(reach[both]).toBe(Math.min(reach[accessAt(a, path)], reach[accessAt(b, path)]));
      }),
    );
  });

  test("keeps all patterns, and the network only where both have it", () => {
    const both = intersect(
      policyOf([["/", "write"]], { denyGlobs: ["/a/*"], network: true, globScanMaxDepth: 2 }),
      policyOf([["/", "read"]], { denyGlobs: ["/b/*", "/a/*"], network: false, globScanMaxDepth: 5 }),
    );
    expect(both.denyGlobs).toEqual(["/a/*", "/b/*"]);
    expect(both.network).toBe(false);
    expect(both.globScanMaxDepth).toBe(5);
    expect(intersect(policyOf([], { network: true }), policyOf([], { network: true })).network).toBe(true);
  });

  test("holds a missing path unless both pass it over", () => {
    const rule = (skipMissing: boolean): Policy => ({
      ...policyOf([]),
      rules: [{ path: "/a", access: "read", skipMissing }],
    });
    expect(intersect(rule(true), rule(true)).rules[0]!.skipMissing).toBe(true);
    expect(intersect(rule(true), rule(false)).rules[0]!.skipMissing).toBe(false);
  });
});

test("the key of a policy tells policies apart, and not the order of what it was made from", () => {
  const one = policyOf([
    ["/a", "read"],
    ["/b", "write"],
  ]);
  expect(policyKey(one)).toBe(
    policyKey(
      policyOf([
        ["/b", "write"],
        ["/a", "read"],
      ]),
    ),
  );
  expect(policyKey(one)).not.toBe(policyKey({ ...one, network: true }));
  expect(policyKey(one)).not.toBe(policyKey({ ...one, denyGlobs: ["/x"] }));
  expect(policyKey(one)).not.toBe(policyKey(policyOf([["/a", "read"]])));
});

describe("patterns", () => {
  const rows: [pattern: string, base: string, matching: string[], others: string[]][] = [
    ["/a/*.pem", "/a", ["/a/x.pem", "/a/.pem"], ["/a/b/x.pem", "/a/x.pem2", "/b/x.pem"]],
    ["/a/**/*.pem", "/a", ["/a/x.pem", "/a/b/c/x.pem"], ["/a/x.txt"]],
    ["/a/**", "/a", ["/a/x", "/a/b/c"], ["/a", "/ab"]],
    ["/a/?.txt", "/a", ["/a/x.txt", "/a/é.txt", "/a/😀.txt"], ["/a/.txt", "/a/xy.txt"]],
    ["/a/[b-d]", "/a", ["/a/c"], ["/a/e", "/a/bc"]],
    ["/a/[!b]", "/a", ["/a/c"], ["/a/b", "/a//"]],
    ["/a/[]x]", "/a", ["/a/]", "/a/x"], ["/a/y"]],
    ["/a/[", "/", ["/a/["], ["/a/x"]],
    ["/a/{x,y}.ts", "/a", ["/a/x.ts", "/a/y.ts"], ["/a/z.ts", "/a/x,y.ts"]],
    ["/a/b.txt", "/a", ["/a/b.txt"], ["/a/bxtxt"]],
    ["/a/\\*", "/a", ["/a/*"], ["/a/x"]],
    ["/a/x+(y)$", "/a", ["/a/x+(y)$"], ["/a/xx"]],
    ["/*/.env", "/", ["/srv/.env"], ["/srv/a/.env"]],
  ];
  for (const [pattern, base, matching, others] of rows) {
    test(pattern, () => {
      const glob = compileGlob(pattern);
      if (pattern !== "/a/[") expect(glob.base).toBe(base);
      expect(matching.filter((path) => !glob.matches(path))).toEqual([]);
      expect(others.filter((path) => glob.matches(path))).toEqual([]);
    });
  }

  test("are matched in one pass, whatever the pattern and the name", () => {
    const name = "a".repeat(255);
    const folders = "/a".repeat(100);
    const rows: [pattern: string, path: string, end: string][] = [
      ["/**/*a*a*a*a*b", `/${name}`, "b"],
      ["/**/a/**/a/**/a/**/b", folders, "/b"],
      ["/{*,*a}{*,*a}{*,*a}b", `/${name}`, "b"],
      ["/a**a**a**b", folders, "/b"],
    ];
    for (const [pattern, path, end] of rows) {
      const glob = compileGlob(pattern);
      expect([path, `${path}${end}`].map((each) => glob.matches(each))).toEqual([false, true]);
      expect(glob.endsIn(`${name}b`)).toBe(!pattern.endsWith("/b"));
    }
  });

  test("of a name, or of a depth, tell rightly that no path with it can match", () => {
    const part = fc.constantFrom(
      ...["a", "b", ".", "*", "?", "**", "/", "[ab]", "[!a", "]", "{a,b/a}", "{", "}", ",", "\\\\", "\n"],
    );
    const pattern = fc.array(part, { maxLength: 8 }).map((parts) => `/${parts.join("")}`);
    const path = fc
      .array(fc.constantFrom("a", "b", ".", "/", "*", "\n"), { maxLength: 6 })
      .map((parts) => `/${parts.join("")}`);
    const property = fc.property(pattern, path, (pattern, path) => {
      const glob = compileGlob(pattern);
      if (!glob.matches(path)) return;
      expect(glob.endsIn(path.slice(path.lastIndexOf("/") + 1))).toBe(true);
      // There is no name between two slashes.
      if (path.includes("//")) return;
      const below = path.slice(glob.base === "/" ? 1 : glob.base.length + 1);
      expect(below.split("/").length).toBeLessThanOrEqual(glob.depth);
    });
    fc.assert(property, { numRuns: 5000 });
    const names = ["x.pem", ".env", "a"];
    const told = ["/**/*.pem", "/a/.env", "/a/**", "/{{b}x/a,c/d", "/a?/?"].map((pattern) =>
      names.filter((name) => compileGlob(pattern).endsIn(name)),
    );
    expect(told).toEqual([["x.pem"], [".env"], names, names, ["a"]]);
    const depths = ["/*/.env", "/a/b", "/a/b?/[a/]/c", "/a/**/b", "/{a,b/c}"];
    expect(depths.map((each) => compileGlob(each).depth)).toEqual([2, 1, 4, Infinity, Infinity]);
  });
});
