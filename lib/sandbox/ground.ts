/**
 * Brings a policy down to the disk as it is: links followed, missing paths passed over or held, patterns looked up. What is
 * left is a list of places with what holds there, which a mechanism can enforce or has to refuse.
 */

import { nodePath } from "../runtime/node_modules.ts";
import type { Disk, FileKind } from "./disk.ts";
import { compileGlob, escapeGlob } from "./glob.ts";
import { GlobScan, ScanTooLarge } from "./glob_scan.ts";
import type { NewNames } from "./name_rules.ts";
import { accessAt, isWithin, orderRules, type Policy, protectedGitFolder, type Rule } from "./policy.ts";

/** A place that differs from what is around it. */
export type Place =
  /** Can be read and written, or read only. */
  | { kind: "write" | "read"; path: string }
  /** Can be neither read nor changed. `passable`: what is beneath it can be reached all the same. */
  | { kind: "deny"; path: string; isFolder: boolean; passable: boolean }
  /** Is missing, and nobody may make it. */
  | { kind: "hold"; path: string }
  /** Something on the way to one of the above that could otherwise be put aside, with all that holds in it. */
  | { kind: "pin"; path: string };

/** A policy on this disk. */
export interface Grounded {
  /** What holds where no place says otherwise. */
  base: "none" | "read" | "write";
  /** A folder before what is in it. */
  places: readonly Place[];
  /** Names of the policy that are links in folders that are out of reach: name and where it leads. */
  links: readonly { path: string; target: string }[];
  /** What no mount can hold; undefined where there is nothing of the kind. */
  newNames: NewNames | undefined;
}

/** The policy cannot be enforced on this disk, by any mechanism. */
export class CannotEnforce extends Error {
  override readonly name = "CannotEnforce";
}

const MAX_LINKS = 40;
const MAX_SCANNED_NAMES = 500_000;
/** Every sandbox has its own of these. */
const ownFolders = ["/proc", "/dev"];

/** Where a path leads. */
export interface Found {
  /** A link where they lead in a circle. */
  kind: FileKind;
  /** Without links, as far as it exists. */
  path: string;
  /** Places of the links on the way, by their real folders. */
  links: { path: string; target: string }[];
}

/** Whether a path leads to nothing that we could look at. */
function isNowhere({ kind }: Found): boolean {
  return kind === "unreachable" || kind === "link";
}

/** @throws {CannotEnforce} With the reason. */
export function groundPolicy(policy: Policy, disk: Disk): Grounded {
  const found = new Map<Rule, Found>();
  /** Where what may not be written cannot be looked at. */
  const unseen: Found[] = [];
  const rules: Rule[] = [];
  for (const rule of [...policy.rules, ...worktreeRules(policy, disk)]) {
    if (rule.path === "/") {
      rules.push(rule);
      continue;
    }
    const real = follow(rule.path, disk);
    if (isNowhere(real)) {
      if (rule.access !== "write") unseen.push(real);
      continue;
    }
    const grounded = { ...rule, path: real.path };
    found.set(grounded, real);
    rules.push(grounded);
  }
  const ordered = orderRules(rules);
  const writableLinks = (real: Found | undefined): string[] =>
    (real?.links ?? [])
      .map(({ path }) => path)
      .filter((path) => accessAt({ ...policy, rules: ordered }, nodePath().posix.dirname(path)) === "write");
  const kept = ordered.filter((rule) => {
    if (writableLinks(found.get(rule)).length === 0) return true;
    // Anybody can lead it elsewhere; what is there would become writable.
    return rule.access !== "write";
  });
  // A writable folder that is not there gives nothing, and has no names to protect.
  const there = kept
    .filter((rule) => rule.access !== "write" || found.get(rule)?.kind !== "missing")
    .map((rule): Rule => {
      if (!policy.looksOnly || rule.access !== "write") return rule;
      const looked = { ...rule, access: "read" as const };
      const real = found.get(rule);
      if (real) found.set(looked, real);
      return looked;
    });
  const base = accessAt({ ...policy, rules: there }, "/");
  const realPaths = policy.looksOnly ? [] : [...there.map((rule) => found.get(rule)), ...unseen];
  const heldLinks = [...new Set(realPaths.flatMap(writableLinks))];
  refuseUnseen({ ...policy, rules: there }, unseen, disk);
  const places = placesOf({ ...policy, rules: there }, found, disk, heldLinks);
  const masks = maskedGlobs(policy, there, places, disk);
  const links = there
    .flatMap((rule) => found.get(rule)?.links ?? [])
    .filter(({ path }) => accessAt({ ...policy, rules: there }, path) === "deny");
  const byPath = new Map(links.map((link) => [link.path, link]));
  return {
    base: base === "deny" ? "none" : base,
    places: [...places, ...masks],
    links: [...byPath.values()],
    newNames: newNamesOf(policy, there, heldLinks, disk),
  };
}

