/** What a copy comes to: each thing, where it goes, and what cannot be copied. */

import type { FileInfo } from "../client/fs/entries.ts";
import { FsError } from "../client/fs/error.ts";
import { baseName, joinPath, parentPath } from "../client/fs/path.ts";
import { ExecServerError } from "../protocol/errors.ts";
import { looksSame, statIfThere } from "./same.ts";
import { isSamePlace, type Location, located, locationText, type Place } from "./target.ts";
import { kindFor, scanTree, type TreeEntry } from "./tree.ts";

/** One thing to copy. */
export interface PlanItem {
  kind: "file" | "directory" | "link";
  from: { place: Place; path: string };
  to: { place: Place; path: string };
  info: FileInfo;
  /** It cannot be there yet, as the directory it goes into is made for it. */
  isNew: boolean;
}

export interface PlanOptions {
  recursive: boolean;
  follow: boolean;
  signal?: AbortSignal;
  /** Something that is not copied, and why. */
  onFailure(path: string, error: Error): void;
}

/**
 * Looks at all sources and decides where everything goes.
 * @throws {ExecServerError} `ERR_USAGE`: several sources and a destination that is no directory.
 * @throws {FsError} The destination cannot be looked at.
 */
export async function planCopy(
  sources: readonly Location[],
  destination: Location,
  options: PlanOptions,
): Promise<PlanItem[]> {
  const there = await find(destination.place, destination.path, options);
  const intoDirectory = there?.isDirectory ?? false;
  if (sources.length > 1 && !intoDirectory) {
    throw new ExecServerError(
      "ERR_USAGE",
      `"${locationText(destination)}" is no directory: several files need one`,
    );
  }
  const items = new Items(options);
  for (const source of sources) {
    try {
      await planSource(items, source, destination, { intoDirectory, there }, options);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      options.onFailure(locationText(source), located(error, source));
    }
  }
  return items.all;
}

/** What has been planned: no two things in one place, of which only one would be there in the end. */
class Items {
  readonly all: PlanItem[] = [];
  readonly #options: PlanOptions;
  readonly #byTarget = new Map<string, PlanItem>();

  constructor(options: PlanOptions) {
    this.#options = options;
  }

  /** False where something else goes there, which is told. */
  add(item: PlanItem): boolean {
    const { from, to, kind } = item;
    const before = this.#byTarget.get(to.path);
    if (!before) {
      this.#byTarget.set(to.path, item);
      this.all.push(item);
      return true;
    }
    // Directories become one, and who names a thing twice means it once.
    if (kind === "directory" && before.kind === kind) return true;
    if (isSamePlace(from.place, before.from.place) && from.path === before.from.path) return true;
    const text = locationText(from);
    const why = `"${locationText(before.from)}" already goes to "${locationText(to)}"`;
    this.#options.onFailure(text, refusal(text, from.path, why, "EEXIST"));
    return false;
  }
}

async function planSource(
  items: Items,
  source: Location,
  destination: Location,
  { intoDirectory, there }: { intoDirectory: boolean; there: FileInfo | undefined },
  options: PlanOptions,
): Promise<void> {
  const { recursive, follow, signal } = options;
  const { place, path } = source;
  const call = signal ? { signal } : {};
  // As `cp` has it: a link that is named is followed, unless trees are copied as they are.
  const follows = follow || !recursive || source.isFolder;
  const info = follows ? await place.fs.stat(path, call) : await place.fs.lstat(path, call);
  const kind = kindFor(info, follows);
  const name = baseName(path);
  // `cp -r src/. there` copies what is in it.
  const isContents = name === "" || name === "." || name === "..";
  const target = intoDirectory && !isContents ? joinPath(destination.path, name) : destination.path;
  const to = { place: destination.place, path: target };
  const text = locationText(source);
  if (kind === "other") throw refusal(text, path, "it is no file, directory or link");
  if (kind === "directory" && !recursive)
    throw refusal(text, path, "it is a directory (-r copies it)", "EISDIR");
  if (kind !== "directory" && destination.isFolder && !intoDirectory) {
    throw refusal(text, path, `"${locationText(destination)}" is no directory`, "ENOTDIR");
  }
  if (kind === "directory" && there && !intoDirectory) {
    throw refusal(text, path, `"${locationText(destination)}" is no directory`, "ENOTDIR");
  }
  if (kind !== "directory") {
    if (kind === "file") await refuseSame(source, to, info, call);
    items.add({ kind, from: { place, path }, to, info, isNew: false });
    return;
  }
  await refuseInside(source, to, info, call);
  const isNew = (await find(to.place, target, options)) === undefined;
  /** Directories that are not copied, nor what is in them. */
  const left = new Set<string>();
  for await (const entry of scanTree(place.fs, path, info, { follow, ...call })) {
    if ("error" in entry) {
      const failed = { place, path: entry.path };
      options.onFailure(locationText(failed), located(entry.error, failed));
    } else if (entry.kind === "other") {
      const of = locationText({ place, path: entry.path });
      options.onFailure(of, refusal(of, entry.path, "it is no file, directory or link"));
    } else if (left.has(parentPath(entry.path)) || !items.add({ ...planned(entry, source, to), isNew })) {
      if (entry.relative === "") return;
      left.add(entry.path);
    }
  }
}

function planned(entry: TreeEntry, source: Location, to: PlanItem["to"]): Omit<PlanItem, "isNew"> {
  return {
    kind: entry.kind as PlanItem["kind"],
    from: { place: source.place, path: entry.path },
    to: { place: to.place, path: joinPath(to.path, entry.relative) },
    info: entry.info,
  };
}

/** A destination that is its own source would be emptied before it is read. */
async function refuseSame(
  source: Location,
  to: PlanItem["to"],
  info: FileInfo,
  call: { signal?: AbortSignal },
): Promise<void> {
  const there = await find(to.place, to.path, call);
  if (!there || !looksSame(there, info)) return;
  const [a, b] = await Promise.all([source, to].map(({ place, path }) => place.fs.realPath(path, call)));
  if (a !== b) return;
  throw refusal(locationText(source), source.path, `"${locationText(to)}" is the same file`, "EEXIST");
}

/** A tree that goes into itself, or is its own destination. */
async function refuseInside(
  source: Location,
  to: PlanItem["to"],
  info: FileInfo,
  call: { signal?: AbortSignal },
): Promise<void> {
  const real = await source.place.fs.realPath(source.path, call);
  const { fs } = to.place;
  if (!isSamePlace(source.place, to.place)) {
    // The same name on another machine is another directory.
    const there = await statIfThere({ place: to.place, path: real }, call);
    if (!there || !looksSame(there, info)) return;
  }
  let above = to.path;
  while (above !== "/" && !(await fs.exists(above, call))) above = parentPath(above);
  const target = await fs.realPath(above, call);
  const base = real.endsWith("/") ? real : `${real}/`;
  if (`${target}/`.startsWith(base)) {
    throw refusal(locationText(source), source.path, `"${locationText(to)}" is in it`, "EINVAL");
  }
}

async function find(
  place: Place,
  path: string,
  { signal }: { signal?: AbortSignal },
): Promise<FileInfo | undefined> {
  try {
    return await place.fs.stat(path, signal ? { signal } : {});
  } catch (error) {
    if (error instanceof FsError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function refusal(text: string, path: string, why: string, code: FsError["code"] = "ERR_FS_REFUSED"): FsError {
  return new FsError(`Cannot copy "${text}": ${why}`, { code, path, operation: "fs/copy" });
}
