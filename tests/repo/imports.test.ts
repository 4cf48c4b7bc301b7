/** A folder of lib/ imports only from itself and from lower ranks: the map in ARCHITECTURE.md. */

import { describe, expect, test } from "bun:test";
import { posix } from "node:path";
import { blank, isShipped, lineAt, listFiles, readText } from "./source.ts";

/** The rank of each folder of lib/. A new folder goes in here, and on the map in ARCHITECTURE.md. */
const ranks: Record<string, number> = {
  protocol: 0,
  jsonrpc: 1,
  flags: 1,
  runtime: 2,
  // Between the runtime and those who start children or serve files under a policy.
  sandbox: 2.5,
  transport: 3,
  process: 3,
  fs: 3,
  http: 3,
  server: 4,
  client: 4,
  environments: 5,
  exec: 5,
  files: 5,
  relay: 5,
  mcp: 6,
  repl: 6,
  cli: 7,
};

/** What lib/ may import from outside itself: the version number. */
const outside = ["package.json", "deno.json"];

interface Import {
  specifier: string;
  line: number;
}

/** Every module a file names: imports, re-exports, `import()` in code and in types. */
function importsOf(code: string): Import[] {
  const plain = blank(code, { strings: true });
  const patterns = [
    // import x from "m", import type { x } from "m", export * from "m": nothing but names before `from`
    /(?<![\w$.])(?:import|export)\s[\w\s{},*$]*?\bfrom\s*["']([^"'\n]+)["']/g,
    /(?<![\w$.])import\s*["']([^"'\n]+)["']/g,
    /(?<![\w$.])(?:import|require)\s*\(\s*["'`]([^"'`\n]+)["'`]/g,
  ];
  return patterns
    .flatMap((pattern) => [...plain.matchAll(pattern)])
    .map((match) => ({ specifier: match[1]!, line: lineAt(plain, match.index) }))
    .sort((a, b) => a.line - b.line);
}

/** Why a file may not import a module, or undefined. */
function objection(file: string, specifier: string): string | undefined {
  if (!file.startsWith("lib/") || !specifier.startsWith(".")) return undefined;
  const from = file.split("/")[1]!;
  const target = posix.join(posix.dirname(file), specifier);
  if (!target.startsWith("lib/")) {
    if (outside.includes(target)) return undefined;
    return `lib/ imports nothing outside itself (but ${outside.join(" and ")}): move what is needed into lib/`;
  }
  const to = target.split("/")[1]!;
  if (to === from) return undefined;
  const [mine, theirs] = [ranks[from], ranks[to]];
  if (mine === undefined || theirs === undefined) return undefined; // reported by the first test
  if (theirs < mine) return undefined;
  if (theirs === mine) {
    return `${from} and ${to} both have rank ${mine} and must not know each other: move what both need to a lower rank, or let the caller pass it in`;
  }
  return `${from} (rank ${mine}) must not know ${to} (rank ${theirs}): move the shared part to rank ${mine} or lower, or pass it in as a value`;
}

test("every folder of lib/ has a rank", () => {
  const unranked = listFiles()
    .filter((name) => name.startsWith("lib/") && ranks[name.split("/")[1]!] === undefined)
    .map(
      (name) =>
        `${name}: ${name.split("/")[1]} has no rank. Put the file into a folder of the map, or give the new folder a rank in \`ranks\` of tests/repo/imports.test.ts and on the map in ARCHITECTURE.md`,
    );
  expect(unranked).toEqual([]);
});

test("lib/ imports from its own folder and from lower ranks only", () => {
  const wrong = listFiles()
    .filter(isShipped)
    .flatMap((file) =>
      importsOf(readText(file)).flatMap(({ specifier, line }) => {
        const why = objection(file, specifier);
        return why === undefined ? [] : [`${file}:${line} imports "${specifier}": ${why}`];
      }),
    );
  expect(wrong).toEqual([]);
});

test("nothing in lib/ chooses what it imports at run time", () => {
  const computed = listFiles()
    .filter((file) => file.startsWith("lib/") && file.endsWith(".ts"))
    .flatMap((file) => {
      const plain = blank(readText(file), { strings: true });
      return [...plain.matchAll(/(?<![\w$.])import\s*\(\s*(?!["'`])/g)].map(
        (match) =>
          `${file}:${lineAt(plain, match.index)} imports a computed name: write the name in quotes, else the executable lacks the module`,
      );
    });
  expect(computed).toEqual([]);
});

describe("the reader of import lines", () => {
  test("sees every form", () => {
    const code = [
      'import a from "./a.ts";',
      'import type { B } from "./b.ts";',
      'import {\n  c,\n  type D,\n} from "./c.ts";',
      'import "./side_effect.ts";',
      'export * from "./all.ts";',
      'export type { E } from "./e.ts";',
      'const f = await import("./f.ts");',
      'type G = import("./g.ts").G;',
      'const url = "http://x"; import h from "./h.ts";',
    ].join("\n");
    const found = importsOf(code).map(({ specifier }) => specifier);
    expect(found).toEqual(
      ["a", "b", "c", "side_effect", "all", "e", "f", "g", "h"].map((name) => `./${name}.ts`),
    );
  });

  test("passes over comments", () => {
    expect(importsOf('// import a from "./a.ts";\n/* import("./b.ts") */\n/** import "./c.ts" */')).toEqual(
      [],
    );
  });
});

describe("the rule", () => {
  test("lets a lower rank, the own folder, packages and the version through", () => {
    expect(objection("lib/server/a.ts", "../protocol/b.ts")).toBeUndefined();
    expect(objection("lib/server/a.ts", "./b.ts")).toBeUndefined();
    expect(objection("lib/server/a.ts", "node:fs")).toBeUndefined();
    expect(objection("lib/server/a.ts", "../../package.json")).toBeUndefined();
    expect(objection("cli.ts", "./lib/repl/a.ts")).toBeUndefined();
  });

  test("refuses a higher rank, a sibling of the same rank and the top", () => {
    expect(objection("lib/protocol/a.ts", "../jsonrpc/b.ts")).toContain("must not know");
    expect(objection("lib/server/a.ts", "../client/b.ts")).toContain("both have rank 4");
    expect(objection("lib/process/a.ts", "../fs/deep/b.ts")).toContain("both have rank 3");
    expect(objection("lib/repl/a.ts", "../../mod.ts")).toContain("nothing outside itself");
  });
});
