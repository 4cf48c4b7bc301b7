/** What the system says of processes, from /proc. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The fields of /proc/PID/stat that tests look at; undefined when the process is gone. */
export function statOf(
  pid: number,
): { state: string; parent: number; group: number; session: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, parent, group, session] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: state!, parent: Number(parent), group: Number(group), session: Number(session) };
  } catch {
    return undefined;
  }
}

/** Runs, and is no zombie. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.state !== "Z" && stat.state !== "X";
}

/** Zombies count: somebody forgot to reap them. The guard does not: it outlives what it guards by a second. */
export function childrenOf(parent: number): number[] {
  return pids().filter((pid) => statOf(pid)?.parent === parent && !isGuard(pid));
}

function isGuard(pid: number): boolean {
  try {
    return /^exec-server-(guardian|janitor)\0/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  } catch {
    return false;
  }
}

/** The shell that guards what a server has started, while the server lives. */
export function guardOf(server: number): number | undefined {
  return pids().find((pid) => isGuard(pid) && statOf(pid)?.parent === server);
}

/** Home and shell of this user by the system's list; `userInfo()` takes them from variables on Bun. */
export function loginOf(uid: number): { home: string; shell: string } {
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const fields = line.split(":");
    if (fields.length >= 7 && Number(fields[2]) === uid) return { home: fields[5]!, shell: fields[6]! };
  }
  throw new Error(`No user ${uid} in /etc/passwd`);
}

export function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** Resident memory in MiB, now or at its highest. */
export function memoryOf(pid: number, which: "VmRSS" | "VmHWM" = "VmRSS"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${which}:\\s*(\\d+)`, "m").exec(status)![1]) / 1024;
}

/** Processes whose working directory is in a folder. */
export function processesIn(folder: string): number[] {
  return pids().filter((pid) => {
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, "");
      return cwd === folder || cwd.startsWith(`${folder}/`);
    } catch {
      return false;
    }
  });
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}
