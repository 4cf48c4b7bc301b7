/** The kernel's file rules (Landlock) for a grounded policy. They only ever allow, so many policies they cannot express. */

import { O_NOFOLLOW, O_PATH } from "../runtime/file_libc.ts";
import { nodeFs } from "../runtime/node_modules.ts";
import type { Kernel } from "../runtime/runtime.ts";
import type { Grounded } from "./ground.ts";
import { CannotEnforce } from "./ground.ts";
import { type Architecture, callNumber } from "./system_calls.ts";

/** One path with what may be done beneath it. */
export interface FileRule {
  path: string;
  access: "read" | "write";
}

/** Version 6 keeps signals and local sockets inside; without that a policy would leak. */
export const WANTED_VERSION = 6;
/** Version 2, of Linux 5.19, has all that {@link makeNamesRuleset} needs; the filter's listener has by then what it needs. */
export const NAMES_VERSION = 2;

export const RULE_PATH_BENEATH = 1;
const CREATE_VERSION = 1;

/** Bits of rights. */
const right = {
  execute: 1 << 0,
  writeFile: 1 << 1,
  readFile: 1 << 2,
  readFolder: 1 << 3,
  removeFile: 1 << 5,
  makeDevice: (1 << 6) | (1 << 11),
  makeFolder: 1 << 7,
  makeFile: 1 << 8,
  makePipe: 1 << 10,
  makeLink: 1 << 12,
  moveBetweenFolders: 1 << 13,
  truncate: 1 << 14,
  ioctlDevice: 1 << 15,
} as const;
/** All 16 rights of versions 1 to 5, from executing to device requests. */
const allRights = 0xffff;
/** All but a local socket, which holds nothing. */
const makeRights =
  right.makeDevice |
  right.makeFolder |
  right.makeFile |
  right.makePipe |
  right.makeLink |
  right.moveBetweenFolders;
const readRights = right.execute | right.readFile | right.readFolder;
/** What can be allowed of something that is no folder. */
const fileRights = right.execute | right.writeFile | right.readFile | right.truncate | right.ioctlDevice;
/** What a program may do with its own folder of `/proc`. */
export const processRights: number = right.readFile | right.readFolder;
const networkRights = 0b11;
const scopes = 0b11;

/** Devices that every program expects to write. */
const devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/** Keeps from making names, so that a guard has to do it, and from taking them away where asked. */
export function makeNamesRuleset(kernel: Kernel, architecture: Architecture, removals: boolean): number {
  return createRuleset(kernel, architecture, [makeRights | (removals ? right.removeFile : 0)]);
}

/** Keeps signals, tracing and local sockets without a name on the disk inside, and no file from anybody. */
export function makeScopeRuleset(kernel: Kernel, architecture: Architecture): number {
  return createRuleset(kernel, architecture, [0, 0, scopes]);
}

/** What it handles: files, network, scopes. @throws {CannotEnforce} */
function createRuleset(kernel: Kernel, architecture: Architecture, handled: readonly number[]): number {
  const attributes = new BigUint64Array(handled.map(BigInt));
  const create = callNumber(architecture, "landlock_create_ruleset")!;
  const ruleset = kernel.call(create, new Uint8Array(attributes.buffer), attributes.byteLength, 0);
  if (ruleset < 0) throw new CannotEnforce("the kernel made no file rules");
  return ruleset;
}

/** The version of the kernel's; 0 where it has none. */
export function landlockVersion(kernel: Kernel, architecture: Architecture): number {
  const create = callNumber(architecture, "landlock_create_ruleset")!;
  return Math.max(0, kernel.call(create, 0, 0, CREATE_VERSION));
}

/** @throws {CannotEnforce} What is narrower than what is around it cannot be expressed. */
export function landlockRules({ base, places, newNames }: Grounded): FileRule[] {
  if (newNames)
    throw cannot(
      newNames.denied[0] ? `the pattern "${newNames.denied[0]}"` : `the link "${newNames.heldLinks[0]}"`,
    );
  const rules: FileRule[] = base === "none" ? [] : [{ path: "/", access: base }];
  for (const place of places) {
    switch (place.kind) {
      case "write":
        rules.push({ path: place.path, access: "write" });
        break;
      case "read":
        if (rules.some(({ path, access }) => access === "write" && isBeneath(place.path, path))) {
          throw cannot(`"${place.path}" to be read-only in a writable folder`);
        }
        rules.push({ path: place.path, access: "read" });
        break;
      case "hold":
        throw cannot(`"${place.path}" to stay missing in a writable folder`);
      case "deny":
        throw cannot(`"${place.path}" to be out of reach in a folder that can be read`);
    }
  }
  return rules;
}

/** A set of rules as a descriptor, which the caller closes. @throws {CannotEnforce} */
export function makeRuleset(
  kernel: Kernel,
  architecture: Architecture,
  rules: readonly FileRule[],
  network: boolean,
): number {
  // Network rights apply to TCP; they are handled, and so refused, where the filter refuses the rest.
  const ruleset = createRuleset(kernel, architecture, [allRights, network ? 0 : networkRights, scopes]);
  try {
    const own: FileRule[] = devices.map((path) => ({ path, access: "write" }));
    for (const { path, access } of [...rules, ...own]) {
      const fd = kernel.open(path, O_PATH | O_NOFOLLOW);
      // It has gone, which allows nothing.
      if (fd < 0) continue;
      try {
        const rule = new DataView(new ArrayBuffer(12));
        const wanted = access === "read" ? readRights : allRights;
        const allowed = nodeFs().statSync(`/proc/self/fd/${fd}`).isDirectory() ? wanted : wanted & fileRights;
        rule.setBigUint64(0, BigInt(allowed), true);
        rule.setInt32(8, fd, true);
        const added = kernel.call(
          callNumber(architecture, "landlock_add_rule")!,
          ruleset,
          RULE_PATH_BENEATH,
          new Uint8Array(rule.buffer),
          0,
        );
        if (added < 0) throw new CannotEnforce(`the kernel took no file rule for "${path}"`);
      } finally {
        kernel.close(fd);
      }
    }
    return ruleset;
  } catch (error) {
    kernel.close(ruleset);
    throw error;
  }
}

function isBeneath(path: string, folder: string): boolean {
  return folder === "/" || path.startsWith(`${folder}/`);
}

function cannot(what: string): CannotEnforce {
  return new CannotEnforce(`only bubblewrap could hold ${what}`);
}
