/** The lines that were typed, kept in a file that only its owner can read. */

import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { holdsSecret } from "./secrets.ts";

/** Lines that are kept. */
export const MAX_HISTORY_LINES = 10_000;
/** The file may grow by this before it is cut, so that not every start writes it anew. */
const SLACK_LINES = 500;
/** A lock that is older was left by a program that died. */
const STALE_LOCK_MS = 5000;
const LOCK_TRIES = 50;

export class History {
  readonly #file: string | null;
  readonly #entries: string[] = [];
  /** Why the file could not be used, once. */
  problem: string | undefined;

  /** @param file Null to remember lines of this session only. */
  constructor(file: string | null) {
    this.#file = file;
    if (file === null) return;
    this.#try(() => {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      closeSync(openSync(file, "a", 0o600));
      if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
      const lines = readLines(file);
      this.#entries.push(...lines.slice(-MAX_HISTORY_LINES).map(decodeEntry));
      if (lines.length > MAX_HISTORY_LINES + SLACK_LINES) this.#trim(file);
    });
  }

  /** Oldest first. */
  get entries(): readonly string[] {
    return this.#entries;
  }

  /** Keeps a line, unless it begins with a space, repeats the last one, or looks like it holds a secret. */
  add(line: string): void {
    if (line.trim() === "" || /^\s/.test(line) || line === this.#entries.at(-1) || holdsSecret(line)) return;
    this.#entries.push(line);
    if (this.#entries.length > MAX_HISTORY_LINES) this.#entries.shift();
    const file = this.#file;
    if (file === null) return;
    // Only ever appended to: two sessions do not lose each other's lines.
    this.#try(() => locked(file, () => appendFileSync(file, `${encodeEntry(line)}\n`, { mode: 0o600 })));
  }

  #trim(file: string): void {
    locked(file, () => {
      const temporary = `${file}.${process.pid}.tmp`;
      const lines = readLines(file).slice(-MAX_HISTORY_LINES);
      writeFileSync(temporary, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
      renameSync(temporary, file);
    });
  }

  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.problem ??= `Cannot keep the history in "${this.#file}": ${(error as Error).message}`;
    }
  }
}

/** One line of the file: a newline is written as `\n`, so a backslash is doubled. */
export function encodeEntry(entry: string): string {
  return entry.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
}

export function decodeEntry(line: string): string {
  return line.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char === "r" ? "\r" : char));
}

function readLines(file: string): string[] {
  return readFileSync(file, "utf8").split("\n").filter(Boolean);
}

/** Holds others off while the file is written. */
function locked(file: string, act: () => void): void {
  const lock = `${file}.lock`;
  let held = false;
  for (let i = 0; i < LOCK_TRIES && !held; i++) {
    try {
      closeSync(openSync(lock, "wx", 0o600));
      held = true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") break;
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > STALE_LOCK_MS) rmSync(lock, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4);
    }
  }
  try {
    act();
  } finally {
    if (held) rmSync(lock, { force: true });
  }
}
