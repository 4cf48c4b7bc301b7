/** What is run on the other side: the user's line, in a wrapper that reports where it has left the shell. */

import { Buffer } from "node:buffer";
import type { EnvironmentInfo } from "../protocol/environment.ts";
import { pathFromWire } from "../protocol/path_uri.ts";

/** What carries over from line to line. */
export interface ShellState {
  /** Working directory; undefined as long as the server has not told. */
  cwd: string | undefined;
  /** All exported variables; null before the first line, which gets those of the server. */
  env: Readonly<Record<string, string>> | null;
}

/** What a line has reported. */
export interface LineReport {
  /** The text was not run to its end: it called `exit`, or a signal or `set -e` ended the shell. */
  exitCalled: boolean;
  cwd: string;
  env: Record<string, string>;
  /** Exported variables that are not UTF-8 and cannot be sent back. */
  dropped: string[];
}

/**
 * POSIX, for bash, dash and zsh. `$1` is the nonce, `$2` the status of the line before, the rest is the text, in
 * pieces because the system limits the length of one argument. Everything is on one line, so that the shell
 * counts the lines of the text from 1.
 *
 * The report goes to standard output only while that is a pipe or a terminal: after `exec >file` it would end
 * up in the file. Each frame is one write of less than PIPE_BUF. `command -p` finds the tools when PATH is broken.
 */
const wrapper = [
  "__es_n=$1 __es_s=$2; shift 2; __es_t= __es_d=;",
  "for __es_a do __es_t=$__es_t$__es_a; done; set --;",
  '__es_f() { command -p "$@" 2>/dev/null || command "$@" 2>/dev/null; };',
  "__es_p() { [ -p /dev/fd/1 ] || [ -S /dev/fd/1 ] || [ -t 1 ]; };",
  '__es_e() { { set +eux; } 2>/dev/null; [ -z "$__es_d" ] || return 0; __es_d=1;',
  "if __es_p; then",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
  '{ printf "%s\\0%s\\0%s\\0" "$1" "$PWD" "${OLDPWD-}";',
  "__es_f env -0 || __es_f cat /proc/self/environ",
  "|| __es_f perl -e 'print map { \"$_=$ENV{$_}\\0\" } keys %ENV'; }",
  '| __es_f od -An -v -tx1 | __es_f awk -v n="$__es_n" \'{ gsub(/ /, ""); b = b $0;',
  'if (length(b) > 3000) { printf "\\036%s%s;", n, b; fflush(); b = "" } }',
  'END { printf "\\036%s%s.;", n, b }\'; fi; };',
  "__es_r() { return $__es_s; };",
  // A trap of the text on EXIT takes the place of ours; then the report comes only when the text ends by itself.
  'if __es_p; then printf "\\036%s%s!;" "$__es_n" "$$"; fi;',
  "trap '__es_e x' EXIT; __es_r;",
  'eval "$__es_t"; { __es_s=$?; set +eux; } 2>/dev/null;',
  "__es_e e; exit $__es_s",
].join(" ");

/** Pieces of a text stay below the limit of one argument (128 KiB on Linux). */
const MAX_ARGUMENT_CHARS = 30_000;

/** Kinds of shells that lines can be carried over with. */
export function isPosixShell(info: EnvironmentInfo): boolean {
  return !["powershell", "pwsh", "cmd", "cmd.exe"].includes(info.shell.name.toLowerCase());
}

/** The command that runs a line. */
export function lineCommand(
  info: EnvironmentInfo,
  text: string,
  nonce: string,
  previousStatus: number,
): string[] {
  const { name, path } = info.shell;
  if (name.toLowerCase().startsWith("cmd")) return [path, "/d", "/c", text];
  if (!isPosixShell(info)) return [path, "-NoProfile", "-Command", text];
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + MAX_ARGUMENT_CHARS, text.length);
    // Not between the halves of a character.
    if (end < text.length && /[\udc00-\udfff]/.test(text[end]!)) end--;
    pieces.push(text.slice(at, end));
    at = end;
  }
  return [path, "-c", wrapper, name, nonce, String(previousStatus & 255), ...pieces];
}

/** Reads a report; undefined if it is not one. */
export function parseReport(bytes: Uint8Array): LineReport | undefined {
  const fields: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    fields.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    if (end < 0) break;
    start = end + 1;
  }
  const [how, pwd, oldPwd, ...variables] = fields;
  if (!how || !pwd || !oldPwd || pwd.length === 0) return undefined;
  const env: Record<string, string> = Object.create(null);
  const dropped: string[] = [];
  for (const variable of variables) {
    const text = utf8(variable);
    const name = (text ?? Buffer.from(variable).toString("latin1")).split("=", 1)[0]!;
    if (name === "" || name === "_" || name.startsWith("__es_")) continue;
    if (text === undefined) dropped.push(name);
    else env[name] = text.slice(name.length + 1);
  }
  const cwd = utf8(pwd);
  if (cwd === undefined) return undefined;
  env.PWD = cwd;
  // `cd -` needs it, and not every shell exports it.
  const old = utf8(oldPwd);
  if (old) env.OLDPWD = old;
  return { exitCalled: utf8(how) === "x", cwd, env, dropped };
}

/** The state after a line. */
export function nextState(before: ShellState, report: LineReport): ShellState {
  const env = { ...report.env };
  // Each shell counts itself; the next line is not one level deeper.
  const level = Number(before.env?.SHLVL ?? Number.NaN);
  const now = Number(env.SHLVL ?? Number.NaN);
  if (now === level + 1 || (Number.isNaN(level) && now > 0 && before.env === null))
    env.SHLVL = String(now - 1);
  return { cwd: report.cwd, env };
}

/** The state before the first line. */
export function initialState(info: EnvironmentInfo): ShellState {
  return { cwd: info.cwd ? pathFromWire(info.cwd) : undefined, env: null };
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
