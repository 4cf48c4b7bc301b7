/** A sandbox as plain rules over absolute paths: what a request asks for once every name in it has been resolved. */

import type { SandboxAccess } from "../protocol/sandbox.ts";

/** One path and what is beneath it, unless a longer path says otherwise. */
export interface Rule {
  /** Absolute, without `.`, `..` or a slash at the end. */
  readonly path: string;
  readonly access: SandboxAccess;
  /** Nothing happens where the path is missing. Otherwise one below a writable path is held, so that nobody can make it. */
  readonly skipMissing: boolean;
}

/** How far something may reach. What no rule names is out of reach. */
export interface Policy {
  /** Sorted, so that a folder comes before what is in it; no path twice. */
  readonly rules: readonly Rule[];
  /** Absolute patterns of what is out of reach whatever the rules say. */
  readonly denyGlobs: readonly string[];
  /** How many folders deep matches are looked for. */
  readonly globScanMaxDepth: number;
  readonly network: boolean;
  /** Nothing is written, though it could be: what decides where links may lead is what the rules say. */
  readonly looksOnly?: boolean;
}

/** Everything is allowed. */
export const unrestricted: Policy = {
  rules: [{ path: "/", access: "write", skipMissing: false }],
  denyGlobs: [],
  globScanMaxDepth: Number.POSITIVE_INFINITY,
  network: true,
};

const strength: Record<SandboxAccess, number> = { deny: 2, write: 1, read: 0 };
const reach: Record<SandboxAccess, number> = { deny: 0, read: 1, write: 2 };

/** Puts rules in order; of those with the same path the stronger word stays. */
export function orderRules(rules: readonly Rule[]): Rule[] {
  const byPath = new Map<string, Rule>();
  for (const rule of rules) {
    const other = byPath.get(rule.path);
    if (!other || strength[rule.access] > strength[other.access]) byPath.set(rule.path, rule);
  }
  return [...byPath.values()].sort((a, b) => comparePaths(a.path, b.path));
}

/** The folder before its content, else by name. */
function comparePaths(a: string, b: string): number {
  const [left, right] = [a.split("/"), b.split("/")];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i] !== right[i]) return left[i]! < right[i]! ? -1 : 1;
  }
  return left.length - right.length;
}

/** Whether `path` is `folder` or lies in it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}

/** What the rules say of a path, patterns aside. */
export function accessAt(policy: Policy, path: string): SandboxAccess {
  return ruleFor(policy, path)?.access ?? "deny";
}

/** The rule that decides of a path; undefined where none does. */
export function ruleFor(policy: Policy, path: string): Rule | undefined {
  return policy.rules.findLast((rule) => isWithin(path, rule.path));
}

/** Every file may be written. */
export function hasAllFiles(policy: Policy): boolean {
  return (
    accessAt(policy, "/") === "write" &&
    policy.rules.every(({ access }) => access === "write") &&
    policy.denyGlobs.length === 0
  );
}

/** Every file may be read. */
export function canReadAll(policy: Policy): boolean {
  return (
    accessAt(policy, "/") !== "deny" &&
    policy.rules.every(({ access }) => access !== "deny") &&
    policy.denyGlobs.length === 0
  );
}

/** There is nothing to enforce. */
export function isUnrestricted(policy: Policy): boolean {
  return policy.network && hasAllFiles(policy);
}

/** What both allow: the way to hold a request below a ceiling. */
export function intersect(a: Policy, b: Policy): Policy {
  const paths = new Set([...a.rules, ...b.rules].map(({ path }) => path));
  const rules = [...paths].map((path): Rule => {
    const [mine, theirs] = [accessAt(a, path), accessAt(b, path)];
    const named = [a, b].flatMap((policy) => policy.rules.filter((rule) => rule.path === path));
    return {
      path,
      access: reach[mine] < reach[theirs] ? mine : theirs,
      skipMissing: named.every(({ skipMissing }) => skipMissing),
    };
  });
  return {
    rules: orderRules(rules),
    denyGlobs: [...new Set([...a.denyGlobs, ...b.denyGlobs])],
    globScanMaxDepth: Math.max(a.globScanMaxDepth, b.globScanMaxDepth),
    network: a.network && b.network,
  };
}

/** The same text for the same policy. */
export function policyKey({ rules, denyGlobs, globScanMaxDepth, network, looksOnly }: Policy): string {
  const told = rules.map(({ path, access, skipMissing }) => [path, access, skipMissing]);
  return JSON.stringify([told, [...denyGlobs].sort(), `${globScanMaxDepth}`, network, looksOnly === true]);
}

/** The folder that a worktree's `.git` file names; undefined for any other text. */
export function protectedGitFolder(text: string): string | undefined {
  return /^gitdir: *([^\n]+?)\s*(\n|$)/.exec(text)?.[1];
}
