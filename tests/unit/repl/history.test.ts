/** What is remembered, where, and what never is. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { decodeEntry, encodeEntry, History } from "../../../lib/repl/history.ts";
import { holdsSecret } from "../../../lib/repl/secrets.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "repl-history-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("History", () => {
  test("makes folder and file for their owner only, and comes back with its lines", () => {
    const file = join(folder, "deep", "history");
    const history = new History(file);
    history.add("echo one");
    history.add("echo 'a\nb' \\n");
    expect(mode(file)).toBe("600");
    expect(mode(join(folder, "deep"))).toBe("700");
    expect(new History(file).entries).toEqual(["echo one", "echo 'a\nb' \\n"]);
  });

  test("takes rights away that others have on the file", () => {
    const file = join(folder, "history");
    writeFileSync(file, "old\n");
    chmodSync(file, 0o644);
    expect(new History(file).entries).toEqual(["old"]);
    expect(mode(file)).toBe("600");
  });

  test("keeps no line that begins with a blank, is empty, repeats the last or holds a secret", () => {
    const history = new History(join(folder, "history"));
    for (const line of ["a", "a", " b", "", "export API_TOKEN=abc", "c", "a"]) history.add(line);
    expect(history.entries).toEqual(["a", "c", "a"]);
    expect(readFileSync(join(folder, "history"), "utf8")).toBe("a\nc\na\n");
  });

  test("of two at once loses no line of either", () => {
    const file = join(folder, "history");
    const [one, two] = [new History(file), new History(file)];
    for (let i = 0; i < 20; i++) {
      one.add(`one ${i}`);
      two.add(`two ${i}`);
    }
    expect(new History(file).entries.length).toBe(40);
    expect(readdirSync(folder)).toEqual(["history"]);
  });

  test("is cut to 10,000 lines when it is opened, and leaves nothing beside it", () => {
    const file = join(folder, "history");
    writeFileSync(file, Array.from({ length: 11_000 }, (_, i) => `line ${i}\n`).join(""));
    const history = new History(file);
    expect(history.entries.length).toBe(10_000);
    expect(history.entries.at(-1)).toBe("line 10999");
    expect(readFileSync(file, "utf8").split("\n").length - 1).toBe(10_000);
    expect([readdirSync(folder), mode(file)]).toEqual([["history"], "600"]);
  });

  test("without a file remembers this session", () => {
    const history = new History(null);
    history.add("x");
    expect(history.entries).toEqual(["x"]);
  });

  test("says why it cannot be kept, and goes on", () => {
    writeFileSync(join(folder, "file"), "");
    const history = new History(join(folder, "file", "history"));
    history.add("x");
    expect(history.problem).toContain("Cannot keep the history");
    expect(history.entries).toEqual(["x"]);
  });

  test("writes any text on one line and reads it back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = encodeEntry(text);
        expect(line).not.toContain("\n");
        expect(decodeEntry(line)).toBe(text);
      }),
    );
  });
});

describe("holdsSecret()", () => {
  test.each([
    "export GITHUB_TOKEN=abc",
    "AWS_SECRET_ACCESS_KEY=x aws s3 ls",
    "DB_PASSWORD='hunter2' ./run",
    "mysql -u root -phunter2",
    "tool --password hunter2",
    "tool --password=hunter2",
    "tool --api-key abc",
    'curl -H "Authorization: Bearer abc"',
    "curl -u me:pass https://x",
    "git clone https://me:pass@host/x.git",
    "echo ghp_abcdefghijklmnopqrstuvwx",
    "sshpass -p x ssh host",
  ])("sees one in %p", (line) => expect(holdsSecret(line)).toBe(true));

  test.each([
    "ls -la",
    "git log --oneline",
    "export PATH=/bin",
    "echo $API_TOKEN",
    "export TOKEN=$(cat file)",
    "unset GITHUB_TOKEN",
    "mkdir -p a/b",
    "ssh -p 22 host",
    "grep -r password src",
    "curl https://host/x",
    "tool --password $PW",
  ])("sees none in %p", (line) => expect(holdsSecret(line)).toBe(false));
});
