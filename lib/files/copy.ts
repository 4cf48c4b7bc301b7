/** Copies files and trees between places, as `cp` does. */

import type { FileInfo } from "../client/fs/entries.ts";
import { FsError } from "../client/fs/error.ts";
import { parentPath } from "../client/fs/path.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import { copyFile } from "./copy_file.ts";
import { type PlanItem, planCopy } from "./plan.ts";
import { Pool } from "./pool.ts";
import { isSamePlace, type Location, located, locationText, type Place } from "./target.ts";

/** How to copy. */
export interface CopyOptions {
  /** Directories with all that is in them. @default {false} */
  recursive?: boolean;
  /** Follows links in trees instead of copying them as links. @default {false} */
  follow?: boolean;
  /** Keeps modes and times. @default {false}: new files are executable where their sources are */
  preserve?: boolean;
  /** Goes on behind the part of a destination that is the same as its source. @default {false} */
  resume?: boolean;
  /** Stops; what is half done stays. */
  signal?: AbortSignal;
  listener?: CopyListener;
}

/** Is told what happens. */
export interface CopyListener {
  /** Everything has been looked at. */
  planned?(files: number, bytes: number | undefined): void;
  begun?(from: string, to: string): void;
  /** Less than 0 when a file is begun anew. */
  progressed?(bytes: number): void;
  /** Bytes that were there already. */
  skipped?(bytes: number): void;
  finished?(from: string, to: string, bytes: number): void;
  failed?(path: string, error: Error): void;
  warned?(text: string): void;
}

/** What a copy came to. */
export interface CopySummary {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** Things that were not copied, each told to the listener. */
  failed: number;
  /** Files that were begun and not finished. */
  incomplete: string[];
  /** Why everything stopped: the signal's reason, or a connection that is lost. */
  stopped?: Error;
}

/** Files that are copied side by side. */
const SIDE_BY_SIDE = 8;

/**
 * Copies sources to a destination. What cannot be copied is told and passed over; the rest goes on.
 * @throws {ExecServerError} `ERR_USAGE`, `ERR_UNSUPPORTED` before anything is copied, and those of connecting.
 * @throws {FsError} The destination cannot be looked at.
 */
export async function copyAll(
  sources: readonly Location[],
  destination: Location,
  options: CopyOptions = {},
): Promise<CopySummary> {
  const copy = new Copy(options);
  if (options.preserve) await needModes([...sources, destination].map(({ place }) => place));
  return await copy.run(sources, destination);
}

/** @throws {ExecServerError} `ERR_UNSUPPORTED` */
async function needModes(places: readonly Place[]): Promise<void> {
  for (const place of new Set(places)) {
    if (await place.fs.can("fsChmod")) continue;
    throw new ExecServerError(
      "ERR_UNSUPPORTED",
      `Cannot keep modes and times: the server of "${place.id}" neither tells nor sets them`,
    );
  }
}

