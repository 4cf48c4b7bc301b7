/**
 * Folders that stand on the disk while a sandbox holds a missing name, as a mount needs a place. They are empty and bear a time
 * that nobody has by chance, so that every server knows them for what they are; each server that uses one has a shared lock
 * on it, and the last removes it. When this program is killed, a shell does.
 */

import { Buffer } from "node:buffer";
import process from "node:process";
import { nodeFs, nodePath } from "../runtime/node_modules.ts";
import type { Child, Kernel, Runtime } from "../runtime/runtime.ts";
import { type Disk, type FileKind, realDisk } from "./disk.ts";

/** A folder of ours: how many sandboxes of this program use it, and our lock. */
interface Held {
  users: number;
  fd: number;
  kernel: Kernel;
}

const held = new Map<string, Held>();
const POLL_MS = 2;
/** A killed sandbox is gone much sooner. */
const GONE_WITHIN_MS = 5000;
/** The shell goes when there has been nothing to look after for so long. */
const IDLE_MS = 1000;
/** 5 November 1985, 00:53:20.123. What is put into a folder changes its time. */
const MARK_MS = 500_000_000_123;
const MAX_TRIES = 100;
const LOCK_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const DO_NOT_WAIT = 4;
const UNLOCK = 8;
const flockNumber = process.arch === "arm64" ? 32 : 73;
const O_DIRECTORY_ONLY = process.arch === "arm64" ? 0o40000 : 0o200000;

/** Whether a folder only stands for a missing one, as far as this program has made it so. */
export function isPlaceholder(path: string): boolean {
  return held.has(path) && isMarked(path);
}

export function hasPlaceholders(): boolean {
  return held.size > 0;
}

/** Somebody makes the folder that stands for a missing one: it stays. */
export function adoptPlaceholder(path: string): void {
  const found = held.get(path);
  if (!found) return;
  held.delete(path);
  found.kernel.close(found.fd);
  const seconds = (performance.timeOrigin + performance.now()) / 1000;
  nodeFs().utimesSync(path, seconds, seconds);
}

/**
 * Also one of another server's. Whoever may change a folder may give it the time, and with it what is in it the look of
 * something missing: so it must be empty.
 */
function isMarked(path: string): boolean {
  try {
    return hasMark(path) && nodeFs().readdirSync(path).length === 0;
  } catch {
    return false;
  }
}

function hasMark(path: string): boolean {
  const stat = nodeFs().lstatSync(path);
  return stat.isDirectory() && stat.mtimeMs === MARK_MS;
}

/** The disk as it is without placeholders, for one look at it: nothing is asked of it twice. */
export function diskWithoutPlaceholders(): Disk {
  const known = new Map<string, FileKind>();
  return {
    ...realDisk,
    kindOf: (path) => {
      let kind = known.get(path);
      if (kind === undefined) {
        kind = realDisk.kindOf(path);
        if (kind === "folder" && isMarked(path)) kind = "missing";
        known.set(path, kind);
      }
      return kind;
    },
  };
}

/** Held from before a sandbox begins until it has ended. */
export class Placeholders {
  readonly #paths: string[] = [];
  readonly #kernel: Kernel | undefined;
  readonly #janitor: Janitor;
  #members: number[] = [];

