/** Which command lines want a whole terminal, and what they want to know of it. */

import process from "node:process";

/** Programs that draw on the whole screen, or ask at the terminal, whatever their arguments are. */
const always = new Set(
  (
    "vim vi nvim view vimdiff nano pico emacs joe mcedit micro hx helix kak ne ed less more most man info top htop " +
    "btop atop iotop iftop nethogs glances ncdu nmon ssh mosh telnet tmux screen byobu mc ranger nnn lf vifm watch " +
    "tig lazygit gitui fzf dialog whiptail w3m lynx links elinks mutt irssi weechat cfdisk alsamixer visudo vipw " +
    "passwd su login chsh sudoedit k9s ctop lazydocker bpytop cmatrix sl script reset stty tput"
  ).split(" "),
);
/** Programs that talk with the user when they are given no script: none of the arguments is one. */
const withoutScript = new Set(
  (
    "python python2 python3 ipython node deno bun irb ghci scala lua luajit R julia octave ocaml erl iex " +
    "bash sh dash zsh fish ksh ash pwsh psql mysql mariadb sqlite3 redis-cli mongo mongosh ftp sftp gdb lldb bc dc " +
    "php-a bluetoothctl nslookup"
  ).split(" "),
);
/** Options with which even those do not talk. */
const notInteractive =
  /^(?:-[a-zA-Z]*[ceE]|--version|--help|--eval|--print|--command|-V|-h|-p|-m|--execute)$/;
/** Those take a database, a file or a host, and talk all the same. */
const argumentIsNoScript = new Set(
  "psql mysql mariadb sqlite3 redis-cli mongo mongosh ftp sftp gdb lldb".split(" "),
);
/** Words in front of the program, with the number of words they take. */
const prefixes: ReadonlyMap<string, RegExp> = new Map([
  ["sudo", /^-[ugCDhpRrTt]$/],
  ["doas", /^-[uC]$/],
  ["command", /^$/],
  ["exec", /^-a$/],
  ["env", /^-[uC]$/],
  ["nohup", /^$/],
  ["nice", /^-n$/],
  ["time", /^$/],
  ["stdbuf", /^-[ioe]$/],
  ["then", /^$/],
  ["do", /^$/],
  ["!", /^$/],
]);

/** Whether a line should get a terminal, in the setting `auto`. */
export function wantsTerminal(line: string): boolean {
  const parts = splitCommands(line);
  // What runs in the background must not take the terminal.
  return parts.some((part) => !part.inBackground && commandWantsTerminal(part.words, part.isPiped));
}

interface SimpleCommand {
  words: string[];
  /** Its input comes from another command or a file, or its output goes there. */
  isPiped: { input: boolean; output: boolean };
  inBackground: boolean;
}