class Copy {
  readonly #options: CopyOptions;
  readonly #listener: CopyListener;
  readonly #summary: CopySummary = {
    files: 0,
    directories: 0,
    links: 0,
    bytes: 0,
    failed: 0,
    incomplete: [],
  };
  /** Directories that could not be made: what is in them is passed over. */
  readonly #missing = new Set<string>();
  readonly #open = new Set<string>();
  readonly #warned = new Set<string>();

  constructor(options: CopyOptions) {
    this.#options = options;
    this.#listener = options.listener ?? {};
  }

  async run(sources: readonly Location[], destination: Location): Promise<CopySummary> {
    const { signal } = this.#options;
    const summary = this.#summary;
    try {
      const items = await planCopy(sources, destination, {
        recursive: this.#options.recursive ?? false,
        follow: this.#options.follow ?? false,
        ...(signal ? { signal } : {}),
        onFailure: (path, error) => this.#failed(path, error),
      });
      const files = items.filter(({ kind }) => kind === "file");
      const sizes = files.map(({ info }) => info.size);
      const known = sizes.every((size) => size !== null);
      this.#listener.planned?.(
        files.length,
        known ? sizes.reduce<number>((sum, size) => sum + size!, 0) : undefined,
      );
      await this.#all(items);
      if (this.#options.preserve) await this.#keepDirectories(items);
    } catch (error) {
      if (!isEnd(error, signal)) throw error;
      summary.stopped = error as Error;
    }
    summary.incomplete = [...this.#open];
    return summary;
  }

  async #all(items: readonly PlanItem[]): Promise<void> {
    const pool = new Pool(SIDE_BY_SIDE);
    try {
      for (const item of items) {
        this.#options.signal?.throwIfAborted();
        if (this.#missing.has(parentPath(item.to.path))) {
          if (item.kind === "directory") this.#missing.add(item.to.path);
          continue;
        }
        // What is in it comes later, and needs it.
        if (item.kind === "directory") await this.#guarded(item, () => this.#directory(item));
        else await pool.start(() => this.#guarded(item, () => this.#entry(item)));
      }
    } finally {
      await pool.end();
    }
  }

  /** A failure of one thing is told, and the others go on. */
  async #guarded(item: PlanItem, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      const isOne =
        error instanceof FsError || (error instanceof ExecServerError && error.code === "ERR_UNSUPPORTED");
      if (!isOne || this.#options.signal?.aborted) throw error;
      if (item.kind === "directory") this.#missing.add(item.to.path);
      this.#failed(locationText(item.from), located(error as Error, item.from, item.to));
    }
  }

  async #directory({ to }: PlanItem): Promise<void> {
    const call = this.#call;
    try {
      await to.place.fs.mkdir(to.path, call);
      this.#summary.directories++;
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== "EEXIST") throw error;
      if (!(await to.place.fs.stat(to.path, call)).isDirectory) throw error;
    }
  }

  async #entry(item: PlanItem): Promise<void> {
    const from = locationText(item.from);
    const to = locationText(item.to);
    if (item.kind === "link") {
      await this.#link(item);
      this.#summary.links++;
      this.#listener.finished?.(from, to, 0);
      return;
    }
    let bytes = 0;
    this.#open.add(to);
    this.#listener.begun?.(from, to);
    const { signal, resume = false } = this.#options;
    const isNew = item.isNew || !(await this.#isThere(item));
    try {
      await copyFile({
        from: item.from,
        to: item.to,
        info: item.info,
        resume,
        ...(signal ? { signal } : {}),
        onBytes: (more) => {
          bytes += more;
          this.#summary.bytes += more;
          this.#listener.progressed?.(more);
        },
        onSkip: (more) => this.#listener.skipped?.(more),
        onWarning: (text) => this.#listener.warned?.(text),
      });
      await this.#keepMode(item, isNew);
    } catch (error) {
      // Nothing of it is there when it could not be opened.
      if (bytes === 0 && error instanceof FsError) this.#open.delete(to);
      throw error;
    }
    this.#open.delete(to);
    this.#summary.files++;
    this.#listener.finished?.(from, to, bytes);
  }

  /** Only what decides about the mode is asked for. */
  async #isThere({ to, info }: PlanItem): Promise<boolean> {
    if (this.#options.preserve || !info.mode || (info.mode & 0o111) === 0) return true;
    return await to.place.fs.exists(to.path, this.#call);
  }

  async #keepMode({ from, to, info }: PlanItem, isNew: boolean): Promise<void> {
    const { fs } = to.place;
    if (this.#options.preserve) {
      await keep(fs, to.path, info, this.#call);
      return;
    }
    // The server itself keeps modes.
    if (isSamePlace(from.place, to.place) || !isNew || !info.mode || (info.mode & 0o111) === 0) return;
    if (!(await fs.can("fsChmod"))) {
      this.#warnOnce(`No file is made executable: the server of "${to.place.id}" does not set modes`);
      return;
    }
    const { mode } = await fs.stat(to.path, this.#call);
    // Who may read it by the rules over there may run it.
    if (mode !== null) await fs.chmod(to.path, mode | (((mode & 0o444) >> 2) & info.mode), this.#call);
  }

  async #keepDirectories(items: readonly PlanItem[]): Promise<void> {
    // From the leaves, and after their contents: a directory may forbid to write into it.
    for (const item of items.filter(({ kind }) => kind === "directory").reverse()) {
      if (this.#missing.has(item.to.path)) continue;
      await this.#guarded(item, () => keep(item.to.place.fs, item.to.path, item.info, this.#call));
    }
  }

  async #link({ from, to }: PlanItem): Promise<void> {
    const call = this.#call;
    const { fs } = to.place;
    const text = (await from.place.fs.can("fsSymlink"))
      ? await from.place.fs.readLink(from.path, call)
      : undefined;
    if (text === undefined && !isSamePlace(from.place, to.place)) {
      throw new ExecServerError(
        "ERR_UNSUPPORTED",
        `Cannot copy the link "${locationText(from)}": its server does not tell where it leads (-L follows links)`,
      );
    }
    const make = (): Promise<void> =>
      text === undefined ? fs.copy(from.path, to.path, call) : fs.symlink(text, to.path, call);
    try {
      await make();
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== "EEXIST") throw error;
      const there = await fs.lstat(to.path, call);
      if (there.isDirectory && !there.isSymlink) throw error;
      await fs.remove(to.path, call);
      await make();
    }
  }

  #warnOnce(text: string): void {
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.#listener.warned?.(text);
  }

  #failed(path: string, error: Error): void {
    this.#summary.failed++;
    this.#listener.failed?.(path, error);
  }

  get #call(): { signal?: AbortSignal } {
    const { signal } = this.#options;
    return signal ? { signal } : {};
  }
}

async function keep(
  fs: Place["fs"],
  path: string,
  info: FileInfo,
  call: { signal?: AbortSignal },
): Promise<void> {
  if (info.mode !== null) await fs.chmod(path, info.mode, call);
  if (info.mtime) await fs.utime(path, null, info.mtime, call);
}

/** The end of everything, which is no failure of one thing. */
function isEnd(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted) return true;
  if (error instanceof RpcError) return true;
  return error instanceof ExecServerError && error.code !== "ERR_USAGE" && error.code !== "ERR_UNSUPPORTED";
}
