/** Chooses how a policy is enforced, or refuses it before anything is started. */

import type { Disk } from "./disk.ts";
import { CannotEnforce, type Grounded, groundPolicy } from "./ground.ts";
import { type FileRule, landlockRules } from "./landlock.ts";
import type { Mechanisms } from "./mechanisms.ts";
import { hasAllFiles, isUnrestricted, type Policy } from "./policy.ts";

/** How a policy is enforced. */
export type Plan =
  /** There is nothing to enforce. */
  | { kind: "none" }
  /** All files may be written; the filter keeps the network out. */
  | { kind: "filter" }
  | { kind: "bubblewrap"; grounded: Grounded }
  | { kind: "landlock"; rules: FileRule[] }
  | { kind: "seatbelt" };

/** @throws {CannotEnforce} No mechanism that works here can express the policy; says why for each. */
export function planFor(policy: Policy, works: () => Mechanisms, disk: Disk): Plan {
  if (isUnrestricted(policy)) return { kind: "none" };
  const { bubblewrap, landlock, names, seccomp, seatbelt } = works();
  if (seatbelt.works) return { kind: "seatbelt" };
  if (!seccomp.works) throw new CannotEnforce(`this server cannot confine anything: ${seccomp.why}`);
  if (hasAllFiles(policy)) return { kind: "filter" };
  const grounded = groundPolicy(policy, disk);
  if (bubblewrap.works) {
    if (grounded.newNames && !names.works) {
      throw new CannotEnforce(`patterns and links in a writable folder cannot be held: ${names.why}`);
    }
    return { kind: "bubblewrap", grounded };
  }
  if (!landlock.works) {
    throw new CannotEnforce(
      `bubblewrap does not work (${bubblewrap.why}), nor does Landlock (${landlock.why})`,
    );
  }
  try {
    return { kind: "landlock", rules: landlockRules(grounded) };
  } catch (error) {
    if (!(error instanceof CannotEnforce)) throw error;
    throw new CannotEnforce(`${error.message}, and it does not work (${bubblewrap.why})`);
  }
}
