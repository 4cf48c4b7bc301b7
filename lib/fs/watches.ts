/** The watches of one connection: `fs/watch`, `fs/unwatch`, `fs/watchMissing`. */

import type {
  ChangedParams,
  UnwatchParams,
  WatchMissingParams,
  WatchMissingResult,
  WatchParams,
} from "../protocol/fs_watch.ts";
import type { ServerNotifications } from "../protocol/methods.ts";
import type { Empty } from "../protocol/process.ts";
import type { FileCalls } from "../runtime/file_calls.ts";
import { isConfined } from "./confinement.ts";
import { refused } from "./errors.ts";
import { checkId } from "./handles.ts";
import { PathWatch } from "./watch.ts";
import { MissingWatch } from "./watch_missing.ts";
import { pathText, type WirePath, wirePath } from "./wire_path.ts";

const MAX_WATCHES = 64;
const DEFAULT_DELAY_MS = 50;
const MAX_DELAY_MS = 10_000;

/** How changes are told. */
export interface WatchConnection {
  notify<N extends keyof ServerNotifications>(name: N, params: ServerNotifications[N]): void;
  ready(): Promise<void> | undefined;
}

export class WatchTable {
  readonly #files: FileCalls;
  readonly #connection: WatchConnection;
  readonly #watches = new Map<string, PathWatch>();
  readonly #missing: MissingWatch;

  constructor(files: FileCalls, connection: WatchConnection) {
    this.#files = files;
    this.#connection = connection;
    this.#missing = new MissingWatch(files);
  }

  /** @throws {SystemError} The path is not there, or the system allows no more watches. */
  async watch(params: WatchParams, path: WirePath): Promise<Empty> {
    const { watchId, recursive = false, delayMs = DEFAULT_DELAY_MS } = params;
    checkId(watchId, "watch");
    if (this.#watches.has(watchId)) throw refused(`watch \`${watchId}\` already exists`);
    if (this.#watches.size >= MAX_WATCHES) {
      throw refused(`at most ${MAX_WATCHES} watches may be open per connection`);
    }
    if (delayMs > MAX_DELAY_MS) throw refused(`delayMs is ${delayMs}: expected 0 to ${MAX_DELAY_MS}`);
    const watch = new PathWatch(this.#files, path.bytes, {
      recursive,
      delayMs,
      ready: () => this.#connection.ready(),
      report: ({ changes, overflow, ended }) => {
        if (ended) this.#watches.delete(watchId);
        const told: ChangedParams = {
          watchId,
          changes: changes.map(([changed, kind]) => ({ path: pathText(changed, path.form), kind })),
          ...(overflow ? { overflow } : {}),
          ...(ended ? { ended } : {}),
        };
        this.#connection.notify("fs/changed", told);
      },
    });
    this.#watches.set(watchId, watch);
    try {
      await watch.begin();
    } catch (error) {
      if (this.#watches.get(watchId) === watch) this.#watches.delete(watchId);
      throw error;
    }
    return {};
  }

  unwatch({ watchId }: UnwatchParams): Empty {
    this.#watches.get(watchId)?.close();
    this.#watches.delete(watchId);
    return {};
  }

  watchMissing(params: WatchMissingParams): WatchMissingResult {
    const { watchId } = params;
    const missing = params.missing.map((path) => wirePath(path).bytes);
    const present = params.present === undefined ? undefined : wirePath(params.present).bytes;
    const tell = (): void => this.#connection.notify("fs/missingChanged", { watchId });
    const watching = !isConfined(params.sandbox) && this.#missing.start(missing, present, tell);
    if (!watching) this.#missing.stop();
    return { watching };
  }

  /** The connection has gone. */
  dispose(): void {
    for (const watchId of [...this.#watches.keys()]) this.unwatch({ watchId });
    this.#missing.stop();
  }
}
