/** The commands in the background: their numbers, and what there is to say about them. */

import { formatBytes } from "../files/format.ts";
import { describeStatus } from "./exit_status.ts";
import type { Job } from "./job.ts";
import { formatAge, formatTable, type Style, shorten } from "./style.ts";

export class JobList {
  readonly #jobs = new Map<number, Job>();

  /** Takes a job into the list; gives its number, the lowest that is free. */
  add(job: Job): number {
    if (job.id !== undefined && this.#jobs.get(job.id) === job) return job.id;
    let id = 1;
    while (this.#jobs.has(id)) id++;
    job.id = id;
    this.#jobs.set(id, job);
    return id;
  }

  remove(job: Job): void {
    if (job.id !== undefined && this.#jobs.get(job.id) === job) this.#jobs.delete(job.id);
    job.id = undefined;
  }

  /** By number, with or without `%`; the newest when nothing is asked for. */
  find(text: string): Job | undefined {
    if (text === "" || text === "%%" || text === "%+") return [...this.#jobs.values()].at(-1);
    return this.#jobs.get(Number(text.replace(/^%/, "")));
  }

  get all(): readonly Job[] {
    return [...this.#jobs.values()].sort((a, b) => a.id! - b.id!);
  }

  /** Those that may still run. */
  get running(): readonly Job[] {
    return this.all.filter((job) => !job.isOver);
  }

  /**
   * What has happened since the last time. Jobs that are over and have nothing to show leave the list; the
   * others stay until they were attached to.
   */
  news(style: Style): string[] {
    const lines: string[] = [];
    for (const job of this.all) {
      if (job.isOver && !this.#told.has(job)) {
        this.#told.add(job);
        const output =
          job.unseenBytes > 0 ? `, ${formatBytes(job.unseenBytes)} of output (:attach ${job.id})` : "";
        lines.push(
          `${label(job, style)} ${describeState(job)}${output}: ${style.dim(shorten(job.text, 50))}`,
        );
        if (job.unseenBytes === 0) this.remove(job);
      } else if (!job.isOver && job.unseenBytes > 0 && !this.#toldOfOutput.has(job)) {
        // Once, until it was looked at: some never stop.
        this.#toldOfOutput.add(job);
        lines.push(
          `${label(job, style)} has written ${formatBytes(job.unseenBytes)} (:attach ${job.id}): ${style.dim(shorten(job.text, 50))}`,
        );
      }
    }
    return lines;
  }

  /** The user was told of the end in another way. */
  told(job: Job): void {
    this.#told.add(job);
  }

  /** The user is to be told of its end. */
  unTell(job: Job): void {
    this.#told.delete(job);
    this.#toldOfOutput.delete(job);
  }

  readonly #told = new WeakSet<Job>();
  readonly #toldOfOutput = new WeakSet<Job>();

  /** The list for `:jobs`. */
  table(style: Style): string[] {
    const rows = this.all.map((job) => [
      String(job.id),
      describeState(job),
      job.environmentId,
      formatAge(Date.now() - job.startedAt),
      formatBytes(job.bytes),
      job.terminal ? "tty" : "pipe",
      shorten(job.text, 60),
    ]);
    const [head, ...lines] = formatTable([
      ["job", "state", "environment", "age", "output", "kind", "command"],
      ...rows,
    ]);
    return [style.dim(head!), ...lines];
  }
}

export function label(job: Job, style: Style): string {
  return style.cyan(`[${job.id}]`);
}

/** `running`, `exit 3`, …; `shell ended` when something that the line has started runs on. */
export function describeState(job: Job): string {
  if (job.state === "running") return "running";
  if (job.state === "left") return "shell ended";
  if (job.state === "lost") return "lost";
  return job.exitCode ? describeStatus(job.exitCode) : "done";
}
