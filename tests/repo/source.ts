/** Reads the checkout for the tests in this folder: which files there are, and what in them is code. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** The top folder of the checkout. */
export const root: string = join(import.meta.dir, "..", "..");

/** The files of the checkout that are, or would be, committed; sorted, with `/`. */
export function listFiles(): string[] {
  const git = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
  });
  const names = git.status === 0 ? git.stdout.split("\0") : walk();
  return [...new Set(names)].filter((name) => name !== "" && isFile(name)).sort();
}

/** The text of a file of the checkout. */
export function readText(name: string): string {
  return readFileSync(join(root, name), "utf8");
}

/** TypeScript we ship: `lib/`, `cli.ts` and `mod.ts`. */
export function isShipped(name: string): boolean {
  return /^(lib\/.*|cli|mcp|mod)\.ts$/.test(name);
}

/**
 * The code with each comment, and with `strings: false` each text in quotes too, replaced by spaces. Line ends
 * stay, so line numbers hold.
 */
export function blank(code: string, { strings }: { strings: boolean }): string {
  const tokens =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|(?<=[(,=:[!&|?{};+]\s*|\breturn\s+)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//g;
  const spaces = (text: string) => text.replace(/[^\n]/g, " ");
  return code.replace(tokens, (token) => {
    if (token.startsWith("//") || token.startsWith("/*")) return spaces(token);
    if (strings) return token;
    // What is in `${…}` of a template is code again.
    if (token.startsWith("`"))
      return token.replace(/(\$\{[^}]*\})|[^\n]/g, (_, inner?: string) => inner ?? " ");
    return spaces(token);
  });
}

/** The number of the line that the character at `index` is on. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function isFile(name: string): boolean {
  return statSync(join(root, name), { throwIfNoEntry: false })?.isFile() === true;
}

/** For a copy of the tree without git. */
function walk(folder = ""): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [name];
    return ["node_modules", "dist", ".git", ".tmp", "coverage"].includes(entry.name) ? [] : walk(name);
  });
}
