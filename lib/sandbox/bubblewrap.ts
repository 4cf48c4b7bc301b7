/** The arguments of bubblewrap for a grounded policy. */

import type { Grounded, Place } from "./ground.ts";

/** What a sandbox needs besides its places. */
export interface BubblewrapOptions {
  network: boolean;
  cwd: string;
  /** All variables of the program. */
  env: Readonly<Record<string, string>>;
  /** First descriptor of the empty files that stand for denied ones. */
  firstMaskFd: number;
  /** Keep the program from making namespaces of its own; only where the installed version can. */
  disableUserNamespaces: boolean;
  /** Held read-only, whatever the policy says. */
  kernelSettings: readonly string[];
}

/** The options of bubblewrap, and what they count on. */
export interface BubblewrapPlan {
  /** Everything before `--`: for `--args`, as variables must not show in the process table. */
  options: string[];
  /** Empty files to hand over, from `firstMaskFd` on. */
  masks: number;
  /** Missing folders that bubblewrap makes on the disk to have something to mount on. */
  placeholders: string[];
}

/** A folder that is there, empty and not to be written. */
const HELD_MODE = "0555";
const DENIED_MODE = "0000";
/** What is beneath can be reached, and nothing be listed. */
const PASSABLE_MODE = "0111";

export function bubblewrapPlan(
  { base, places, links }: Grounded,
  { network, cwd, env, firstMaskFd, disableUserNamespaces, kernelSettings }: BubblewrapOptions,
): BubblewrapPlan {
  const options: string[] = ["--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-ipc"];
  if (disableUserNamespaces) options.push("--disable-userns");
  if (!network) options.push("--unshare-net");
  if (base === "none") options.push("--tmpfs", "/");
  else options.push(base === "write" ? "--bind" : "--ro-bind", "/", "/");
  // Shared memory of its own: what is written there is not taken for a file.
  options.push("--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm", "--proc", "/proc");
  for (const path of kernelSettings) {
    if (base !== "none" || path.startsWith("/proc/")) options.push("--ro-bind-try", path, path);
  }
  let masks = 0;
  const sealed: string[] = [];
  for (const place of places) {
    options.push(...mountOptions(place, () => firstMaskFd + masks++));
    const isEmptyFolder = place.kind === "hold" || (place.kind === "deny" && place.isFolder);
    if (isEmptyFolder) sealed.push(place.path);
  }
  for (const { path, target } of links) options.push("--symlink", target, path);
  // Only when everything beneath is mounted. Without it a write would be acknowledged and lost.
  for (const path of [...sealed].reverse()) options.push("--remount-ro", path);
  options.push("--remount-ro", "/dev");
  if (base === "none") options.push("--remount-ro", "/");
  for (const [name, value] of Object.entries(env)) options.push("--setenv", name, value);
  options.push("--cap-drop", "ALL", "--chdir", cwd);
  const placeholders = places.filter(({ kind }) => kind === "hold").map(({ path }) => path);
  return { options, masks, placeholders };
}

function mountOptions(place: Place, nextMask: () => number): string[] {
  const { path } = place;
  switch (place.kind) {
    case "write":
    case "pin":
      return ["--bind", path, path];
    case "read":
      return ["--ro-bind", path, path];
    case "hold":
      return ["--perms", HELD_MODE, "--tmpfs", path];
    case "deny":
      return place.isFolder
        ? ["--perms", place.passable ? PASSABLE_MODE : DENIED_MODE, "--tmpfs", path]
        : ["--perms", DENIED_MODE, "--ro-bind-data", `${nextMask()}`, path];
  }
}
