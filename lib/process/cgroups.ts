/**
 * Control groups of Linux (version 2): each process with all that it starts in a group of its own, which nothing can
 * leave, can be killed at one stroke, and has limits of memory, processes and processor time.
 */

import process from "node:process";
import type { StartLimits } from "../protocol/process_limits.ts";
import { nodeFs, nodePath } from "../runtime/node_modules.ts";

/** What a group can be limited in. */
export type Controller = "memory" | "pids" | "cpu";

const controllers: readonly Controller[] = ["memory", "pids", "cpu"];
/** Groups that are empty again and wait for their next process. */
const MAX_SPARE = 16;
const CPU_PERIOD_US = 100_000;
/** What the system takes in its files. Above the highest it refuses, or begins at zero again, and nobody gets so far. */
const LEAST_CPU_US = 1000;
const MOST_CPU_US = 1e12;
const MOST_PROCESSES = 4_194_304;
const MOST_MEMORY_BYTES = 2 ** 53;

/** The groups of this program, below one folder that it can write. */
export class Cgroups {
  /** Of this program, above those of its processes. */
  readonly folder: string;
  /** What limits can be held. */
  readonly controllers: ReadonlySet<Controller>;
  /** The group that we are in. */
  readonly #home: string;
  readonly #spare: Cgroup[] = [];
  readonly #onExit = (): void => this.#remove();
  #made = 0;

