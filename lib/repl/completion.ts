/** What Tab offers: commands, environments and jobs from here; programs and paths from the other side. */

import { Buffer } from "node:buffer";
import type { Completion, Completions } from "./line_editor.ts";
import type { Shell } from "./shell.ts";

/** The word before the cursor. */
export interface Word {
  /** Index in the text where it begins. */
  from: number;
  /** Without quotes and escapes. */
  value: string;
  /** The quote that is open in it. */
  quote: "" | "'" | '"';
  /** A program's name is expected. */
  isCommand: boolean;
}

/** The other side may take this long. */
const TIME_LIMIT_MS = 1000;
const MAX_CANDIDATES = 2000;

const builtins = (
  "alias bg break case cd command continue do done echo elif else esac eval exec exit export false fg fi for " +
  "getopts hash if jobs kill printf pwd read readonly return set shift source test then times trap true type " +
  "ulimit umask unalias unset until wait while"
).split(" ");

/** Reads the text up to the cursor as the shell would. */
export function wordAt(text: string, cursor: number): Word {
  let from = 0;
  let value = "";
  let quote: Word["quote"] = "";
  let isCommand = true;
  let inWord = false;
  const endWord = (next: number, commandFollows: boolean): void => {
    if (inWord) isCommand = isCommand && /^[A-Za-z_]\w*=/.test(value);
    if (inWord && /^(?:sudo|command|exec|nohup|time|if|then|else|elif|do|while|until|!)$/.test(value))
      isCommand = true;
    if (commandFollows) isCommand = true;
    inWord = false;
    value = "";
    from = next;
  };
  for (let at = 0; at < cursor; at++) {
    const char = text[at]!;
    if (quote === "'") {
      if (char === "'") quote = "";
      else value += char;
    } else if (char === "\\" && (quote === "" || /["\\$`]/.test(text[at + 1] ?? ""))) {
      inWord = true;
      at++;
      if (at < cursor) value += text[at];
    } else if (quote === '"') {
      if (char === '"') quote = "";
      else value += char;
    } else if (char === "'" || char === '"') {
      inWord = true;
      quote = char;
    } else if (/[\s;&|()<>]/.test(char)) {
      if (/[<>]/.test(char)) {
        endWord(at + 1, false);
        isCommand = false;
      } else endWord(at + 1, /[;&|(\n]/.test(char));
    } else {
      inWord = true;
      value += char;
    }
  }
  return { from, value, quote, isCommand };
}

/** Writes a word so that the shell reads it as it is. */
export function quoteWord(value: string, quote: Word["quote"], isWhole: boolean): string {
  const close = isWhole ? quote : "";
  if (quote === "'") return `'${value.replaceAll("'", "'\\''")}${close}`;
  if (quote === '"') return `"${value.replace(/["\\$`]/g, "\\$&")}${close}`;
  const tilde = /^~[^/]*\//.exec(value)?.[0] ?? "";
  return (
    tilde +
    value
      .slice(tilde.length)
      .replace(/[^\p{L}\p{N}_@%+=:,./-]/gu, (char) => (char === "\n" ? "'\n'" : `\\${char}`))
  );
}

/** Completes a line of the shell. Never throws. */
export async function completeLine(
  shell: Shell,
  text: string,
  cursor: number,
  offset = 0,
): Promise<Completions> {
  const word = wordAt(text, cursor);
  const variable = word.quote === "'" ? null : /^\$(\w*)$/.exec(word.value);
  const from = word.from + offset;
  if (variable) {
    const names = Object.keys(shell.state.env ?? {}).filter((name) => name.startsWith(variable[1]!));
    return { from, candidates: names.sort().map((name) => ({ text: `$${name}`, final: true })) };
  }
  if (word.isCommand && !word.value.includes("/") && !word.value.startsWith("~")) {
    const names = [...(await programs(shell)), ...builtins].filter((name) => name.startsWith(word.value));
    return { from, candidates: named([...new Set(names)].sort(), word) };
  }
  return { from, candidates: await completePath(shell, word) };
}

/** Completes a path; with `foldersOnly` those that can be gone to. */
export async function completePath(shell: Shell, word: Word, foldersOnly = false): Promise<Completion[]> {
  const isHome = word.quote === "" && word.value.startsWith("~/") && shell.home !== undefined;
  const prefix = isHome ? shell.home! + word.value.slice(1) : word.value;
  const found = await collect(shell, listPaths, [prefix]);
  return found
    .filter((path) => !foldersOnly || path.endsWith("/"))
    .map((path) => (isHome ? `~${path.slice(shell.home!.length)}` : path))
    .sort()
    .map((path) => {
      const isFolder = path.endsWith("/");
      return {
        text: quoteWord(path, word.quote, !isFolder),
        label: /[^/]*\/?$/.exec(path)![0],
        final: !isFolder,
      };
    });
}

function named(names: readonly string[], word: Word): Completion[] {
  return names.map((name) => ({ text: quoteWord(name, word.quote, true), label: name, final: true }));
}

/** Both shells of zsh and POSIX: a pattern that matches nothing stays as it is, and words are split. */
const compatible = "{ setopt nonomatch shwordsplit; } 2>/dev/null;";
const listPaths =
  `${compatible} for f in "$1"*; do [ -e "$f" ] || [ -L "$f" ] || continue;` +
  ' if [ -d "$f" ]; then printf "%s/\\0" "$f"; else printf "%s\\0" "$f"; fi; done';
const listPrograms =
  `${compatible} IFS=:; for d in $PATH; do for f in "$d"/*; do` +
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
  ' if [ -f "$f" ] && [ -x "$f" ]; then printf "%s\\0" "${f##*/}"; fi; done; done';

/** Names on PATH; asked for again when PATH has changed. */
async function programs(shell: Shell): Promise<readonly string[]> {
  const path = shell.state.env?.PATH ?? "";
  if (shell.programs?.path === path && shell.programs.names.length > 0) return shell.programs.names;
  const names = [...new Set(await collect(shell, listPrograms, [], Number.POSITIVE_INFINITY))];
  shell.programs = { path, names };
  return names;
}

/** Runs a small script on the other side and reads the names that it prints. */
async function collect(
  shell: Shell,
  script: string,
  args: readonly string[],
  max = MAX_CANDIDATES,
): Promise<string[]> {
  // Tab does not connect.
  if (!shell.isConnected || !shell.info) return [];
  const { name, path } = shell.info.shell;
  const late = Promise.withResolvers<never[]>();
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort(new Error("too late"));
    late.resolve([]);
  }, TIME_LIMIT_MS);
  const names = readNames(shell, [path, "-c", script, name, ...args], abort.signal).catch(() => []);
  try {
    return (await Promise.race([names, late.promise])).slice(0, max);
  } finally {
    clearTimeout(timer);
  }
}

async function readNames(shell: Shell, argv: readonly string[], signal: AbortSignal): Promise<string[]> {
  const process = await shell.run(argv, { signal });
  const stop = (): void => void process.terminate().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  const chunks: Uint8Array[] = [];
  for await (const event of process) {
    if (event.kind === "output" && event.stream === "stdout") chunks.push(event.bytes);
  }
  return Buffer.concat(chunks).toString("utf8").split("\0").filter(Boolean);
}