/** Who may open a folder up again would find there what nothing holds. */
function refuseUnseen(policy: Policy, unseen: readonly Found[], disk: Disk): void {
  for (const { kind, path } of unseen) {
    const folder = nodePath().posix.dirname(path);
    // Links that lead in a circle are held themselves.
    if (kind === "link" || accessAt(policy, folder) !== "write" || !disk.isWritable(folder)) continue;
    throw new CannotEnforce(`"${path}" cannot be looked at, and could be made accessible`);
  }
}

/** A worktree's `.git` is a file that names the folder. */
function worktreeRules(policy: Policy, disk: Disk): Rule[] {
  return policy.rules.flatMap((rule): Rule[] => {
    if (rule.access !== "read" || nodePath().posix.basename(rule.path) !== ".git") return [];
    const { kind, path } = follow(rule.path, disk);
    const folder = kind === "file" ? protectedGitFolder(disk.head(path)) : undefined;
    if (folder === undefined) return [];
    return [
      {
        path: nodePath().posix.resolve(nodePath().posix.dirname(rule.path), folder),
        access: "read",
        skipMissing: true,
      },
    ].filter(({ path }) => accessAt(policy, path) === "write") as Rule[];
  });
}

/** Where nothing can be made, nothing has to be kept from being made. */
function newNamesOf(
  policy: Policy,
  rules: readonly Rule[],
  heldLinks: readonly string[],
  disk: Disk,
): NewNames | undefined {
  const isWritable = rules.some(({ access }) => access === "write");
  const denied = isWritable
    ? policy.denyGlobs.flatMap((pattern) => [pattern, realPattern(pattern, disk)])
    : [];
  if (denied.length === 0 && heldLinks.length === 0) return undefined;
  return { denied: [...new Set(denied)], heldLinks };
}

function placesOf(
  policy: Policy,
  found: ReadonlyMap<Rule, Found>,
  disk: Disk,
  heldLinks: readonly string[],
): Place[] {
  const places = new Map<string, Place>();
  for (const link of heldLinks) pin(places, policy, nodePath().posix.dirname(link));
  const { rules } = policy;
  for (const [i, rule] of rules.entries()) {
    const { path, access } = rule;
    if (path === "/") continue;
    const own = ownFolders.find((folder) => isWithin(path, folder));
    if (own !== undefined && access === "read") continue;
    if (own !== undefined && access === "write") {
      throw new CannotEnforce(`"${path}" cannot be made writable: a sandbox has a ${own} of its own`);
    }
    const around = accessAt({ ...policy, rules: rules.slice(0, i) }, path);
    if (around === access) continue;
    const { kind } = found.get(rule) ?? { kind: disk.kindOf(path) };
    if (kind === "missing") {
      if (access === "write" || rule.skipMissing || around !== "write") continue;
      const { missing, inTheWay } = firstMissing(path, disk);
      // Nothing can be made in a file, but in a folder in place of it.
      if (inTheWay !== undefined) pin(places, policy, inTheWay);
      else if (disk.isWritable(nodePath().posix.dirname(missing))) {
        places.set(missing, { kind: "hold", path: missing });
        pin(places, policy, nodePath().posix.dirname(missing));
      }
      continue;
    }
    if (access === "deny") {
      const passable = rules.some(
        (other) => other.access !== "deny" && other.path !== path && isWithin(other.path, path),
      );
      places.set(path, { kind: "deny", path, isFolder: kind === "folder", passable });
    } else {
      places.set(path, { kind: access, path });
    }
    if (around === "write") pin(places, policy, nodePath().posix.dirname(path));
  }
  return [...places.values()].sort(
    (a, b) => a.path.split("/").length - b.path.split("/").length || (a.path < b.path ? -1 : 1),
  );
}

