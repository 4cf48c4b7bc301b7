/** `cat`, `rm`, `mkdir` and `watch`. */

import { FsError } from "../client/fs/error.ts";
import type { FlagSpecs, Parsed } from "../flags/flags.ts";
import { type FileContext, fileStatus, forEachPath, problemText, usageError } from "./command.ts";
import { printable } from "./format.ts";
import { type Location, locationText } from "./target.ts";

export const catFlags = {} as const satisfies FlagSpecs;

export const removeFlags = {
  recursive: { type: "boolean", short: "r", help: "Remove directories with all that is in them (also -R)" },
  "recursive-too": { type: "boolean", short: "R", help: "", hidden: true },
  force: { type: "boolean", short: "f", help: "A path that is not there is no failure" },
} as const satisfies FlagSpecs;

export const mkdirFlags = {
  parents: {
    type: "boolean",
    short: "p",
    help: "Make missing parents; one that is there is no failure",
  },
} as const satisfies FlagSpecs;

export const watchFlags = {
  recursive: { type: "boolean", short: "r", help: "Watch what is below directories too" },
  json: { type: "boolean", help: "Print lines of JSON" },
} as const satisfies FlagSpecs;

/** Writes files to the output as they are. */
export async function catCommand(context: FileContext, words: readonly string[]): Promise<number> {
  const { output, signal } = context;
  return await forEachPath(context, words, async ({ place, path }) => {
    for await (const bytes of place.fs.readable(path, { signal })) await output.bytes(bytes);
  });
}

export async function removeCommand(
  context: FileContext,
  flags: Parsed<typeof removeFlags>["flags"],
  words: readonly string[],
): Promise<number> {
  const { signal } = context;
  const recursive = flags.recursive || flags["recursive-too"];
  return await forEachPath(context, words, async (location, word) => {
    const { place, path } = location;
    refuseWhole(location, word);
    if (!recursive) {
      const info = await place.fs.lstat(path, { signal }).catch((error) => {
        // What leads nowhere can be removed all the same; what is not there is told by the removal.
        if (error instanceof FsError) return undefined;
        throw error;
      });
      if (info?.isDirectory && !info.isSymlink) {
        throw new FsError(`Cannot remove "${path}": it is a directory (-r removes it)`, {
          code: "EISDIR",
          path,
          operation: "fs/remove",
        });
      }
    }
    await place.fs.remove(path, { recursive, force: flags.force, signal });
  });
}

/** A slip must not remove everything: not the root, and not the folder that is stood in. */
function refuseWhole({ path }: Location, word: string): void {
  const isRoot = /^([A-Za-z]:)?[\\/]*$/.test(path) || /^(\/|\/\.{1,2})+$/.test(path);
  if (!isRoot && !/(^|[/:])\.{1,2}\/*$/.test(word) && !word.endsWith(":")) return;
  throw usageError(`Refusing to remove "${word}": name what is in it`);
}

export async function mkdirCommand(
  context: FileContext,
  flags: Parsed<typeof mkdirFlags>["flags"],
  words: readonly string[],
): Promise<number> {
  const { signal } = context;
  return await forEachPath(context, words, async ({ place, path }) => {
    await place.fs.mkdir(path, { recursive: flags.parents, signal });
  });
}

/** Prints changes until it is interrupted, which is its usual end. */
export async function watchCommand(
  context: FileContext,
  flags: Parsed<typeof watchFlags>["flags"],
  words: readonly string[],
): Promise<number> {
  const { output, signal } = context;
  const results = await Promise.all(
    words.map(async (word) => {
      let location: Location | undefined;
      try {
        location = await context.locate(word);
        const { place, path } = location;
        for await (const { kind, path: changed } of place.fs.watch(path, {
          recursive: flags.recursive,
          signal,
        })) {
          const at = locationText({ place, path: changed });
          output.line(
            flags.json ? JSON.stringify({ kind, path: at }) : `${kind.padEnd(8)}  ${printable(at)}`,
          );
        }
        output.say(`"${printable(locationText(location))}" is gone`);
        return fileStatus.failed;
      } catch (error) {
        if (signal.aborted) return fileStatus.interrupted;
        if (!(error instanceof Error)) throw error;
        output.say(problemText(error, location));
        return fileStatus.failed;
      }
    }),
  );
  return Math.max(...results);
}
