/** What this machine has to confine programs with, found out by trying. */

import process from "node:process";
import { nodeChildProcess, nodeFs } from "../runtime/node_modules.ts";
import type { Kernel } from "../runtime/runtime.ts";
import { landlockVersion, NAMES_VERSION, WANTED_VERSION } from "./landlock.ts";
import { type Architecture, auditArch } from "./system_calls.ts";

/** Something that works, or why it does not. */
export type Tried<T> = ({ works: true } & T) | { works: false; why: string };

export interface Mechanisms {
  /** Namespaces and mounts: can express every policy. */
  bubblewrap: Tried<{
    path: string;
    disableUserNamespaces: boolean;
    /** Paths of `/proc` and `/sys` that the administrator may write without any right, and that reach the whole machine. */
    kernelSettings: string[];
  }>;
  /** File rules of the kernel: policies without exceptions in what they allow. */
  landlock: Tried<{ version: number }>;
  /** What bubblewrap needs besides to hold names that are not there yet. */
  names: Tried<object>;
  /** The filter of system calls, which the other two need too. */
  seccomp: Tried<{ architecture: Architecture }>;
  /** macOS. */
  seatbelt: Tried<{ path: string }>;
}

/** Where nobody but the administrator can put a program. The PATH may name a folder of the workspace. */
const bubblewrapPaths = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];
const SEATBELT = "/usr/bin/sandbox-exec";
const TRY_WITHIN_MS = 10_000;

let tried: Mechanisms | undefined;

/** Found out at the first call, which takes some ten milliseconds, and kept. */
export function mechanisms(kernel: Kernel | undefined): Mechanisms {
  if (!kernel) return tryAll(undefined);
  tried ??= tryAll(kernel);
  return tried;
}

/** Something has failed that worked before: the next call tries again. */
export function forgetMechanisms(): void {
  tried = undefined;
}

function tryAll(kernel: Kernel | undefined): Mechanisms {
  const seccomp = trySeccomp(kernel);
  const failed = seccomp.works ? undefined : { works: false as const, why: seccomp.why };
  return {
    seccomp,
    bubblewrap: failed ?? tryBubblewrap(),
    landlock: failed ?? tryLandlock(kernel!, (seccomp as { architecture: Architecture }).architecture),
    names: failed ?? tryNames(kernel!, (seccomp as { architecture: Architecture }).architecture),
    seatbelt: trySeatbelt(),
  };
}

function trySeccomp(kernel: Kernel | undefined): Mechanisms["seccomp"] {
  if (process.platform !== "linux") return { works: false, why: "not Linux" };
  if (!Object.hasOwn(auditArch, process.arch)) return { works: false, why: `not made for ${process.arch}` };
  if (!kernel) return { works: false, why: "the C library cannot be called" };
  return { works: true, architecture: process.arch as Architecture };
}

function tryBubblewrap(): Mechanisms["bubblewrap"] {
  const path = bubblewrapPaths.find(isTrusted);
  if (path === undefined) return { works: false, why: `not installed at ${bubblewrapPaths.join(", ")}` };
  let why = "";
  for (const disableUserNamespaces of [true, false]) {
    const result = nodeChildProcess().spawnSync(
      path,
      [...trial, ...(disableUserNamespaces ? ["--disable-userns"] : []), "--", path, "--version"],
      {
        encoding: "utf8",
        env: {},
        timeout: TRY_WITHIN_MS,
      },
    );
    if (result.status === 0)
      return { works: true, path, disableUserNamespaces, kernelSettings: kernelSettings() };
    why = result.stderr?.trim().split("\n").at(-1) || result.error?.message || `it ended by ${result.signal}`;
  }
  return { works: false, why };
}

/**
 * Whoever has the administrator's number owns these files, and no more is asked of him: with `/proc/sys/kernel/core_pattern`
 * he has the kernel start a program outside. Bubblewrap covers only what looks writable by its folder.
 */
function kernelSettings(): string[] {
  if (process.getuid?.() !== 0) return [];
  const found = nodeFs()
    .readdirSync("/proc")
    .filter((name) => !/^\d+$/.test(name))
    .map((name) => `/proc/${name}`)
    .filter((path) => {
      try {
        const stat = nodeFs().lstatSync(path);
        return stat.isDirectory() || (stat.isFile() && (stat.mode & 0o222) !== 0);
      } catch {
        return false;
      }
    });
  return ["/sys", ...found];
}

/** One of each kind of what policies need. */
const trial = [
  ...["--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net"],
  ...["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"],
  ...["--perms", "0555", "--tmpfs", "/dev/shm", "--remount-ro", "/dev/shm", "--cap-drop", "ALL"],
];

/** The administrator's, and nobody else may change it. */
function isTrusted(path: string): boolean {
  try {
    const { uid, mode } = nodeFs().statSync(path);
    return uid === 0 && (mode & 0o022) === 0 && (mode & 0o111) !== 0;
  } catch {
    return false;
  }
}

function tryLandlock(kernel: Kernel, architecture: Architecture): Mechanisms["landlock"] {
  const version = landlockVersion(kernel, architecture);
  if (version >= WANTED_VERSION) return { works: true, version };
  const why =
    version === 0 ? "the kernel has none" : `the kernel has version ${version}, wanted ${WANTED_VERSION}`;
  return { works: false, why };
}

function tryNames(kernel: Kernel, architecture: Architecture): Mechanisms["names"] {
  const version = landlockVersion(kernel, architecture);
  if (version >= NAMES_VERSION) return { works: true };
  return { works: false, why: `Landlock of the kernel has version ${version}, wanted ${NAMES_VERSION}` };
}

function trySeatbelt(): Mechanisms["seatbelt"] {
  if (process.platform !== "darwin") return { works: false, why: "not macOS" };
  return isTrusted(SEATBELT) ? { works: true, path: SEATBELT } : { works: false, why: `no ${SEATBELT}` };
}
