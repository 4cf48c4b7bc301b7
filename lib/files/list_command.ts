/** `ls` and `stat`: what is there. */

import type { FileInfo } from "../client/fs/entries.ts";
import { FsError } from "../client/fs/error.ts";
import { joinPath } from "../client/fs/path.ts";
import type { FlagSpecs, Parsed } from "../flags/flags.ts";
import { type FileContext, forEachPath } from "./command.ts";
import { columns, formatMode, formatTime, kindOf, printable } from "./format.ts";
import { type Location, locationText } from "./target.ts";

export const listFlags = {
  long: { type: "boolean", short: "l", help: "Show mode, owner, size and time" },
  all: { type: "boolean", short: "a", help: "Show names that begin with a dot" },
  "one-column": { type: "boolean", short: "1", help: "One name a line" },
  json: { type: "boolean", help: "Print a line of JSON for each" },
} as const satisfies FlagSpecs;

export const statFlags = {
  json: { type: "boolean", help: "Print a line of JSON for each" },
} as const satisfies FlagSpecs;

/** Entries that are looked at together. */
const TOGETHER = 32;

interface Row {
  name: string;
  kind: string;
  /** Where a link leads. */
  target?: string;
  info?: FileInfo;
}

export async function listCommand(
  context: FileContext,
  flags: Parsed<typeof listFlags>["flags"],
  words: readonly string[],
): Promise<number> {
  const { output } = context;
  const paths = words.length === 0 ? ["."] : words;
  let isFirst = true;
  return await forEachPath(context, paths, async (location) => {
    const rows = await listRows(location, flags, context.signal);
    if (flags.json) {
      for (const row of rows) output.line(JSON.stringify(json(row)));
      return;
    }
    if (paths.length > 1) {
      output.line(`${isFirst ? "" : "\n"}${printable(locationText(location))}:`);
      isFirst = false;
    }
    for (const line of lines(rows, flags, output.columns)) output.line(line);
  });
}

async function listRows(
  { place, path }: Location,
  flags: { long: boolean; all: boolean; json: boolean },
  signal: AbortSignal,
): Promise<Row[]> {
  const { fs } = place;
  const itself = await lookAt(fs, path, signal);
  // A link to a directory is listed as the directory, except where its own data are asked for.
  const info = itself.isSymlink && !flags.long ? await fs.stat(path, { signal }) : itself;
  if (!info.isDirectory || (itself.isSymlink && flags.long && !path.endsWith("/"))) {
    return [await row(fs, path, path, itself, signal)];
  }
  const entries = (await fs.list(path, { signal })).filter(({ name }) => flags.all || !name.startsWith("."));
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  if (!flags.long && !flags.json) return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  const rows: Row[] = [];
  for (let at = 0; at < entries.length; at += TOGETHER) {
    const some = entries.slice(at, at + TOGETHER).map(async (entry): Promise<Row> => {
      const child = joinPath(path, entry.name);
      try {
        const found =
          entry.isSymlink === false ? await fs.stat(child, { signal }) : await lookAt(fs, child, signal);
        return await row(fs, entry.name, child, found, signal);
      } catch (error) {
        // Gone meanwhile, or not to be looked at.
        if (!(error instanceof FsError)) throw error;
        return { name: entry.name, kind: kindOf(entry) };
      }
    });
    rows.push(...(await Promise.all(some)));
  }
  return rows;
}

async function row(
  fs: Location["place"]["fs"],
  name: string,
  path: string,
  info: FileInfo,
  signal: AbortSignal,
): Promise<Row> {
  const target =
    info.isSymlink && (await fs.can("fsSymlink"))
      ? await fs.readLink(path, { signal }).catch(() => undefined)
      : undefined;
  return { name, kind: kindOf(info), info, ...(target === undefined ? {} : { target }) };
}

/** The path itself; a link that leads nowhere is there all the same. */
async function lookAt(fs: Location["place"]["fs"], path: string, signal: AbortSignal): Promise<FileInfo> {
  return await fs.lstat(path, { signal });
}

function lines(
  rows: readonly Row[],
  flags: { long: boolean; "one-column": boolean },
  width: number | undefined,
): string[] {
  // Programs get names as they are.
  const shown = width === undefined ? (name: string): string => name : printable;
  if (!flags.long) {
    const names = rows.map(({ name }) => shown(name));
    return width === undefined || flags["one-column"] ? names : columns(names, width);
  }
  const cells = rows.map(({ name, info, kind, target }) => [
    info
      ? formatMode(info)
      : `${kind === "directory" ? "d" : kind === "link" ? "l" : kind === "file" ? "-" : "?"}?????????`,
    info && info.uid !== null ? `${info.uid}:${info.gid}` : "-",
    info && info.size !== null ? String(info.size) : "-",
    formatTime(info?.mtime ?? null),
    shown(name) + (target === undefined ? "" : ` -> ${shown(target)}`),
  ]);
  const widths = cells.reduce<number[]>(
    (most, cell) => cell.map((text, i) => Math.max(most[i] ?? 0, text.length)),
    [],
  );
  return cells.map(([mode, owner, size, time, name]) =>
    [mode, owner!.padEnd(widths[1]!), size!.padStart(widths[2]!), time!.padEnd(widths[3]!), name].join("  "),
  );
}

function json({ name, kind, target, info }: Row): Record<string, unknown> {
  return {
    name,
    kind,
    ...(info
      ? {
          size: info.size,
          modified: info.mtime?.toISOString() ?? null,
          born: info.birthtime?.toISOString() ?? null,
          mode: info.mode,
          uid: info.uid,
          gid: info.gid,
        }
      : {}),
    ...(target === undefined ? {} : { target }),
  };
}

export async function statCommand(
  context: FileContext,
  flags: Parsed<typeof statFlags>["flags"],
  words: readonly string[],
): Promise<number> {
  const { output, signal } = context;
  return await forEachPath(context, words, async (location) => {
    const { place, path } = location;
    const found = await row(
      place.fs,
      locationText(location),
      path,
      await lookAt(place.fs, path, signal),
      signal,
    );
    if (flags.json) {
      const { name, ...rest } = json(found);
      output.line(JSON.stringify({ path: name, ...rest }));
      return;
    }
    const info = found.info!;
    const rows: [string, string][] = [
      ["path", printable(found.name)],
      ["kind", found.kind],
      ...(found.target === undefined ? [] : ([["leads to", printable(found.target)]] as [string, string][])),
      ["size", info.size === null ? "not told" : `${info.size} bytes`],
      [
        "mode",
        info.mode === null ? "not told" : `${formatMode(info)} (${info.mode.toString(8).padStart(4, "0")})`,
      ],
      ["owner", info.uid === null ? "not told" : `${info.uid}:${info.gid}`],
      ["modified", info.mtime?.toISOString() ?? "not told"],
      ["born", info.birthtime?.toISOString() ?? "not told"],
    ];
    for (const [name, value] of rows) output.line(`${name.padEnd(8)}  ${value}`);
  });
}
