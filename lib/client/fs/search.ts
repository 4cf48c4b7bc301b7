/** Searches files for lines where they are. */

import type { SearchMatch, SearchParams, SearchResult } from "../../protocol/fs_tree.ts";
import { type FsConnect, type FsOptions, type FsPath, FsSession, freshId } from "./link.ts";
import { fromWire } from "./path.ts";
import { onSessionEnd, Subscription, sessionOver } from "./subscription.ts";

/** What is looked for besides the query. */
export interface SearchOptions
  extends FsOptions,
    Omit<SearchParams, "searchId" | "path" | "query" | "sandbox"> {}

/**
 * Gives matches as they are found; the end of the iteration is the server's summary. A reader that stops early ends the
 * search.
 * @throws {ExecServerError} `ERR_UNSUPPORTED`, `ERR_DISCONNECTED`
 * @throws {FsError} Also for a pattern that is none.
 */
export async function* searchPath(
  connect: FsConnect,
  path: FsPath,
  query: string,
  { signal, timeoutMs, sandbox, ...what }: SearchOptions = {},
): AsyncGenerator<SearchMatch, SearchResult> {
  signal?.throwIfAborted();
  const session = await FsSession.open(connect);
  session.need("fsSearch", "search files");
  const { caller } = session;
  const matches = new Subscription<SearchMatch>();
  const searchId = freshId("search");
  const off = caller.onNotification("fs/searchMatches", (found) => {
    if (found.searchId !== searchId) return;
    matches.push(...found.matches.map((match) => ({ ...match, path: fromWire(match.path) })));
  });
  const offEnd = onSessionEnd(caller.closed, (reason) => matches.fail(sessionOver("search", reason)));
  const options = {
    ...(signal ? { signal } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(sandbox === undefined ? {} : { sandbox }),
  };
  const params = { searchId, path: session.wire(path, "fs/search"), query, ...what };
  let isOver = false;
  const answer = session.call("fs/search", params, { path }, options).finally(() => {
    isOver = true;
  });
  answer.then(
    () => matches.end(),
    (error) => matches.fail(error),
  );
  try {
    for await (const batch of matches.batches()) yield* batch;
    const result = await answer;
    return { ...result, errors: result.errors.map((error) => ({ ...error, path: fromWire(error.path) })) };
  } finally {
    off();
    offEnd();
    if (!isOver && caller.connected) {
      session.call("fs/cancelSearch", { searchId }, { path }).catch(() => {});
    }
  }
}
