/** `fs/search`: lines that match, told as they are found. */

import { Buffer } from "node:buffer";
import type { SearchMatch, SearchParams, SearchResult } from "../protocol/fs_tree.ts";
import type { ServerNotifications } from "../protocol/methods.ts";
import type { Empty } from "../protocol/process.ts";
import type { FileCalls } from "../runtime/file_calls.ts";
import { AT_FDCWD } from "../runtime/file_libc.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { refused } from "./errors.ts";
import { checkId } from "./handles.ts";
import { realPath } from "./metadata.ts";
import { findRipgrep, searchWithRipgrep } from "./ripgrep.ts";
import { searchByScan } from "./scan.ts";
import { joined, pathText, splitPath, utf8Text, type WirePath } from "./wire_path.ts";

const MAX_SEARCHES = 8;
const DEFAULT_MATCHES = 10_000;
/** Of a line. */
const MAX_TEXT = 1000;
/** Matches that are told together, and how long the first of them waits for the others. */
const MAX_BATCH = 200;
const BATCH_MS = 50;

/** A line that was found. */
export interface Found {
  /** Below the directory, as bytes. */
  path: string;
  line: number;
  column: number;
  text: string;
}

/** A search with all its settings. */
export interface SearchJob {
  readonly query: string;
  readonly regex: boolean;
  readonly caseSensitive: boolean;
  readonly hidden: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly maxMatches: number;
  readonly maxFileBytes: number | undefined;
  /** As text, for programs, and as bytes. */
  readonly directory: string;
  readonly directoryBytes: string;
  /** The only file that is searched, by its name in the directory. */
  readonly only: string | undefined;
  readonly onlyBytes: string | undefined;
  readonly signal: AbortSignal;
  /** A path below the directory as the client wants it. */
  pathText(path: string): string;
  /** Tells of a match; settles when more may come. */
  found(match: Found): Promise<void> | undefined;
}

/** How matches are told. */
export interface SearchConnection {
  notify<N extends keyof ServerNotifications>(name: N, params: ServerNotifications[N]): void;
  ready(): Promise<void> | undefined;
}

/** The searches of one connection. */
export class SearchTable {
  readonly #runtime: Runtime;
  readonly #files: FileCalls;
  readonly #connection: SearchConnection;
  readonly #running = new Map<string, AbortController>();

  constructor(runtime: Runtime, files: FileCalls, connection: SearchConnection) {
    this.#runtime = runtime;
    this.#files = files;
    this.#connection = connection;
  }

  async search(params: SearchParams, path: WirePath): Promise<SearchResult> {
    const { searchId } = params;
    checkId(searchId, "search");
    if (this.#running.has(searchId)) throw refused(`search \`${searchId}\` is already running`);
    if (this.#running.size >= MAX_SEARCHES) {
      throw refused(`at most ${MAX_SEARCHES} searches may run at a time per connection`);
    }
    if (params.query === "") throw refused("query is empty: expected text to search for");
    if (/[\n\0]/.test(params.query)) throw refused("query has a line end or NUL: expected text of one line");
    const controller = new AbortController();
    this.#running.set(searchId, controller);
    const report = new Report(searchId, this.#connection);
    try {
      const { kind } = this.#files.stat(AT_FDCWD, path.bytes, { follow: true });
      // A link that is named is followed, those that are met on the way are not.
      const target = kind === "file" ? realPath(this.#files, path.bytes) : path.bytes;
      const job = this.#job(params, path, target, kind === "directory", controller.signal, report);
      // Ripgrep would wait for a FIFO that it is told by name.
      const isForRipgrep = kind !== "other" && utf8Text(target) !== undefined;
      const program = isForRipgrep ? findRipgrep() : undefined;
      return program === undefined
        ? await searchByScan(this.#files, job)
        : await searchWithRipgrep(this.#runtime, program, job);
    } finally {
      report.flush();
      this.#running.delete(searchId);
    }
  }

  cancel(searchId: string): Empty {
    this.#running.get(searchId)?.abort();
    return {};
  }

  /** The connection has gone. */
  dispose(): void {
    for (const controller of this.#running.values()) controller.abort();
  }

  #job(
    params: SearchParams,
    path: WirePath,
    target: string,
    isDirectory: boolean,
    signal: AbortSignal,
    report: Report,
  ): SearchJob {
    const { directory, name } = splitPath(target);
    const directoryBytes = isDirectory ? target : directory;
    // Of a single file the path is the one that was asked for.
    const text = (below: string): string =>
      pathText(isDirectory ? joined(directoryBytes, below) : path.bytes, path.form);
    return {
      query: params.query,
      regex: params.regex ?? true,
      caseSensitive: params.caseSensitive ?? true,
      hidden: params.hidden ?? false,
      include: params.include ?? [],
      exclude: params.exclude ?? [],
      maxMatches: params.maxMatches ?? DEFAULT_MATCHES,
      maxFileBytes: params.maxFileBytes,
      directory: Buffer.from(directoryBytes, "latin1").toString(),
      directoryBytes,
      only: isDirectory ? undefined : Buffer.from(name, "latin1").toString(),
      onlyBytes: isDirectory ? undefined : name,
      signal,
      pathText: text,
      found: (match) =>
        report.add({
          path: text(match.path),
          line: match.line,
          column: match.column,
          text: match.text.slice(0, MAX_TEXT).toWellFormed(),
        }),
    };
  }
}

/** Puts matches together for a while. */
class Report {
  readonly #searchId: string;
  readonly #connection: SearchConnection;
  #matches: SearchMatch[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(searchId: string, connection: SearchConnection) {
    this.#searchId = searchId;
    this.#connection = connection;
  }

  add(match: SearchMatch): Promise<void> | undefined {
    this.#matches.push(match);
    if (this.#matches.length >= MAX_BATCH) {
      this.flush();
      return this.#connection.ready();
    }
    this.#timer ??= setTimeout(() => this.flush(), BATCH_MS);
    return undefined;
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const matches = this.#matches;
    this.#matches = [];
    if (matches.length > 0)
      this.#connection.notify("fs/searchMatches", { searchId: this.#searchId, matches });
  }
}
