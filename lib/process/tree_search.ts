/** Finds everything that a process has started, also what has left its group. */

import process from "node:process";
import { turnOfOthers } from "../runtime/turn.ts";
import type { ProcessRow, ProcessTable } from "./process_table.ts";

/** So many are looked at, or asked for their children, before others may have a turn: some tenths of a millisecond. */
const AT_ONCE = 256;
const PARENTS_AT_ONCE = 16;

/** What is known of a process whose tree is to go. */
export interface TreeRoot {
  pid: number;
  /** It has been waited for: its number may be another's by now. */
  exited: boolean;
  isTerminal: boolean;
  /** The control group that it was put into. */
  cgroup?: { pids(): number[]; kill(): void } | undefined;
}

/** Settings of a search. */
export interface SearchOptions {
  /**
   * Running processes that are in none of the trees, by number; a root among them that runs is not one.
   * @default {new Set()}
   */
  strangers?: ReadonlySet<number> | undefined;
}

/**
 * The trees of these roots: the roots, who is of their sessions, groups and control groups, who descends from one of
 * these, and who is of a session that one of these leads. Our own process is never part of it.
 */
export class TreeSearch {
  readonly #roots: readonly TreeRoot[];
  readonly #table: ProcessTable;
  readonly #members = new Map<number, ProcessRow>();
  /** Who has been looked at: nobody joins a session or group of somebody else's later on. */
  readonly #known: Set<number>;
  /** Of these, who was no member then: number and session in turn. */
  readonly #others: number[] = [];
  /** Whose session and group belong to a tree. */
  #leaders: Set<number> | undefined;

  constructor(
    roots: readonly TreeRoot[],
    table: ProcessTable,
    { strangers = new Set() }: SearchOptions = {},
  ) {
    this.#roots = roots;
    this.#table = table;
    this.#known = new Set(strangers);
    for (const { pid, exited } of roots) if (!exited) this.#known.delete(pid);
  }

  /** Everybody who has been found. */
  get members(): ProcessRow[] {
    return [...this.#members.values()];
  }

  /**
   * Looks at everybody once more. Answers who was not known to be a member before. Of many processes others have their
   * turn meanwhile; a number that has become somebody else's by then is that of somebody else.
   */
  async look(): Promise<ProcessRow[]> {
    const before = this.#members.size;
    this.#table.renew();
    const pids = this.#table.pids();
    this.#leaders ??= this.#leadersAmong(pids);
    for (const [i, pid] of pids.entries()) {
      const turn = i % AT_ONCE === AT_ONCE - 1 ? turnOfOthers() : undefined;
      if (turn) await turn;
      if (!this.#known.has(pid)) this.#lookAt(pid, this.#leaders);
    }
    for (const { cgroup } of this.#roots) for (const pid of cgroup?.pids() ?? []) this.#add(pid);
    await this.#addChildren();
    return this.members.slice(before);
  }

  /** Looks once more at the children of members only, who are all that comes while no member ends. Answers as above. */
  async lookBelow(): Promise<ProcessRow[]> {
    const before = this.#members.size;
    this.#table.renew();
    await this.#addChildren();
    return this.members.slice(before);
  }

  async #addChildren(): Promise<void> {
    let asked = 0;
    // Who is added on the way comes up too.
    for (const pid of this.#members.keys()) {
      const turn = ++asked % PARENTS_AT_ONCE === 0 ? turnOfOthers() : undefined;
      if (turn) await turn;
      for (const child of this.#table.children(pid)) this.#add(child);
    }
  }

  #lookAt(pid: number, leaders: ReadonlySet<number>): void {
    this.#known.add(pid);
    const numbers = this.#table.numbers(pid);
    if (!numbers) return;
    const { session, group } = numbers;
    if (leaders.has(pid) || leaders.has(session) || leaders.has(group)) this.#add(pid);
    else this.#others.push(pid, session);
  }

  #add(pid: number): void {
    if (this.#members.has(pid) || pid === process.pid) return;
    const row = this.#table.row(pid);
    if (!row) return;
    this.#members.set(pid, row);
    if (row.session !== pid) return;
    // All of its session descend from it, whoever is their parent now.
    this.#leaders!.add(pid);
    for (let i = 0; i < this.#others.length; i += 2) {
      if (this.#others[i + 1] === pid) this.#add(this.#others[i]!);
    }
  }

  /** A number whose process has ended and that is in use again names somebody else's group and session too. */
  #leadersAmong(pids: readonly number[]): Set<number> {
    const inUse = new Set([...this.#known, ...pids]);
    return new Set(
      this.#roots.filter(({ pid, exited }) => pid > 0 && !(exited && inUse.has(pid))).map(({ pid }) => pid),
    );
  }
}
