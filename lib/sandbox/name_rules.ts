/** Names that a confined process may not make, however it comes to them: what a mount cannot hold, as it is not there yet. */

import { nodePath } from "../runtime/node_modules.ts";
import { compileGlob, escapeGlob, type Glob } from "./glob.ts";
import { isWithin } from "./policy.ts";

/** What no mount can hold. */
export interface NewNames {
  /** Patterns over real paths. */
  readonly denied: readonly string[];
  /** Links that stay as they are. */
  readonly heldLinks: readonly string[];
}

/** What becomes of a name. */
export type Verdict = "allowed" | "denied" | "held";

/** Judges paths. */
export class NameRules {
  readonly #globs: readonly Glob[];
  readonly #heldLinks: ReadonlySet<string>;

  constructor({ denied, heldLinks }: NewNames) {
    this.#globs = denied.map(compileGlob);
    this.#heldLinks = new Set(heldLinks);
  }

  /** What matches takes what is beneath it along. */
  verdict(path: string): Verdict {
    if (this.#heldLinks.has(path)) return "held";
    for (let at = path; at !== "/"; at = nodePath().posix.dirname(at)) {
      if (this.#globs.some((glob) => glob.matches(at))) return "denied";
    }
    return "allowed";
  }

  /** Whether what is in a folder may match elsewhere though it does not where it is. */
  changesWithin(from: string, to: string): boolean {
    return this.#globs.some((glob) => {
      // `/base/**/name`: only the last name counts, as long as it is below the base.
      const anywhere = glob.base === "/" ? "/**/" : `${escapeGlob(glob.base)}/**/`;
      const isLoose = glob.pattern.startsWith(anywhere) && !glob.pattern.slice(anywhere.length).includes("/");
      return !(isLoose && isWithin(from, glob.base)) && mayReach(glob, to);
    });
  }
}

/** Whether a pattern can match something beneath a folder, as far as its plain beginning tells. */
function mayReach({ base }: Glob, folder: string): boolean {
  return isWithin(base, folder) || isWithin(folder, base);
}
