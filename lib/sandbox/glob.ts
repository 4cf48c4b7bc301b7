/** Patterns of paths that are out of reach: what matches. */

import { GlobMatcher } from "./glob_matcher.ts";

/** What one pattern looks for. */
export interface Glob {
  readonly pattern: string;
  /** The folder above the first name that is a pattern. */
  readonly base: string;
  /** How many names a match has below that folder, at most. */
  readonly depth: number;
  /** Whether a whole path matches. */
  matches(path: string): boolean;
  /** Whether a path that ends in this name can match: soon told for most names of a folder. */
  endsIn(name: string): boolean;
}

/**
 * `*` is any run within a name, `?` one character, `[a-z]` or `[!a-z]` one of a set, `**` any folders or none, `{a,b}`
 * either.
 * @throws {SyntaxError} A set that is none, such as `[z-a]`.
 */
export function compileGlob(pattern: string): Glob {
  const names = pattern.split("/");
  const first = names.findIndex((name) => /[*?[{]/.test(name));
  const plain = first === -1 ? names.slice(0, -1) : names.slice(0, first);
  const matcher = new GlobMatcher(pattern);
  return {
    pattern,
    base: plain.join("/") || "/",
    // Nothing else reaches across names.
    depth: /\*\*|\{/.test(pattern) ? Number.POSITIVE_INFINITY : names.length - plain.length,
    matches: (path) => matcher.matches(path),
    endsIn: pattern.includes("{") ? () => true : lastNameTest(names.at(-1)!),
  };
}

/** Nothing is known where the last part may reach beyond one name, as sets and `**` may. Braces may from anywhere. */
function lastNameTest(last: string): (name: string) => boolean {
  if (/[[\]\\]|\*\*/.test(last)) return () => true;
  if (!/[*?]/.test(last)) return (name) => name === last;
  const [before, after, more] = last.split("*") as [string, string | undefined, string | undefined];
  // Most are of this kind, and a folder may have ten thousand names.
  if (after !== undefined && more === undefined && !last.includes("?")) {
    return (name) => name.length >= last.length - 1 && name.startsWith(before) && name.endsWith(after);
  }
  const matcher = new GlobMatcher(last);
  return (name) => matcher.matches(name);
}

/** A plain path as a pattern of itself. */
export function escapeGlob(path: string): string {
  return path.replace(/[*?[\]{}\\]/g, (character) => `[${character}]`);
}
