/** Searching with ripgrep, where the machine has it. */

import { Buffer } from "node:buffer";
import process from "node:process";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { SearchResult, WalkError } from "../protocol/fs_tree.ts";
import { findProgram } from "../runtime/find_program.ts";
import { type ByteSource, type Runtime, SpawnError } from "../runtime/runtime.ts";
import type { Found, SearchJob } from "./search.ts";

const SIGKILL = 9;
const LF = 0x0a;
/** Of a line of a file; a longer one is passed over. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const MAX_ERRORS = 1000;

/** Where ripgrep is; undefined where it is not. */
export function findRipgrep(): string | undefined {
  try {
    return findProgram("rg", process.env.PATH, "/");
  } catch (error) {
    if (error instanceof SpawnError) return undefined;
    throw error;
  }
}

/** @throws {RpcError} −32602: the query is no regular expression. */
export async function searchWithRipgrep(
  runtime: Runtime,
  program: string,
  job: SearchJob,
): Promise<SearchResult> {
  const child = runtime.spawn({
    file: program,
    argv: ["rg", ...argumentsOf(job)],
    env: { PATH: process.env.PATH ?? "", LANG: "C.UTF-8" },
    cwd: job.directory,
    stdin: "null",
  });
  const stop = (): void => void child.signalGroup(SIGKILL);
  job.signal.addEventListener("abort", stop);
  // It may have been aborted before.
  if (job.signal.aborted) stop();
  const errors = textOf(child.stderr!);
  let matches = 0;
  let truncated = false;
  try {
    for await (const line of linesOf(child.stdout)) {
      const found = parseMatch(line);
      if (!found) continue;
      if (matches === job.maxMatches) {
        truncated = true;
        break;
      }
      matches++;
      await job.found(found);
    }
  } finally {
    if (truncated) stop();
    child.stdout.cancel();
    job.signal.removeEventListener("abort", stop);
  }
  const [{ code }, text] = await Promise.all([child.exited, errors]);
  if (!truncated && !job.signal.aborted && code === 2 && matches === 0 && /regex|pattern/.test(text)) {
    throw new RpcError(rpcCode.invalidParams, `query: ${lastLine(text)}`);
  }
  return {
    matches,
    truncated: truncated || job.signal.aborted,
    errors: truncated || job.signal.aborted ? [] : errorsOf(text, job),
    engine: "ripgrep",
  };
}

function argumentsOf(job: SearchJob): string[] {
  return [
    ...["--json", "--no-config", "--no-ignore", "--no-follow", "--engine=default", "--sort=none"],
    job.caseSensitive ? "--case-sensitive" : "--ignore-case",
    ...(job.regex ? [] : ["--fixed-strings"]),
    ...(job.hidden ? ["--hidden"] : []),
    ...(job.maxFileBytes === undefined ? [] : [`--max-filesize=${job.maxFileBytes}`]),
    ...job.include.map((glob) => `--glob=${glob}`),
    ...job.exclude.map((glob) => `--glob=!${glob}`),
    ...[`--regexp=${job.query}`, "--", job.only ?? "."],
  ];
}

/** A text, or bytes that are no text. */
type Data = { text: string } | { bytes: string };

function parseMatch(line: string): Found | undefined {
  if (!line.startsWith('{"type":"match"')) return undefined;
  const { data } = JSON.parse(line) as {
    data: { path: Data; lines: Data; line_number: number; submatches: { start: number }[] };
  };
  return {
    path: bytesOf(data.path).toString("latin1").replace(/^\.\//, ""),
    line: data.line_number,
    column: (data.submatches[0]?.start ?? 0) + 1,
    text: bytesOf(data.lines)
      .toString()
      .replace(/\r?\n$/, ""),
  };
}

function bytesOf(data: Data): Buffer {
  return "text" in data ? Buffer.from(data.text) : Buffer.from(data.bytes, "base64");
}

async function* linesOf(source: ByteSource): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for (let bytes = await source.read(); bytes; bytes = await source.read()) {
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      const whole =
        length === 0 ? bytes.subarray(start, end) : Buffer.concat([...parts, bytes.subarray(start, end)]);
      if (length <= MAX_LINE_BYTES) yield Buffer.from(whole).toString();
      parts = [];
      length = 0;
      start = end + 1;
    }
    length += bytes.length - start;
    if (length <= MAX_LINE_BYTES) parts.push(bytes.subarray(start));
    else parts = [];
  }
}

async function textOf(source: ByteSource): Promise<string> {
  const parts: Uint8Array[] = [];
  for (let bytes = await source.read(); bytes; bytes = await source.read()) {
    if (parts.length < 100) parts.push(bytes);
  }
  return Buffer.concat(parts).toString();
}

/** `rg: ./path: Permission denied (os error 13)`, a line each. */
function errorsOf(text: string, job: SearchJob): WalkError[] {
  const lines = text
    .split("\n")
    // A name may have a colon as well; the words of the system have none.
    .map(
      (line) => /^(?:rg: )?(.+): ([^:]+ \(os error \d+\))$/.exec(line) ?? /^(?:rg: )?(.+?): (.+)$/.exec(line),
    );
  return lines
    .filter((match) => match !== null)
    .slice(0, MAX_ERRORS)
    .map(([, path, message]) => ({
      path: job.pathText(Buffer.from(path!.replace(/^\.\//, "")).toString("latin1")),
      message: message!,
    }));
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^(rg|error): /, "") ?? ""
  );
}