/** Whatever lies between a narrower rule and the top of what is writable is held in place, roots within others too. */
function pin(places: Map<string, Place>, policy: Policy, folder: string): void {
  const { dirname } = nodePath().posix;
  for (let path = folder; path !== "/" && accessAt(policy, dirname(path)) === "write"; path = dirname(path)) {
    if (!places.has(path)) places.set(path, { kind: "pin", path });
  }
}

/** The outermost missing folder of a path, and what stands in the way of making it that is no folder. */
function firstMissing(path: string, disk: Disk): { missing: string; inTheWay?: string } {
  let missing = path;
  for (let folder = nodePath().posix.dirname(path); ; folder = nodePath().posix.dirname(folder)) {
    const kind = disk.kindOf(folder);
    if (kind === "folder" || folder === "/") return { missing };
    if (kind !== "missing") return { missing, inTheWay: folder };
    // A file on the way answers "missing" for what is beneath it.
    missing = folder;
  }
}

/** Paths are compared as they are without links. */
function realPattern(pattern: string, disk: Disk): string {
  const { base } = compileGlob(pattern);
  const real = follow(base, disk);
  if (base === "/" || isNowhere(real)) return pattern;
  return `${escapeGlob(real.path)}${pattern.slice(base.length)}`;
}

/** Looks up what the patterns of a policy match. */
export function scanOf({ denyGlobs, globScanMaxDepth }: Policy): GlobScan {
  return new GlobScan(denyGlobs.map(compileGlob), {
    maxDepth: globScanMaxDepth,
    maxNames: MAX_SCANNED_NAMES,
  });
}

/** @throws {CannotEnforce} It cannot all be looked through. */
function matchesNow(policy: Policy): string[] {
  try {
    return scanOf(policy).matches();
  } catch (error) {
    if (error instanceof ScanTooLarge) throw new CannotEnforce(`glob patterns: ${error.message}`);
    throw error;
  }
}

function maskedGlobs(policy: Policy, rules: readonly Rule[], places: readonly Place[], disk: Disk): Place[] {
  if (policy.denyGlobs.length === 0) return [];
  const masks = new Map<string, Place>();
  for (const match of matchesNow(policy)) {
    const real = follow(match, disk);
    const folder = nodePath().posix.dirname(real.path);
    // Who opens the folder up reaches it.
    const isShut = real.kind === "unreachable" && disk.isWritable(folder);
    if (!isShut && (real.kind === "missing" || isNowhere(real))) continue;
    const path = isShut ? folder : real.path;
    const hidden = accessAt({ ...policy, rules }, path) === "deny";
    const masked = places.some((place) => place.kind === "deny" && isWithin(path, place.path));
    if (hidden || masked) continue;
    const isFolder = isShut || real.kind === "folder";
    masks.set(path, { kind: "deny", path, isFolder, passable: false });
  }
  return [...masks.values()];
}

/** Follows all links of a path, as the system does. */
export function follow(path: string, disk: Disk): Found {
  const links: Found["links"] = [];
  let rest = path.split("/").filter((name) => name !== "");
  let real = "/";
  let kind: FileKind = "folder";
  while (rest.length > 0) {
    const name = rest[0]!;
    rest = rest.slice(1);
    if (name === "..") {
      real = nodePath().posix.dirname(real);
      continue;
    }
    const next = real === "/" ? `/${name}` : `${real}/${name}`;
    kind = disk.kindOf(next);
    if (kind === "unreachable") return { kind, path: next, links };
    if (kind === "missing") return { kind, path: [next, ...rest].join("/"), links };
    if (kind !== "link") {
      real = next;
      continue;
    }
    if (links.length >= MAX_LINKS) return { kind, path: next, links };
    const target = disk.linkTarget(next);
    links.push({ path: next, target });
    if (target.startsWith("/")) real = "/";
    rest = [...target.split("/").filter((part) => part !== "" && part !== "."), ...rest];
    kind = "folder";
  }
  return { kind, path: real, links };
}