function commandWantsTerminal(words: string[], isPiped: SimpleCommand["isPiped"]): boolean {
  const [program, args] = findProgram(words);
  if (program === undefined || isPiped.output) return false;
  if (program === "sudo-itself") return true;
  const name = program.replace(/^.*\//, "");
  if (always.has(name))
    return !args.includes("--version") && !args.includes("--help") && !isBatch(name, args);
  if (withoutScript.has(name)) {
    if (isPiped.input || args.some((arg) => notInteractive.test(arg))) return false;
    return argumentIsNoScript.has(name) ? args.length < 3 : !args.some((arg) => !arg.startsWith("-"));
  }
  if (name === "git") return gitWantsTerminal(args);
  if (name === "crontab") return args.includes("-e");
  if (/^(?:docker|podman|nerdctl|kubectl)$/.test(name)) {
    return args.some((arg) => /^-(?:it|ti|t|i?t\w*)$/.test(arg) || arg === "--tty" || arg === "attach");
  }
  return false;
}

/** Flags with which a full-screen program just prints. */
function isBatch(name: string, args: readonly string[]): boolean {
  if (name === "top" || name === "atop") return args.some((arg) => /^-[a-z]*b/.test(arg));
  if (name === "ssh")
    return args.filter((arg) => !arg.startsWith("-")).length > 1 && !args.some((arg) => /^-t+$/.test(arg));
  if (name === "tmux")
    return (
      args.length > 0 &&
      !/^(?:a|at|att|attach|attach-session|new|new-session)$/.test(args[0]!) &&
      !args[0]!.startsWith("-")
    );
  if (/^(?:vim?|nvim|emacs|ed)$/.test(name))
    return args.some((arg) => arg === "-es" || arg === "-Es" || arg === "--batch" || arg === "-s");
  if (name === "fzf") return args.some((arg) => arg.startsWith("--filter") || arg === "-f");
  return false;
}

function gitWantsTerminal(args: readonly string[]): boolean {
  const [command, ...rest] = args.filter((arg, i) => i > 0 || !arg.startsWith("-"));
  const has = (...flags: string[]): boolean => rest.some((arg) => flags.includes(arg.split("=")[0]!));
  if (command === "commit")
    return (
      !has("-m", "--message", "-F", "--file", "--no-edit", "-C", "-am") &&
      !rest.some((arg) => /^-\w*m/.test(arg))
    );
  if (command === "rebase") return has("-i", "--interactive");
  if (command === "add" || command === "stash" || command === "checkout" || command === "restore")
    return has("-p", "--patch", "-i", "--interactive");
  return false;
}

/** Passes over assignments and words like `sudo`. */
function findProgram(words: readonly string[]): [string | undefined, string[]] {
  let i = 0;
  let viaSudo = false;
  for (; i < words.length; i++) {
    const word = words[i]!;
    if (/^[A-Za-z_]\w*=/.test(word)) continue;
    const takesValue = prefixes.get(word);
    if (!takesValue) break;
    if (word === "sudo" || word === "doas") viaSudo = true;
    while (words[i + 1]?.startsWith("-") || /^[A-Za-z_]\w*=/.test(words[i + 1] ?? "")) {
      i++;
      if (takesValue.test(words[i]!)) i++;
      // `command -v vim` only asks.
      if (word === "command" && /^-[vV]$/.test(words[i]!)) return [undefined, []];
    }
  }
  const args = words.slice(i + 1);
  // It may ask for a password, and does so at the terminal.
  if (viaSudo && !words.some((word) => word === "-n" || word === "-S")) return ["sudo-itself", args];
  return [words[i], args];
}

/** The commands of a line, roughly: quotes and escapes are followed, words in `$(…)` are not looked at. */
function splitCommands(line: string): SimpleCommand[] {
  const commands: SimpleCommand[] = [];
  let current: SimpleCommand = { words: [], isPiped: { input: false, output: false }, inBackground: false };
  let word: string | undefined;
  const endWord = (): void => {
    if (word !== undefined) current.words.push(word);
    word = undefined;
  };
  const endCommand = (pipe: boolean): void => {
    endWord();
    if (pipe) current.isPiped.output = true;
    if (current.words.length > 0) commands.push(current);
    current = { words: [], isPiped: { input: pipe, output: false }, inBackground: false };
  };
  const token =
    /\\[\s\S]|'[^']*'|"(?:\\[\s\S]|[^"\\])*"|\$\([^)]*\)|`[^`]*`|&&|\|\||\|&?|[<>]&\d?|&>|[;&\n(){}]|<+|>+|[ \t]+|#|[^\\'"$`&|;\n(){}<> \t#]+|[\s\S]/g;
  for (const [text] of line.matchAll(token)) {
    if (/^[ \t]/.test(text)) endWord();
    else if (text === "#" && word === undefined) break;
    else if (text === "|" || text === "|&") endCommand(true);
    else if (text === "&&" || text === "||" || text === ";" || text === "\n" || text === "(" || text === ")")
      endCommand(false);
    else if ((text === "{" || text === "}") && word === undefined) endCommand(false);
    else if (text === "&") {
      current.inBackground = true;
      endCommand(false);
    } else if (/^<+$/.test(text)) {
      endWord();
      current.isPiped.input = true;
    } else if (/^(?:>+|&>)$/.test(text)) {
      // `2>` leaves standard output where it is.
      if (!/^[2-9]$/.test(word ?? "")) current.isPiped.output = true;
      if (/^\d$/.test(word ?? "")) word = undefined;
      endWord();
    } else if (/^[<>]&/.test(text)) {
      if (/^\d$/.test(word ?? "")) word = undefined;
    } else if (/^['"]/.test(text)) word = (word ?? "") + text.slice(1, -1);
    else if (text.startsWith("\\")) word = (word ?? "") + text.slice(1);
    else word = (word ?? "") + text;
  }
  endCommand(false);
  return commands;
}

/** What programs want to know of the terminal. */
export function terminalVariables(): Record<string, string> {
  const { TERM, COLORTERM } = process.env;
  return { TERM: TERM || "xterm-256color", ...(COLORTERM ? { COLORTERM } : {}) };
}
