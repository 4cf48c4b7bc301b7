/** What is committed fits any machine, and is named and cut as the field guide says. */

import { expect, test } from "bun:test";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { lineAt, listFiles, readText, root } from "./source.ts";

const maxLines = 400;

/** Files that are longer, each with the reason why it is one idea all the same. */
const longFiles: Record<string, string> = {};

/** Folders that any text may name. */
const commonFolders = [
  "/",
  "/tmp",
  "/root",
  "/home",
  "/srv",
  "/opt",
  "/usr",
  "/var",
  "/var/tmp",
  "/Users",
  "/mnt",
];

const isText = (name: string) =>
  /(^|\/)[^.]*$|\.(ts|mjs|js|json|jsonc|toml|md|yml|yaml|sh|txt|npmrc|editorconfig|gitignore|gitattributes)$/.test(
    name,
  );

/** `file:line: …` for each match in a file that is committed. */
function findAll(pattern: RegExp, say: string): string[] {
  return listFiles()
    .filter(isText)
    .flatMap((file) => {
      const text = readText(file);
      return [...text.matchAll(pattern)].map(
        (match) => `${file}:${lineAt(text, match.index)} ${match[0]}: ${say}`,
      );
    });
}

test("no file names a path of this machine", () => {
  const folders = [root, dirname(root), homedir()].filter((folder) => !commonFolders.includes(folder));
  const escaped = folders.map((folder) => folder.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (escaped.length === 0) return;
  const pattern = new RegExp(`(?<![\\w./])(?:${escaped.join("|")})(?=/|["'\`\\s]|$)`, "gm");
  expect(findAll(pattern, "write it relative to the checkout, or take a temporary folder")).toEqual([]);
});

test("no file names the host of a package registry", () => {
  const pattern = /\b(?:registry|npm|deb|jsr)\.(?:npmjs\.org|npmjs\.com|yarnpkg\.com|jsr\.io|debian\.org)\b/g;
  expect(findAll(pattern, "leave it out, so that any registry serves")).toEqual([]);
});

test("files in lib/ are named in snake_case", () => {
  const wrong = listFiles()
    .filter((file) => file.startsWith("lib/") && !/^lib(\/[a-z0-9]+(_[a-z0-9]+)*)+\.[a-z]+$/.test(file))
    .map((file) => `${file}: rename it to snake_case after its main export, as in child_env.ts`);
  expect(wrong).toEqual([]);
});

test(`no source is longer than ${maxLines} lines`, () => {
  const long = listFiles()
    .filter((file) => /^(lib\/.*|tools\/.*|docs\/.*|cli|mcp|mod)\.(ts|mjs)$/.test(file))
    .filter((file) => readText(file).split("\n").length - 1 > maxLines);
  const wrong = long
    .filter((file) => (longFiles[file] ?? "").length < 20)
    .map(
      (file) =>
        `${file} has more than ${maxLines} lines: do two ideas live there? Move one out, or add the file with the reason to \`longFiles\` in tests/repo/tree.test.ts`,
    );
  const stale = Object.keys(longFiles)
    .filter((file) => !long.includes(file))
    .map((file) => `${file} is short now: take it out of \`longFiles\` in tests/repo/tree.test.ts`);
  expect([...wrong, ...stale]).toEqual([]);
});
