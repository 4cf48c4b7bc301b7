/** `fs/search`, with ripgrep and without. */

import { expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { until } from "../support/deadline.ts";
import { FileClient, folderOfAll } from "../support/fs_client.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { childrenOf } from "../support/proc.ts";
import { ripgrepFolder } from "../support/programs.ts";
import type { Json } from "../support/raw_client.ts";

const engines = {
  builtin: { env: { PATH: "/nowhere" } },
  ...(ripgrepFolder !== undefined && { ripgrep: { env: { PATH: `${ripgrepFolder}:${process.env.PATH}` } } }),
};

if (ripgrepFolder === undefined) test.skip("fs/search, ripgrep: there is none here", () => {});

for (const [engine, launch] of Object.entries(engines)) {
  suite(`fs/search, ${engine}`, { servers: ours, transports: ["websocket"], launch }, (t) => {
    let lastId = 0;

    /** The answer with all matches as `path:line:column:text`, sorted. */
    async function search(root: string, query: string, more: object = {}): Promise<Json> {
      const client = new FileClient(t, await t.client());
      const searchId = `s${++lastId}`;
      const answer = await client.ask("search", { searchId, path: root, query, ...more }, 20_000);
      if (answer.error) return `${answer.error.code} ${answer.error.message}`;
      const { messages } = client.client;
      const told = messages.filter(({ params }) => params?.searchId === searchId);
      const found = told
        .flatMap(({ params }) => params.matches)
        .map(({ path, line, column, text }: Json) => {
          const native = decodeURIComponent(new URL(path).pathname);
          return `${native.slice(root.length + 1)}:${line}:${column}:${text}`;
        });
      expect(found.length).toBe(answer.result.matches);
      expect(answer.result.engine).toBe(engine);
      return { ...answer.result, found: found.toSorted() };
    }

    function tree(): (name?: string) => string {
      const path = folderOfAll(t);
      mkdirSync(path("src/deep"), { recursive: true });
      writeFileSync(path("src/a.ts"), "one\nfind me, find me\r\nthree find");
      writeFileSync(path("src/b.txt"), "é FIND me\n");
      writeFileSync(path("src/deep/c.ts"), `${"x".repeat(2000)} find\n`);
      writeFileSync(path("src/binary"), "find\0find\n");
      mkdirSync(path("src/.hidden"));
      writeFileSync(path("src/.hidden/d.ts"), "find\n");
      writeFileSync(path("src/.gitignore"), "*.ts\n");
      symlinkSync("a.ts", path("src/link.ts"));
      symlinkSync(path("src/deep"), path("src/linked"));
      return path;
    }

    verifies("fs/search: lines of files that match", async () => {
      const path = tree();
      const { found, matches, truncated, errors } = await search(path("src"), "f.nd");
      expect(found).toEqual([
        "a.ts:2:1:find me, find me",
        "a.ts:3:7:three find",
        `deep/c.ts:1:2002:${"x".repeat(1000)}`,
      ]);
      expect([matches, truncated, errors]).toEqual([3, false, []]);
      expect((await search(path("src"), "FIND|é", { caseSensitive: false })).found).toContain(
        "b.txt:1:1:é FIND me",
      );
      expect((await search(path("src"), "f.nd", { regex: false })).found).toEqual([]);
      expect((await search(path("src"), "me, f", { regex: false })).found).toEqual([
        "a.ts:2:6:find me, find me",
      ]);
      expect((await search(path("src"), "FIND", { caseSensitive: false, regex: false })).matches).toBe(4);
      expect((await search(path("src"), "^three\\b")).found).toEqual(["a.ts:3:1:three find"]);
      expect((await search(path("src/a.ts"), "one")).matches).toBe(1);
      // What is named is searched, also by a link; only what is met on the way is not followed.
      const through = async (name: string, query: string): Promise<unknown> => {
        const client = new FileClient(t, await t.client());
        const found = client.client.next(({ params }) => params?.searchId === "l");
        const { matches } = await client.call("search", { searchId: "l", path: path(name), query });
        expect((await found).params.matches[0].path).toStartWith(t.path(path(name)));
        return matches;
      };
      expect([await through("src/link.ts", "one"), await through("src/linked", "find")]).toEqual([1, 1]);
      symlinkSync("src/.hidden/d.ts", path("by-link"));
      expect([await through("src/.hidden", "find"), await through("by-link", "find")]).toEqual([1, 1]);
      expect(await through("src/.hidden/d.ts", "find")).toBe(1);
    });

    verifies("fs/search: globs, hidden files and limits", async () => {
      const path = tree();
      const names = async (more: object): Promise<string[]> => {
        const { found } = await search(path("src"), "find", { caseSensitive: false, ...more });
        return [...new Set<string>(found.map((line: string) => line.split(":")[0]!))];
      };
      expect(await names({ include: ["*.ts"] })).toEqual(["a.ts", "deep/c.ts"]);
      expect(await names({ include: ["deep/*"] })).toEqual(["deep/c.ts"]);
      expect(await names({ include: ["**/*.ts"], exclude: ["deep"] })).toEqual(["a.ts"]);
      expect(await names({ exclude: ["*.ts"] })).toEqual(["b.txt"]);
      expect(await names({ include: ["*.{ts,txt}"], hidden: true })).toEqual([
        ".hidden/d.ts",
        "a.ts",
        "b.txt",
        "deep/c.ts",
      ]);
      expect(await names({ maxFileBytes: 100 })).toEqual(["a.ts", "b.txt"]);
      const cut = await search(path("src"), "find", { maxMatches: 2 });
      expect([cut.matches, cut.truncated]).toEqual([2, true]);
      const whole = await search(path("src"), "find", { maxMatches: 3 });
      expect([whole.matches, whole.truncated]).toEqual([3, false]);
    });

    verifies("fs/search: what is wrong is said", async () => {
      const path = tree();
      expect(await search(path("src"), "a(b")).toStartWith("-32602 query: ");
      expect(await search(path("src"), "(?=x)")).toStartWith("-32602 query: ");
      expect(await search(path("src"), "")).toStartWith("-32600 query is empty");
      expect(await search(path("src"), "a\nb")).toStartWith("-32600 query has a line end");
      expect(await search(path("no"), "x")).toStartWith("-32004 ");
      if (process.getuid?.() === 0) return;
      chmodSync(path("src/deep"), 0);
      const { errors } = await search(path("src"), "find");
      chmodSync(path("src/deep"), 0o700);
      expect(errors.map(({ path: denied }: Json) => denied)).toEqual([t.path(path("src/deep"))]);
    });

    verifies("fs/search: an expression that is slow elsewhere takes no time", async () => {
      const path = tree();
      writeFileSync(path("src/slow"), `${"a".repeat(5000)}!\n`);
      expect((await search(path("src"), "(a+)+$")).found).toEqual([]);
    });

    verifies("fs/search: can be given up, and ends with its connection", async () => {
      const path = tree();
      mkdirSync(path("many"));
      const line = `${"needle ".repeat(10)}\n`;
      for (let i = 0; i < 300; i++) writeFileSync(path(`many/${i}`), line.repeat(2000));
      const client = new FileClient(t, await t.fresh());
      const params = { searchId: "s", path: path("many"), query: "needle", maxMatches: 1_000_000 };
      const id = client.client.post("fs/search", client.params(params));
      await client.client.next(({ method }) => method === "fs/searchMatches", 10_000);
      expect(await client.outcome("search", params)).toBe("-32600 search `s` is already running");
      expect(await client.outcome("cancelSearch", { searchId: "s" })).toEqual({});
      const { result } = await client.client.answer(id, 10_000);
      expect([result.truncated, result.matches < 600_000]).toEqual([true, true]);
      expect(await client.outcome("cancelSearch", { searchId: "s" })).toEqual({});
      client.client.post("fs/search", client.params(params));
      await client.client.next(({ method }) => method === "fs/searchMatches", 10_000);
      await client.client.close();
      const searching = (): number[] =>
        childrenOf(t.pid).filter((pid) => {
          return spawnSync("cat", [`/proc/${pid}/comm`])
            .stdout.toString()
            .startsWith("rg");
        });
      await until(5000, "end of the search", () => searching().length === 0);
    });

    verifies("fs/search: finds what other tools find", async () => {
      const path = folderOfAll(t);
      const text = (seed: number): string =>
        Array.from({ length: 400 }, (_, i) => `line ${(i * 7919 + seed * 104_729) % 1000} of ${seed}`).join(
          "\n",
        );
      for (let i = 0; i < 20; i++) {
        mkdirSync(path(`t/${i % 4}`), { recursive: true });
        writeFileSync(path(`t/${i % 4}/${i}`), text(i));
      }
      const expected = execFileSync("grep", ["-rnE", "line [0-9]*7[0-9] of", "."], { cwd: path("t") });
      const lines = expected.toString().trim().split("\n");
      const { found } = await search(path("t"), "line [0-9]*7[0-9] of");
      expect(found.map((line: string) => line.replace(/:(\d+):1:/, ":$1:"))).toEqual(
        lines.map((line) => line.replace(/^\.\//, "")).toSorted(),
      );
    });
  });
}