  /**
   * @param parent A folder of the control group file system; the group that we are in by default.
   * @throws {Error} There is none, it cannot be written, or the system is too old (`cgroup.kill` came with Linux 5.14).
   */
  constructor(parent?: string) {
    this.#home = ownGroup();
    parent ??= this.#home;
    this.folder = nodePath().join(parent, `exec-server-${process.pid}-${crypto.randomUUID().slice(0, 8)}`);
    if (/\s/.test(this.folder)) throw new Error(`${parent}: a name with white space cannot be used`);
    nodeFs().mkdirSync(this.folder);
    try {
      if (!has(this.folder, "cgroup.kill")) throw new Error(`${parent}: no control group that can be killed`);
      const probe = this.#make(false);
      try {
        probe.enclose(() => {});
      } finally {
        probe.remove();
      }
      // One that has processes of its own may hand no controllers down, unless it is the topmost.
      this.controllers = new Set(
        controllers.filter((name) => handDown(parent, name) && handDown(this.folder, name)),
      );
    } catch (error) {
      nodeFs().rmdirSync(this.folder);
      throw error;
    }
    process.once("exit", this.#onExit);
  }

  /** No process is in them any more. What has some stays, for who watches over us. */
  close(): void {
    process.off("exit", this.#onExit);
    this.#remove();
  }

  /** A group for one process. */
  take({ memoryBytes, processes, cpuPercent }: StartLimits = {}): Cgroup {
    const isLimited = [memoryBytes, processes, cpuPercent].some((one) => one !== undefined);
    const spare = isLimited ? undefined : this.#spare.pop();
    if (spare) return spare;
    return this.#make(isLimited);
  }

  #make(isLimited: boolean): Cgroup {
    const group = new Cgroup(nodePath().join(this.folder, String(++this.#made)), this.#home, isLimited);
    nodeFs().mkdirSync(group.path);
    return group;
  }

  /** A process has ended; whoever is left of it stays where it is. False then: the group is to be given back later. */
  giveBack(group: Cgroup): boolean {
    if (!group.isEmpty()) return false;
    if (group.isLimited || this.#spare.length >= MAX_SPARE) group.remove();
    else this.#spare.push(group);
    return true;
  }

  #remove(): void {
    try {
      for (const { name } of nodeFs()
        .readdirSync(this.folder, { withFileTypes: true })
        .filter((one) => one.isDirectory())) {
        new Cgroup(nodePath().join(this.folder, name), this.#home).remove();
      }
      nodeFs().rmdirSync(this.folder);
    } catch {
      // It has processes, or has gone.
    }
  }
}

/** The group of one process. */
export class Cgroup {
  readonly path: string;
  /** It has limits, which its next process would inherit. */
  readonly isLimited: boolean;
  /** The group that we are in. */
  readonly #home: string;

  constructor(path: string, home: string, isLimited = false) {
    this.path = path;
    this.#home = home;
    this.isLimited = isLimited;
  }

  /** Not before the process is in it and we are not: they would hold us too. */
  limit({ memoryBytes, processes, cpuPercent }: StartLimits = {}): void {
    if (memoryBytes !== undefined) {
      write(this.path, "memory.max", String(Math.min(memoryBytes, MOST_MEMORY_BYTES)));
      // All or nothing: a program that lost some of its processes is in nobody's plan.
      write(this.path, "memory.oom.group", "1");
      // Else it would swap first. Not every system counts that.
      if (has(this.path, "memory.swap.max")) write(this.path, "memory.swap.max", "0");
    }
    if (processes !== undefined) write(this.path, "pids.max", String(Math.min(processes, MOST_PROCESSES)));
    if (cpuPercent !== undefined) {
      const us = Math.min(Math.max(LEAST_CPU_US, (cpuPercent * CPU_PERIOD_US) / 100), MOST_CPU_US);
      write(this.path, "cpu.max", `${us} ${CPU_PERIOD_US}`);
    }
  }

  /**
   * Has a process started in it. We go in ourselves meanwhile, as a child is born where its parent is: one that were
   * moved later could have started others before.
   */
  enclose<T>(spawn: () => T): T {
    write(this.path, "cgroup.procs", "0");
    try {
      return spawn();
    } finally {
      write(this.#home, "cgroup.procs", "0");
    }
  }

  pids(): number[] {
    const all = read(this.path, "cgroup.procs").split("\n").filter(Boolean).map(Number);
    return all.filter((pid) => pid !== process.pid);
  }

  kill(): void {
    // Should we not have come out again.
    const isOurs = read(this.path, "cgroup.procs").split("\n").includes(String(process.pid));
    if (!isOurs) tries(() => write(this.path, "cgroup.kill", "1"));
  }

  isEmpty(): boolean {
    return /^populated 0$/m.test(read(this.path, "cgroup.events"));
  }

  /** The system has killed it for its memory. */
  outOfMemory(): boolean {
    return /^oom_(?:group_)?kill [1-9]/m.test(read(this.path, "memory.events"));
  }

  /** Only one that is empty goes. */
  remove(): boolean {
    return tries(() => nodeFs().rmdirSync(this.path));
  }
}

/** The folder of the group that we are in. */
function ownGroup(): string {
  const path = /^0::(.*)$/m.exec(readText("/proc/self/cgroup"))?.[1];
  if (path === undefined) throw new Error("this system has no control groups of version 2");
  for (const line of readText("/proc/self/mountinfo").split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", mount = ""] = before.split(" ");
    if (!after.startsWith("cgroup2 ")) continue;
    if (root === "/" || path === root || path.startsWith(`${root}/`)) {
      return nodePath().join(mount, root === "/" ? path : path.slice(root.length));
    }
  }
  throw new Error("no control group file system of version 2 is mounted");
}

function handDown(folder: string, controller: Controller): boolean {
  const isThere = (name: string): boolean => read(folder, name).split(/\s+/).includes(controller);
  if (isThere("cgroup.subtree_control")) return true;
  return (
    isThere("cgroup.controllers") && tries(() => write(folder, "cgroup.subtree_control", `+${controller}`))
  );
}

/** Never makes a file: what is not there the system does not have. */
function write(folder: string, name: string, text: string): void {
  const fd = nodeFs().openSync(nodePath().join(folder, name), nodeFs().constants.O_WRONLY);
  try {
    nodeFs().writeSync(fd, text);
  } finally {
    nodeFs().closeSync(fd);
  }
}

function has(folder: string, name: string): boolean {
  return nodeFs().existsSync(nodePath().join(folder, name));
}

function read(folder: string, name: string): string {
  try {
    return readText(nodePath().join(folder, name));
  } catch {
    return "";
  }
}

function readText(path: string): string {
  return nodeFs().readFileSync(path, "utf8");
}

function tries(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