  /** @throws {Error} One cannot be made; those before it have been given back. */
  constructor(runtime: Runtime, paths: readonly string[]) {
    this.#janitor = janitorOf(runtime);
    if (paths.length === 0) return;
    this.#kernel = runtime.kernel();
    try {
      for (const path of paths) {
        hold(this.#kernel!, path);
        this.#paths.push(path);
      }
    } catch (error) {
      for (const path of this.#paths.splice(0)) release(this.#kernel!, path);
      throw error;
    }
    this.#janitor.watch();
  }

  /** The sandbox runs: who is in it has to be gone before the names are free. */
  started(outer: number): void {
    if (this.#paths.length > 0) this.#members = childrenOf(outer);
  }

  async ended(): Promise<void> {
    if (this.#paths.length === 0) return;
    const end = performance.now() + GONE_WITHIN_MS;
    while (this.#members.some(isAlive) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    for (const path of this.#paths.splice(0)) release(this.#kernel!, path);
    this.#janitor.watch();
  }
}

/** Makes the folder, or joins those who have it. */
function hold(kernel: Kernel, path: string): void {
  const known = held.get(path);
  if (known && isMarked(path)) {
    known.users++;
    return;
  }
  // Somebody has removed it, and with it what the lock was on.
  if (known) kernel.close(known.fd);
  for (let i = 0; i < MAX_TRIES; i++) {
    try {
      nodeFs().mkdirSync(path, 0o755);
      nodeFs().utimesSync(path, MARK_MS / 1000, MARK_MS / 1000);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const fd = kernel.open(path, O_DIRECTORY_ONLY);
    // It has just been removed, or is about to be.
    if (fd < 0) continue;
    const locked = kernel.call(flockNumber, fd, LOCK_SHARED | DO_NOT_WAIT) === 0;
    if (locked && isMarked(path)) {
      held.set(path, { users: (known?.users ?? 0) + 1, fd, kernel });
      return;
    }
    kernel.close(fd);
    if (locked) break;
  }
  if (known) held.delete(path);
  throw new Error(`"${path}" cannot be held: it has just been made by somebody else`);
}

/** Removes the folder unless somebody else has it. Two who let go at once must not both leave it to the other. */
function release(kernel: Kernel, path: string): void {
  const found = held.get(path);
  // It may have been adopted.
  if (!found || --found.users > 0) return;
  held.delete(path);
  const { fd } = found;
  const isOurs = (): boolean => kernel.call(flockNumber, fd, LOCK_EXCLUSIVE | DO_NOT_WAIT) === 0;
  if (isOurs() || (kernel.call(flockNumber, fd, UNLOCK) === 0 && isOurs())) {
    try {
      removeFolder(fd, nodePath().basename(path));
    } catch {
      // Somebody has put something into it: it is not ours any more.
    }
  }
  kernel.close(fd);
}

/** By way of the folder above: a confined process may have shut those that lead there, and that one, which is then ours. */
function removeFolder(fd: number, name: string): void {
  const above = `/proc/self/fd/${fd}/..`;
  const path = `${above}/${name}`;
  const remove = (): void => {
    if (hasMark(path)) nodeFs().rmdirSync(path);
  };
  try {
    remove();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    const mode = nodeFs().statSync(above).mode & 0o7777;
    nodeFs().chmodSync(above, mode | 0o300);
    try {
      remove();
    } finally {
      nodeFs().chmodSync(above, mode);
    }
  }
}

/** Numbers of the children of a process. */
function childrenOf(pid: number): number[] {
  try {
    return nodeFs()
      .readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1")
      .split(" ")
      .filter(Boolean)
      .map(Number);
  } catch {
    // A kernel without that file: all rows are looked through.
  }
  return nodeFs()
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => parentOf(child) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = nodeFs().readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** The first process of a namespace becomes a zombie when all others in it have gone. */
function isAlive(pid: number): boolean {
  try {
    const stat = nodeFs().readFileSync(`/proc/${pid}/stat`, "latin1");
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
  path=\${path%.}
  if command -v flock; then flock -n "$path" rmdir -- "$path"; else rmdir -- "$path"; fi
done
`;

/** Of all but plain bytes their number, which `printf %b` takes. */
function shellWord(path: string): string {
  return Buffer.from(path)
    .toString("latin1")
    .replace(/[^\w./-]/g, (byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

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
    if (held.size === 0 && !this.#shell) return;
    this.#shell ??= this.#start();
    const words = [...held.keys()].map(shellWord);
    this.#shell?.stdin?.write(Buffer.from(`${words.join(" ")}\n`)).catch(() => {
      this.#dismiss();
      if (held.size > 0) this.watch();
    });
    if (held.size === 0) this.#idle = setTimeout(() => this.#dismiss(), IDLE_MS);
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
