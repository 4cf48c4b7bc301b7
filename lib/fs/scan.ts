/** Searching by ourselves, where there is no ripgrep. The expressions are RE2's, which take no more than linear time. */

import { Buffer } from "node:buffer";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import type { SearchResult, WalkError } from "../protocol/fs_tree.ts";
import { type FileCalls, SystemError } from "../runtime/file_calls.ts";
import { AT_FDCWD, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "../runtime/file_libc.ts";
import { turnOfOthers } from "../runtime/turn.ts";
import { compileGlob } from "../sandbox/glob.ts";
import { ownKind, READ_OWN_DIRECTORY, sortedEntries } from "./directory.ts";
import type { SearchJob } from "./search.ts";
import { lossyText } from "./wire_path.ts";

/** A file is searched in pieces of this size; a longer line in parts. */
const PIECE_BYTES = 1024 * 1024;
const LF = 0x0a;
const MAX_ERRORS = 1000;

/** Where the first match of a line begins, in characters; -1 for none. */
type LineTest = (line: string) => number;

/** @throws {RpcError} −32602: the query is no regular expression. */
export async function searchByScan(files: FileCalls, job: SearchJob): Promise<SearchResult> {
  const scan = new Scan(files, job, await lineTest(job));
  await scan.run();
  return { matches: scan.matches, truncated: scan.truncated, errors: scan.errors, engine: "builtin" };
}

async function lineTest({ query, regex, caseSensitive }: SearchJob): Promise<LineTest> {
  if (!regex && caseSensitive) return (line) => line.indexOf(query);
  const { RE2JS } = await import("re2js");
  try {
    const pattern = RE2JS.compile(
      regex ? query : RE2JS.quote(query),
      caseSensitive ? 0 : RE2JS.CASE_INSENSITIVE,
    );
    return (line) => {
      const matcher = pattern.matcher(line);
      return matcher.find() ? matcher.start() : -1;
    };
  } catch (error) {
    throw new RpcError(rpcCode.invalidParams, `query: ${(error as Error).message}`);
  }
}

/** Whether a path below the root, or the name of it where the pattern has no slash, fits one of some patterns. */
function fits(patterns: readonly string[]): (path: string, name: string) => boolean {
  const globs = patterns.map((pattern) => ({
    byPath: pattern.includes("/"),
    glob: compileGlob(pattern.replace(/^\//, "")),
  }));
  return (path, name) => globs.some(({ byPath, glob }) => glob.matches(byPath ? path : name));
}

class Scan {
  matches = 0;
  truncated = false;
  readonly errors: WalkError[] = [];
  readonly #files: FileCalls;
  readonly #job: SearchJob;
  readonly #test: LineTest;
  readonly #isIncluded: (path: string, name: string) => boolean;
  readonly #isExcluded: (path: string, name: string) => boolean;
  readonly #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);

  constructor(files: FileCalls, job: SearchJob, test: LineTest) {
    this.#files = files;
    this.#job = job;
    this.#test = test;
    this.#isIncluded = job.include.length === 0 ? () => true : fits(job.include);
    this.#isExcluded = fits(job.exclude);
  }

  get #isOver(): boolean {
    if (this.#job.signal.aborted) this.truncated = true;
    return this.truncated;
  }

  async run(): Promise<void> {
    const fd = this.#files.open(AT_FDCWD, this.#job.directoryBytes, READ_OWN_DIRECTORY & ~O_NOFOLLOW);
    try {
      if (this.#job.only === undefined) await this.#directory(fd, "");
      else
        await this.#attempt(this.#job.onlyBytes!, () =>
          this.#file(fd, this.#job.onlyBytes!, this.#job.onlyBytes!),
        );
    } finally {
      this.#files.close(fd);
    }
  }

  async #directory(fd: number, below: string): Promise<void> {
    for (const entry of await sortedEntries(this.#files, fd)) {
      if (this.#isOver) return;
      if (!this.#job.hidden && entry.name.startsWith(".")) continue;
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      const [pathText, name] = [lossyText(path), lossyText(entry.name)];
      if (this.#isExcluded(pathText, name)) continue;
      const kind = ownKind(this.#files, fd, entry);
      if (kind === "directory") await this.#attempt(path, () => this.#enter(fd, entry.name, path));
      else if (kind === "file" && this.#isIncluded(pathText, name)) {
        await this.#attempt(path, () => this.#file(fd, entry.name, path));
      }
    }
  }

  async #enter(dir: number, name: string, path: string): Promise<void> {
    const fd = this.#files.open(dir, name, READ_OWN_DIRECTORY);
    try {
      await this.#directory(fd, path);
    } finally {
      this.#files.close(fd);
    }
  }

  /** What cannot be read is told; what has gone since it was listed is passed over. */
  async #attempt(path: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const hasGone = error.code === "ENOENT" || error.code === "ELOOP";
      if (hasGone || this.errors.length >= MAX_ERRORS) return;
      this.errors.push({ path: this.#job.pathText(path), message: error.message });
    }
  }

  async #file(dir: number, name: string, path: string): Promise<void> {
    const fd = this.#files.open(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    try {
      const { kind, size } = this.#files.fstat(fd);
      if (kind !== "file" || size > (this.#job.maxFileBytes ?? Number.POSITIVE_INFINITY)) return;
      await this.#contents(fd, path);
    } finally {
      this.#files.close(fd);
    }
  }

  async #contents(fd: number, path: string): Promise<void> {
    let offset = 0;
    let line = 1;
    /** Bytes at the start of the piece, of a line that began in the one before. */
    let kept = 0;
    for (;;) {
      const count = await this.#files.preadSoon(fd, this.#piece.subarray(kept), offset);
      offset += count;
      const end = kept + count;
      const bytes = this.#piece.subarray(0, end);
      // Who searches for text does not want to hear of programs and pictures.
      if (bytes.indexOf(0, kept) >= 0) return;
      let start = 0;
      for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, start)) {
        await this.#line(bytes, start, at, line++, path);
        start = at + 1;
        if (this.#isOver) return;
      }
      if (count === 0 || (start === 0 && end === PIECE_BYTES)) {
        if (end > start) await this.#line(bytes, start, end, line, path);
        if (count === 0) return;
        start = end;
      }
      this.#piece.copyWithin(0, start, end);
      kept = end - start;
    }
  }

  async #line(bytes: Buffer, start: number, end: number, line: number, path: string): Promise<void> {
    const turn = turnOfOthers();
    if (turn) await turn;
    const text = bytes.toString("utf8", start, bytes[end - 1] === 0x0d && end > start ? end - 1 : end);
    const at = this.#test(text);
    if (at < 0) return;
    if (this.matches === this.#job.maxMatches) {
      this.truncated = true;
      return;
    }
    this.matches++;
    await this.#job.found({ path, line, column: Buffer.byteLength(text.slice(0, at)) + 1, text });
  }
}
