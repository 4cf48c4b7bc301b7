/** `search`: lines of files that match, searched where they are. */

import type { FlagSpecs, Parsed } from "../flags/flags.ts";
import { type FileContext, fileStatus, forEachPath, usageError } from "./command.ts";
import { printable } from "./format.ts";
import { locationText } from "./target.ts";

export const searchFlags = {
  "ignore-case": { type: "boolean", short: "i", help: "Capital and small letters are the same" },
  "fixed-strings": { type: "boolean", short: "F", help: "PATTERN is text, not a regular expression" },
  include: { type: "list", value: "GLOB", help: "Only files that fit (repeatable)" },
  exclude: { type: "list", value: "GLOB", help: "No files that fit (repeatable)" },
  hidden: { type: "boolean", help: "Look into names that begin with a dot, too" },
  "max-count": { type: "number", short: "m", value: "N", help: "End after so many lines (default: 10000)" },
  json: { type: "boolean", help: "Print lines of JSON" },
} as const satisfies FlagSpecs;

/** The status is 0 when a line was found, as that of `grep`. */
export async function searchCommand(
  context: FileContext,
  flags: Parsed<typeof searchFlags>["flags"],
  words: readonly string[],
): Promise<number> {
  const [pattern, ...paths] = words;
  if (pattern === undefined) throw usageError('"search" needs a pattern: search PATTERN [PATH…]');
  const { output, signal } = context;
  let found = 0;
  const status = await forEachPath(context, paths.length === 0 ? ["."] : paths, async ({ place, path }) => {
    const search = place.fs.search(path, pattern, {
      regex: !flags["fixed-strings"],
      caseSensitive: !flags["ignore-case"],
      hidden: flags.hidden,
      ...(flags.include.length > 0 ? { include: flags.include } : {}),
      ...(flags.exclude.length > 0 ? { exclude: flags.exclude } : {}),
      ...(flags["max-count"] === undefined ? {} : { maxMatches: flags["max-count"] }),
      signal,
    });
    for (;;) {
      const { done, value } = await search.next();
      if (done) {
        for (const error of value.errors) output.say(printable(`${error.path}: ${error.message}`));
        if (value.truncated) output.say(`There is more below "${printable(path)}": a limit was met`);
        return;
      }
      found++;
      const at = locationText({ place, path: value.path });
      if (flags.json) output.line(JSON.stringify({ ...value, path: at }));
      else output.line(`${shown(at, output.columns)}:${value.line}:${shown(value.text, output.columns)}`);
    }
  });
  if (status !== fileStatus.ok) return status;
  return found > 0 ? fileStatus.ok : fileStatus.failed;
}

/** Programs get it as it is. */
function shown(text: string, columns: number | undefined): string {
  return columns === undefined ? text : printable(text);
}
