/**
 * Folders that stand on the disk while a sandbox holds a missing name. Bubblewrap makes them, as it needs something to mount
 * on; they are empty, and go with the last sandbox that uses them, also when this program is killed.
 */

import { Buffer } from "node:buffer";
import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import type { Child, Runtime } from "../runtime/runtime.ts";
import { type Disk, realDisk } from "./disk.ts";

/** How many sandboxes use a folder. */
const users = new Map<string, number>();
const POLL_MS = 2;
/** A killed sandbox is gone much sooner. */
const GONE_WITHIN_MS = 5000;
/** The shell goes when there has been nothing to look after for so long. */
const IDLE_MS = 1000;

/** Whether a folder only stands for a missing one. */
export function isPlaceholder(path: string): boolean {
  return users.has(path);
}

export function hasPlaceholders(): boolean {
  return users.size > 0;
}

/** Somebody makes the folder that stands for a missing one: it stays. */
export function adoptPlaceholder(path: string): void {
  users.delete(path);
}

/** The disk as it is without placeholders. */
export const diskWithoutPlaceholders: Disk = {
  ...realDisk,
  kindOf: (path) => (users.has(path) ? "missing" : realDisk.kindOf(path)),
};

/** Held from before a sandbox begins until it has ended. */
export class Placeholders {
  readonly #paths: readonly string[];
  readonly #janitor: Janitor;
  #members: number[] = [];

  constructor(runtime: Runtime, paths: readonly string[]) {
    this.#paths = paths;
    this.#janitor = janitorOf(runtime);
    if (paths.length === 0) return;
    for (const path of paths) users.set(path, (users.get(path) ?? 0) + 1);
    this.#janitor.watch();
  }

  /** The sandbox runs: who is in it has to be gone before the names are free. */
  started(outer: number): void {
    if (this.#paths.length > 0) this.#members = childrenOf(outer);
  }

  async ended(): Promise<void> {
    const end = performance.now() + GONE_WITHIN_MS;
    while (this.#members.some(isAlive) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    for (const path of this.#paths) {
      // It may have been adopted.
      if (!users.has(path)) continue;
      const left = users.get(path)! - 1;
      if (left > 0) {
        users.set(path, left);
        continue;
      }
      users.delete(path);
      try {
        rmdirSync(path);
      } catch {
        // Not made, or not empty and so not ours.
      }
    }
    if (this.#paths.length > 0) this.#janitor.watch();
  }
}

/** Numbers of the children of a process. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    // A kernel without that file: all rows are looked through.
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => parentOf(child) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** The first process of a namespace becomes a zombie when all others in it have gone. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !"ZX".includes(stat[stat.lastIndexOf(")") + 2]!);
  } catch {
    return false;
  }
}

/** Each line is all there is to remove, a path a word, written so that `printf %b` gives it back. */
const script = `
exec >/dev/null 2>&1
trap '' HUP INT TERM
last=
while read -r line; do last=$line; done
[ "$last" ] || exit 0
sleep 1
for word in $last; do
  path=$(printf '%b.' "$word")
  rmdir -- "\${path%.}"
done
`;

/** A shell at the end of a pipe, which removes the folders when we could not. */
class Janitor {
  readonly #runtime: Runtime;
  #shell: Child | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Tells it what there is now. */
  watch(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    if (users.size === 0 && !this.#shell) return;
    this.#shell ??= this.#start();
    const words = [...users.keys()].map((path) =>
      [...Buffer.from(path)].map((byte) => `\\0${byte.toString(8)}`).join(""),
    );
    this.#shell?.stdin?.write(Buffer.from(`${words.join(" ")}\n`)).catch(() => {
      this.#dismiss();
      if (users.size > 0) this.watch();
    });
    if (users.size === 0) this.#idle = setTimeout(() => this.#dismiss(), IDLE_MS);
  }

  #start(): Child | undefined {
    try {
      const shell = this.#runtime.spawn({
        file: "/bin/sh",
        argv: ["exec-server-janitor", "-c", script],
        env: { PATH: "/usr/bin:/bin" },
        cwd: "/",
        stdin: "pipe",
      });
      shell.stdout.cancel();
      shell.stderr?.cancel();
      return shell;
    } catch {
      return undefined;
    }
  }

  #dismiss(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const shell = this.#shell;
    this.#shell = undefined;
    shell?.stdin?.close();
  }
}

const janitors = new WeakMap<Runtime, Janitor>();

function janitorOf(runtime: Runtime): Janitor {
  let janitor = janitors.get(runtime);
  if (!janitor) {
    janitor = new Janitor(runtime);
    janitors.set(runtime, janitor);
  }
  return janitor;
}
