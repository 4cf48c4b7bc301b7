/** What Tab offers where a file is wanted: paths where the prompt is, `ENV:path`, and paths of this machine. */

import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { completePath, quoteWord, type Word } from "./completion.ts";
import type { ReplContext } from "./context.ts";
import type { Completion } from "./line_editor.ts";

/** A path where the prompt is, or of an environment that was used before. */
export async function completeFile(repl: ReplContext, word: Word): Promise<Completion[]> {
  const { manager, shell } = repl;
  const named = /^([A-Za-z0-9_-]*):([\s\S]*)$/.exec(word.value);
  if (named) {
    const [, id = "", path = ""] = named;
    const there = repl.shellOf(id === "" ? (shell?.id ?? "") : id);
    if (!there) return [];
    const found = await completePath(there, { ...word, value: path });
    return found.map((candidate) => ({ ...candidate, text: withPrefix(`${id}:`, candidate.text, word) }));
  }
  const ids = manager.all
    .filter(({ id }) => word.value !== "" && id.startsWith(word.value))
    .map(({ id }) => ({ text: quoteWord(`${id}:`, word.quote, false), label: `${id}:`, final: false }));
  return [...(shell ? await completePath(shell, word) : []), ...ids];
}

/** A path of this machine. */
export async function completeHere(word: Word): Promise<Completion[]> {
  const typed = word.value;
  const folder = typed.slice(0, typed.lastIndexOf("/") + 1);
  const begin = typed.slice(folder.length);
  const at = join(process.cwd(), folder === "" ? "." : dirname(`${folder}x`));
  const base = folder.startsWith("/") ? dirname(`${folder}x`) : at;
  const entries = await readdir(base, { withFileTypes: true }).catch(() => []);
  const found: Completion[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.name.startsWith(begin) || (begin === "" && entry.name.startsWith("."))) continue;
    const isFolder =
      entry.isDirectory() ||
      (entry.isSymbolicLink() &&
        (await stat(join(base, entry.name)).then(
          (info) => info.isDirectory(),
          () => false,
        )));
    const name = isFolder ? `${entry.name}/` : entry.name;
    found.push({ text: quoteWord(folder + name, word.quote, !isFolder), label: name, final: !isFolder });
  }
  return found;
}

/** The environment goes behind the quote that is open. */
function withPrefix(prefix: string, text: string, { quote }: Word): string {
  return quote === "" ? prefix + text : quote + prefix + text.slice(1);
}
