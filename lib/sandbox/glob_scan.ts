/** What is on the disk and matches patterns, asked again and again: only folders that have changed are read again. */

import { nodeFs } from "../runtime/node_modules.ts";
import { mayBeEntered } from "./disk.ts";
import type { Glob } from "./glob.ts";

/** Bounds of a search. */
export interface ScanLimits {
  maxDepth: number;
  /** The search ends with an error above so many names. */
  maxNames: number;
}

/** There is more to look through than the limit allows. */
export class ScanTooLarge extends Error {
  override readonly name = "ScanTooLarge";
}

/** What a folder held when it was read. */
interface Listing {
  /** Which folder, and when it was last changed; undefined where that would not tell of the next change. */
  stamp: string | undefined;
  names: number;
  /** Paths that match. */
  found: readonly string[];
  /** Folders to look into. */
  folders: readonly string[];
}

/**
 * A change leaves its time with the folder, which nobody can set, but times are coarse: one right after another may look
 * the same. So a listing is kept only when the last change was this long before it was read.
 */
const SETTLED_MS = 3000;

/** ext, xfs, btrfs, f2fs, tmpfs, overlay: their times are those of our clock and told at once, others' may not be. */
const fileSystemsWithOurTimes = new Set([
  ...[0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994, 0x794c7630],
]);

/** A search for the same patterns, as often as it is asked. Links are not followed: their target is found by its own name. */
export class GlobScan {
  readonly #byBase = new Map<string, { wanted: Glob[]; known: Map<string, Listing> }>();
  readonly #limits: ScanLimits;
  /** Whether the times of a device's folders can be relied on. */
  readonly #devices = new Map<number, boolean>();

  constructor(globs: readonly Glob[], limits: ScanLimits) {
    this.#limits = limits;
    for (const glob of globs) {
      const same = this.#byBase.get(glob.base);
      if (same) same.wanted.push(glob);
      else this.#byBase.set(glob.base, { wanted: [glob], known: new Map() });
    }
  }

  /**
   * What is there now and matches, the outermost only. A folder that cannot be listed is told as a whole where whom we start
   * could reach what is in it.
   * @throws {ScanTooLarge}
   */
  matches(): string[] {
    const found = new Set<string>();
    let names = 0;
    for (const [base, group] of this.#byBase) {
      // What has gone is forgotten with the map that had it.
      const known = new Map<string, Listing>();
      const maxDepth = Math.min(this.#limits.maxDepth, Math.max(...group.wanted.map(({ depth }) => depth)));
      let level = [base];
      for (let depth = 1; level.length > 0 && depth <= maxDepth; depth++) {
        const next: string[] = [];
        for (const folder of level) {
          const listing = this.#look(folder, group.wanted, group.known.get(folder), names);
          if (!listing) continue;
          names += listing.names;
          this.#checkSize(names, base);
          known.set(folder, listing);
          for (const path of listing.found) found.add(path);
          next.push(...listing.folders);
        }
        level = next;
      }
      group.known = known;
    }
    return [...found].sort();
  }

  /** Undefined where it is missing, or out of reach for whom we start too. */
  #look(
    folder: string,
    wanted: readonly Glob[],
    before: Listing | undefined,
    names: number,
  ): Listing | undefined {
    const readAt = Date.now();
    try {
      const { stamp, dev, ctimeMs } = stampOf(folder);
      if (before?.stamp === stamp) return before;
      const listing = this.#read(folder, wanted, names);
      const settled = readAt - ctimeMs > SETTLED_MS && this.#hasOurTimes(dev, folder);
      // Between look and reading another folder can have taken its place.
      return settled && stampOf(folder).stamp === stamp ? { ...listing, stamp } : listing;
    } catch (error) {
      if (error instanceof ScanTooLarge) throw error;
      const isShut = (error as NodeJS.ErrnoException).code === "EACCES" && mayBeEntered(folder);
      return isShut ? { stamp: undefined, names: 0, found: [folder], folders: [] } : undefined;
    }
  }

  #read(folder: string, wanted: readonly Glob[], names: number): Listing {
    const entries = nodeFs().readdirSync(folder, { withFileTypes: true });
    this.#checkSize(names + entries.length, folder);
    const found: string[] = [];
    const folders: string[] = [];
    for (const entry of entries) {
      const { name } = entry;
      const pathOf = (): string => (folder === "/" ? `/${name}` : `${folder}/${name}`);
      if (wanted.some((glob) => glob.endsIn(name) && glob.matches(pathOf()))) found.push(pathOf());
      else if (entry.isDirectory()) folders.push(pathOf());
    }
    return { stamp: undefined, names: entries.length, found, folders };
  }

  #checkSize(names: number, where: string): void {
    const { maxNames } = this.#limits;
    if (names > maxNames) throw new ScanTooLarge(`more than ${maxNames} names under ${where}`);
  }

  #hasOurTimes(device: number, folder: string): boolean {
    let has = this.#devices.get(device);
    if (has === undefined) {
      has = fileSystemsWithOurTimes.has(nodeFs().statfsSync(folder).type >>> 0);
      this.#devices.set(device, has);
    }
    return has;
  }
}

function stampOf(folder: string): { stamp: string; dev: number; ctimeMs: number } {
  const { dev, ino, ctimeMs } = nodeFs().statSync(folder);
  return { stamp: `${dev}:${ino}:${ctimeMs}`, dev, ctimeMs };
}
