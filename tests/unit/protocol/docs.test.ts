import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { protocolText } from "../../../docs/generate.ts";
import { parseConstants, parseDeclarations } from "../../../docs/protocol_text/declarations.ts";
import { clientNotifications, requests, serverNotifications } from "../../../lib/protocol/methods.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const text = protocolText();

/** A row of a table whose first cell is this. */
function row(first: string): string | undefined {
  const rows = text.split("\n").map((line) => line.replace(/ +\|/g, " |").replace(/\| +/g, "| "));
  return rows.find((line) => line.startsWith(`| ${first} |`));
}

describe("docs/protocol.md", () => {
  test("is what docs/generate.ts makes of lib/protocol now (else: npm run docs)", () => {
    expect(readFileSync(join(root, "docs", "protocol.md"), "utf8") === text).toBe(true);
  });

  test("has a row for every method and notification", () => {
    const names = [requests, clientNotifications, serverNotifications].flatMap((table) => Object.keys(table));
    expect(names.length).toBeGreaterThanOrEqual(15);
    expect(names.filter((name) => !row(`\`${name}\``))).toEqual([]);
  });

  test("has a row for every error code, with its meaning", () => {
    for (const code of ["-32600", "-32601", "-32602", "-32603", "-32004", "-32010"]) {
      expect(row(code)).toMatch(/^\| -\d+ \| `\w+` \| [A-Z].+ \|$/);
    }
    for (const code of [
      "ERR_CONNECT",
      "ERR_CONNECT_TIMEOUT",
      "ERR_PROTOCOL",
      "ERR_DISCONNECTED",
      "ERR_CLOSED",
    ]) {
      expect(row(`\`${code}\``)).toMatch(/\| [A-Z].+ \|$/);
    }
  });

  test("says what must be there, what may be null, the default, and what is ours", () => {
    expect(row("`argv`")).toBe("| `argv` | string[] | required | | Program and arguments; not empty. |");
    expect(row("`pipeStdin`")).toBe(
      "| `pipeStdin` | boolean | optional | `false` | A pipe as stdin instead of `/dev/null`. |",
    );
    expect(row("`waitMs`")).toMatch(/\| number \| optional, or null \| `0` \|/);
    expect(row("`terminalSize`")).toMatch(
      /\[TerminalSizeParams\]\(#terminalsizeparams\).*`\{?columns: 80, rows: 24\}?`.*\*\*Ours\*\*/,
    );
    expect(row("`exitCode`")).toContain("number \\| null");
    expect(row("`chunk`")).toContain("base64");
  });

  test("has every section that a docstring in lib refers to", () => {
    const named = readdirSync(join(root, "lib"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) => [
        ...readFileSync(join(root, "lib", name), "utf8").matchAll(/docs\/protocol\.md, "([^"]+)"/g),
      ])
      .map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !text.includes(`\n## ${name}\n`))).toEqual([]);
  });

  test("has the sections that the project promises, and links that lead somewhere", () => {
    const headings = [...text.matchAll(/^##+ (.+)$/gm)].map((match) => match[1]!);
    for (const section of [
      "Transports",
      "Messages",
      "Error codes",
      "Sessions",
      "Child environment",
      "Events and sequence numbers",
      "Retention and lostBytes",
      "Back-pressure and the output window",
      "Extensions",
      "Differences from the peer",
    ]) {
      expect(headings).toContain(section);
    }
    const anchors = new Set(headings.map((heading) => heading.toLowerCase().replaceAll(" ", "-")));
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1]!);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((link) => !anchors.has(link))).toEqual([]);
  });

  test("every row of a table has as many cells as its head", () => {
    const tables = text
      .trim()
      .split(/\n\n+/)
      .filter((block) => block.startsWith("| "));
    expect(tables.length).toBeGreaterThan(15);
    for (const block of tables) {
      const counts = block.split("\n").map((line) => line.split(/(?<!\\)\|/).length);
      expect(new Set(counts).size).toBe(1);
    }
  });
});

describe("the reader of declarations", () => {
  test("reads interfaces and unions with their docstrings", () => {
    const code = `/** The file. */

import { x } from "./x.ts";

/** A thing. */
export interface Thing {
  /** Its name. @default {"a"} */
  name?: string;
  /**
   * Two
   * lines.
   */
  readonly "a/b": Call<A, B>;
  plain: string | null;
}

export interface Nothing {}

/** Words. */
export type Word =
  /** First. */
  | "a"
  | "b";

export type Short = "x" | "y";
export const thing = object({
  name: 1,
});
`;
    const found = parseDeclarations("x.ts", code);
    expect(found.map(({ name, type, doc }) => [name, type, doc.text])).toEqual([
      ["Thing", "Thing", "A thing."],
      ["Nothing", "Nothing", ""],
      ["Word", '"a" | "b"', "Words."],
      ["Short", '"x" | "y"', ""],
    ]);
    expect(found[0]!.members).toEqual([
      {
        name: "name",
        type: "string",
        optional: true,
        doc: { text: "Its name.", fallback: '"a"' },
        where: "x.ts:8",
      },
      { name: "a/b", type: "Call<A, B>", optional: false, doc: { text: "Two lines." }, where: "x.ts:13" },
      { name: "plain", type: "string | null", optional: false, doc: { text: "" }, where: "x.ts:14" },
    ]);
    expect(found[2]!.variants!.map(({ doc }) => doc.text)).toEqual(["First.", ""]);
  });

  const strange: [string, string, string][] = [
    ["a statement that it does not know", "enum X {}\n", "x.ts:1: expected an exported interface"],
    [
      "an interface that is not exported",
      "interface X {\n  a: 1;\n}\n",
      "x.ts:1: expected an exported interface",
    ],
    [
      "one that extends another",
      "export interface X extends Y {\n  a: 1;\n}\n",
      "x.ts:1: expected an exported interface",
    ],
    ["a method", "export interface X {\n  a(): void;\n}\n", "x.ts:2: expected `name: Type;`"],
    ["an index", "export interface X {\n  [name: string]: 1;\n}\n", "x.ts:2: expected `name: Type;`"],
    ["a tag", "/** A. @deprecated */\nexport interface X {}\n", "x.ts:1: @deprecated is not understood"],
    ["a member without an end", "export interface X {\n  a: 1\n}\n", "has no end"],
  ];
  for (const [what, code, message] of strange) {
    test(`fails on ${what}, with the place`, () => {
      expect(() => parseDeclarations("x.ts", code)).toThrow(message);
    });
  }

  test("reads documented constants", () => {
    const code = "export const codes = {\n  /** One. */\n  a: -1,\n  b: 2,\n} as const;\n";
    expect(parseConstants("x.ts", code, "codes")).toEqual([
      { name: "a", doc: { text: "One." } },
      { name: "b", doc: { text: "" } },
    ]);
    expect(() => parseConstants("x.ts", code, "others")).toThrow("x.ts: there is no others");
  });
});
