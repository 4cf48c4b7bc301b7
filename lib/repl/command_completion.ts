/** What Tab offers in a whole line: `:commands` by their table, everything else as the shell has it. */

import { type ArgumentKind, commands, findCommand, helpTopics, settingValues } from "./commands.ts";
import { completeLine, completePath, wordAt } from "./completion.ts";
import type { ReplContext } from "./context.ts";
import { signalNames } from "./exit_status.ts";
import { completeFile, completeHere } from "./file_completion.ts";
import type { Completion, Completions } from "./line_editor.ts";

export async function complete(repl: ReplContext, text: string, cursor: number): Promise<Completions> {
  const begin = /^:(\S*)/.exec(text);
  if (!begin) return repl.shell ? await completeLine(repl.shell, text, cursor) : nothing(cursor);
  const [whole, name] = begin;
  if (cursor <= whole.length) {
    const typed = text.slice(1, cursor);
    const names = commands.map((command) => command.name).filter((other) => other.startsWith(typed));
    return { from: 0, candidates: names.map((other) => ({ text: `:${other}`, final: true })) };
  }
  const command = findCommand(name!);
  if (!command || command.arguments.length === 0) return nothing(cursor);
  const offset = whole.length + 1;
  const rest = text.slice(offset);
  if (command.arguments[0] === "line") {
    if (!repl.shell) return nothing(cursor);
    return await completeLine(repl.shell, rest, cursor - offset, offset);
  }
  const words = text.slice(offset, cursor).split(/\s+/);
  const kind = command.arguments[Math.min(words.length, command.arguments.length) - 1]!;
  const typed = words.at(-1)!;
  if (kind === "folder") {
    if (!repl.shell) return nothing(cursor);
    const word = wordAt(rest, cursor - offset);
    return { from: offset + word.from, candidates: await completePath(repl.shell, word, true) };
  }
  if (kind === "file" || kind === "here") {
    const word = wordAt(rest, cursor - offset);
    const candidates = kind === "file" ? await completeFile(repl, word) : await completeHere(word);
    return { from: offset + word.from, candidates };
  }
  const candidates = choices(repl, kind, words)
    .filter(({ text: choice }) => choice.toLowerCase().startsWith(typed.toLowerCase()))
    .map((choice) => ({ ...choice, final: true }));
  return { from: cursor - typed.length, candidates };
}

function choices(
  repl: ReplContext,
  kind: ArgumentKind,
  words: readonly string[],
): Omit<Completion, "final">[] {
  const plain = (names: readonly string[]): { text: string }[] => names.map((text) => ({ text }));
  switch (kind) {
    case "environment":
      return plain(repl.manager.all.map(({ id }) => id));
    case "job":
      return repl.jobs.all.map(({ id, text }) => ({ text: String(id), label: `${id} ${text.slice(0, 30)}` }));
    case "signal":
      return plain(signalNames);
    case "topic":
      return plain(helpTopics);
    case "setting":
      return plain(words.length < 2 ? Object.keys(settingValues) : (settingValues[words[0]!] ?? []));
    default:
      return [];
  }
}

function nothing(cursor: number): Completions {
  return { from: cursor, candidates: [] };
}
