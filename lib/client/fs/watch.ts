/** Tells of changes to files, over as many connections as it takes. */

import { type FsConnect, type FsOptions, type FsPath, FsSession, freshId, isCut, shownPath } from "./link.ts";
import { fromWire } from "./path.ts";
import { onSessionEnd, Subscription, sessionOver } from "./subscription.ts";

/** What is watched, and how. */
export interface WatchOptions extends FsOptions {
  /** All directories below too, also those made later. @default {false} */
  recursive?: boolean;
  /** Changes are collected so long and told together, 0 to 10000. @default {50} */
  delayMs?: number;
}

/** A path and what became of it. `overflow`: changes were missed, so anything below the path may have changed. */
export interface WatchEvent {
  kind: "created" | "modified" | "removed" | "overflow";
  path: string;
}

/** Changes that may wait for their reader before they are given up for one `overflow`. */
const MAX_WAITING = 20_000;

/**
 * Watches until the reader stops, the signal fires, or what is watched is gone.
 * @throws {ExecServerError} `ERR_UNSUPPORTED`, `ERR_DISCONNECTED`
 * @throws {FsError}
 */
export async function* watchPath(
  connect: FsConnect,
  path: FsPath,
  { recursive = false, delayMs, signal, ...options }: WatchOptions = {},
): AsyncGenerator<WatchEvent, void> {
  signal?.throwIfAborted();
  const session = await FsSession.open(connect);
  session.need("fsWatch", "watch files");
  const { caller } = session;
  const events = new Subscription<WatchEvent>();
  const root = shownPath(path);
  const params = {
    path: session.wire(path, "fs/watch"),
    recursive,
    ...(delayMs === undefined ? {} : { delayMs }),
  };
  let watchId = freshId("watch");
  const limits = { ...options, ...(signal ? { signal } : {}) };
  const begin = (): Promise<unknown> => session.call("fs/watch", { watchId, ...params }, { path }, limits);
  const overflow = (): void => {
    events.clear();
    events.push({ kind: "overflow", path: root });
  };
  const undo = [
    caller.onNotification("fs/changed", (changed) => {
      if (changed.watchId !== watchId) return;
      if (changed.overflow || events.waiting + changed.changes.length > MAX_WAITING) overflow();
      else events.push(...changed.changes.map(({ kind, path: of }) => ({ kind, path: fromWire(of) })));
      if (changed.ended) events.end();
    }),
    caller.onConnectionChange(({ kind }) => {
      if (kind !== "resumed") return;
      // Watches end with their connection, and nobody knows what happened meanwhile.
      watchId = freshId("watch");
      begin().then(overflow, (error) => {
        // Lost once more: the next connection is told of, or the end of all.
        if (!isCut(error)) events.fail(error);
      });
    }),
    onSessionEnd(caller.closed, (reason) => events.fail(sessionOver("watch", reason))),
  ];
  const onAbort = (): void => events.fail(signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await begin();
    for await (const batch of events.batches()) yield* batch;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    for (const off of undo) off();
    if (caller.connected) session.call("fs/unwatch", { watchId }, { path }).catch(() => {});
  }
}
