/** Patterns of paths that are out of reach: what matches. */

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
  const regex = new RegExp(`^${globSource(pattern)}$`, "su");
  return {
    pattern,
    base: plain.join("/") || "/",
    // Nothing else reaches across names.
    depth: /\*\*|\{/.test(pattern) ? Number.POSITIVE_INFINITY : names.length - plain.length,
    matches: (path) => regex.test(path),
    endsIn: pattern.includes("{") ? () => true : lastNameTest(names.at(-1)!),
  };
}

/** Nothing is known where the last part may reach beyond one name, as sets and `**` may. Braces may from anywhere. */
function lastNameTest(last: string): (name: string) => boolean {
  if (/[[\]\\]|\*\*/.test(last)) return () => true;
  if (!/[*?]/.test(last)) return (name) => name === last;
  const regex = new RegExp(`^${globSource(last)}$`, "su");
  return (name) => regex.test(name);
}

/** A plain path as a pattern of itself. */
export function escapeGlob(path: string): string {
  return path.replace(/[*?[\]{}\\]/g, (character) => `[${character}]`);
}

function globSource(pattern: string): string {
  let source = "";
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    if (character === "*") {
      const stars = /^\*+/.exec(pattern.slice(i))![0].length;
      const atStart = i === 0 || pattern[i - 1] === "/";
      i += stars - 1;
      if (stars >= 2 && atStart && pattern[i + 1] === "/") {
        source += "(?:[^/]+/)*";
        i++;
      } else {
        source += stars >= 2 ? ".*" : "[^/]*";
      }
    } else if (character === "?") {
      source += "[^/]";
    } else if (character === "[") {
      const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(pattern.slice(i));
      if (!set) {
        source += "\\[";
        continue;
      }
      i += set[0].length - 1;
      const inner = set[2]!.replace(/[\\\]^[]/g, "\\$&");
      source += `(?!/)[${set[1] ? "^" : ""}${inner}]`;
    } else if (character === "{" && pattern.indexOf("}", i) > 0) {
      source += "(?:";
      depth++;
    } else if (character === "}" && depth > 0) {
      source += ")";
      depth--;
    } else if (character === "," && depth > 0) {
      source += "|";
    } else if (character === "\\" && i + 1 < pattern.length) {
      source += pattern[++i]!.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    } else {
      source += character.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    }
  }
  return source + ")".repeat(depth);
}
