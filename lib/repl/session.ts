/** What goes on in the REPL, whoever types: environments, lines, jobs. */

import process from "node:process";
import type { Client } from "../client/client.ts";
import type { EnvironmentManager } from "../environments/manager.ts";
import { commands, endJob, findCommand, UsageError, unknownCommand } from "./commands.ts";
import type { ReplContext, Settings } from "./context.ts";
import { describeStatus } from "./exit_status.ts";
import type { History } from "./history.ts";
import type { Job } from "./job.ts";
import { JobList, label } from "./jobs.ts";
import { watchPipe } from "./pipe_session.ts";
import { watchTerminal } from "./pty_session.ts";
import type { Screen } from "./screen.ts";
import { FolderGone, Shell } from "./shell.ts";
import { isPosixShell } from "./shell_script.ts";
import { shorten } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { wantsTerminal } from "./tty_programs.ts";

/** Our own failures, as of `ssh`. */
export const OWN_FAILURE = 255;
/** "Connecting …" is shown after this time. */
const SAY_CONNECTING_MS = 300;
/** On leaving, how long the jobs may take to end. */
const END_JOBS_MS = 2000;

export interface SessionOptions {
  manager: EnvironmentManager;
  screen: Screen;
  history: History;
  /** Absent: nobody sits there. */
  terminal?: Terminal;
}

export class Session implements ReplContext {
  readonly manager: EnvironmentManager;
  readonly screen: Screen;
  readonly history: History;
  readonly jobs = new JobList();
  readonly settings: Settings = { tty: "auto" };
  shell: Shell | undefined;
  /** Status of the last line. */
  status = 0;
  /** The loop is to end. */
  ended = false;
  readonly #terminal: Terminal | undefined;
  readonly #shells = new Map<string, Shell>();
  /** All that have not ended. */
  readonly #active = new Set<Job>();
  readonly #said = new Set<string>();
  #leaving = false;

  constructor({ manager, screen, history, terminal }: SessionOptions) {
    this.manager = manager;
    this.screen = screen;
    this.history = history;
    this.#terminal = terminal;
  }

  get isInteractive(): boolean {
    return this.#terminal !== undefined;
  }

  shellOf(environmentId: string): Shell | undefined {
    return this.#shells.get(environmentId);
  }

  quit(status = this.status): void {
    this.status = status;
    this.ended = true;
  }

  async use(id: string): Promise<boolean> {
    const environment = this.manager.get(id);
    const shell = this.#shells.get(id) ?? new Shell(environment, (...args) => this.#onConnected(...args));
    // A program that has ended is started again only when it is asked for.
    if (shell.client?.closeReason) await environment.close();
    if (!(await this.connect(shell))) return false;
    this.#shells.set(id, shell);
    this.shell = shell;
    return true;
  }

  /** Goes to an environment before anything is known of it. */
  begin(id: string | undefined): Shell {
    const environment = this.manager.get(id);
    this.shell = new Shell(environment, (...args) => this.#onConnected(...args));
    this.#shells.set(environment.id, this.shell);
    return this.shell;
  }

  /** Connects, or says why not. */
  async connect(shell: Shell): Promise<boolean> {
    const { screen } = this;
    const waiting = setTimeout(() => {
      if (screen.isTerminal)
        screen.draw(`${screen.style.dim(`connecting to ${shell.id} … (Ctrl-C gives up)`)}\r`);
    }, SAY_CONNECTING_MS);
    try {
      const connected = await this.#interruptible(shell.connect());
      if (screen.isTerminal) screen.draw("\x1b[K");
      if (!connected) screen.say(`Gave up connecting to "${shell.id}"`);
      return connected !== undefined;
    } catch (error) {
      if (screen.isTerminal) screen.draw("\x1b[K");
      this.complain(error);
      return false;
    } finally {
      clearTimeout(waiting);
    }
  }

  /** Runs what was typed: a `:command` or a line for the shell. */
  async run(text: string): Promise<void> {
    const command = /^:([A-Za-z?]\S*)[ \t]*([\s\S]*)$/.exec(text);
    if (command) {
      this.status = await this.#runCommand(command[1]!, command[2]!.trim());
      return;
    }
    const left = /^\s*(?:exit|logout|quit)(?:\s+(\d+))?\s*$/.exec(text);
    if (left && (this.isInteractive || !/quit/.test(text))) {
      this.quit(left[1] === undefined ? undefined : Number(left[1]) & 255);
      return;
    }
    // Nothing but blanks and a comment.
    if (/^\s*(?:#[^\n]*)?$/.test(text)) return;
    this.status = await this.runLine(text.replace(/^\\:/, ":"));
  }

  async runLine(text: string, how?: "terminal" | "pipe"): Promise<number> {
    const shell = this.shell!;
    if (!shell.isConnected && !(await this.connect(shell))) return OWN_FAILURE;
    this.#sayShellOnce(shell);
    const terminal = this.#terminal;
    const { tty } = this.settings;
    const inTerminal =
      terminal !== undefined &&
      (how === "terminal" ||
        (how === undefined && (tty === "always" || (tty === "auto" && wantsTerminal(text)))));
    let job: Job | undefined;
    try {
      const starting = shell.start(text, {
        stdin: terminal ? "pipe" : "null",
        ...(inTerminal ? { terminal: { size: terminal.size, variables: terminalVariables() } } : {}),
      });
      job = await this.#interruptible(starting);
      if (!job) {
        starting.then((late) => late.process[Symbol.asyncDispose]()).catch(() => {});
        this.screen.say("Gave up: the server does not answer. Whether the line runs is not known");
        return OWN_FAILURE;
      }
    } catch (error) {
      this.complain(error);
      return error instanceof FolderGone ? 1 : OWN_FAILURE;
    }
    const started = job;
    this.#active.add(started);
    started.run().then(() => this.#active.delete(started));
    return await this.#foreground(started, false);
  }

  async attach(job: Job): Promise<number> {
    this.screen.say(this.screen.style.dim(job.text));
    return await this.#foreground(job, true);
  }

  /** One line for an error; only texts that are meant for people. */
  complain(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.screen.say(this.screen.style.red(message));
  }

  /** Ends what runs and closes the connections. */
  async leave(): Promise<void> {
    this.#leaving = true;
    const jobs = [...this.#active];
    if (jobs.length > 0) {
      const names = jobs.map(
        (job) => (job.id === undefined ? "" : `${label(job, this.screen.style)} `) + shorten(job.text, 40),
      );
      this.screen.say(
        this.screen.style.dim(
          `ending ${jobs.length === 1 ? "" : `${jobs.length} jobs: `}${names.join(", ")}`,
        ),
      );
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, END_JOBS_MS);
      const ends = jobs.map((job) => {
        job.detach();
        return endJob(this, job).then(
          () => job.over,
          () => {},
        );
      });
      await Promise.race([Promise.all(ends), late]);
      clearTimeout(timer);
    }
    await Promise.all([...this.#shells.values()].map((shell) => shell.environment.close()));
    await this.screen.flush();
  }

  /** Ends what is in the foreground, so that the loop can go on. */
  endForeground(): void {
    for (const job of this.#active) if (job.id === undefined) job.process.terminate().catch(() => {});
  }

  /** Sends what Ctrl-C sends. */
  interruptForeground(): void {
    for (const job of this.#active) if (job.id === undefined) job.process.signal("interrupt").catch(() => {});
  }

  async #runCommand(name: string, argument: string): Promise<number> {
    const command = name === "?" ? commands.find((other) => other.name === "help") : findCommand(name);
    try {
      if (!command) throw new UsageError(unknownCommand(name));
      return (await command.run(this, argument)) ?? this.status;
    } catch (error) {
      this.complain(error);
      return error instanceof UsageError ? 2 : 1;
    }
  }

  async #foreground(job: Job, again: boolean): Promise<number> {
    const { screen, jobs } = this;
    const terminal = this.#terminal;
    jobs.told(job);
    let leaving: "settled" | "background" = "settled";
    if (terminal && job.terminal) {
      leaving = await watchTerminal(job, { terminal, screen }, { again });
    } else {
      const dropped = job.attach((stream, bytes) => screen.output(stream, bytes));
      if (dropped > 0) screen.say(screen.style.dim(`(${dropped} bytes before this are not kept)`));
      if (terminal) leaving = await watchPipe(job, { terminal, screen });
      else await job.settled;
    }
    if (leaving === "background") {
      job.detach();
      jobs.unTell(job);
      screen.say(
        `${label(this.#listed(job), screen.style)} ${screen.style.dim(`in the background: ${shorten(job.text, 60)}`)}`,
      );
      return 0;
    }
    if (job.state === "lost") {
      jobs.remove(job);
      return OWN_FAILURE;
    }
    if (!again) this.#adopt(job);
    if (job.state === "left") {
      if (terminal) job.detach();
      jobs.unTell(job);
      const listed = this.#listed(job);
      if (terminal)
        screen.say(
          `${label(listed, screen.style)} ${screen.style.dim(`goes on in the background: ${shorten(job.text, 60)}`)}`,
        );
    } else {
      jobs.remove(job);
    }
    const status = job.exitCode ?? OWN_FAILURE;
    if (status !== 0 && terminal) screen.say(screen.style.red(describeStatus(status)));
    return status;
  }

  #listed(job: Job): Job {
    this.jobs.add(job);
    return job;
  }

  /** Takes over folder and variables. */
  #adopt(job: Job): void {
    const shell = this.shellOf(job.environmentId)!;
    shell.adopt(job);
    shell.status = job.exitCode ?? OWN_FAILURE;
    if (job.report) {
      if (job.report.exitCalled && !this.isInteractive) this.ended = true;
      for (const name of job.report.dropped) {
        this.#sayOnce(`${shell.id} ${name}`, `The variable ${name} is not UTF-8: it does not carry over`);
      }
    } else if (
      isPosixShell(shell.info!) &&
      /(?:^|[;&|({\s])(?:cd|pushd|popd|export|unset|source|\.)\s/.test(job.text)
    ) {
      this.screen.say(this.screen.style.yellow("Folder and variables of this line were not carried over"));
    }
  }

  /** Says once what to expect of a shell that is not POSIX. */
  #sayShellOnce(shell: Shell): void {
    if (!shell.info || isPosixShell(shell.info)) return;
    const { name } = shell.info.shell;
    this.#sayOnce(
      `${shell.id} shell`,
      `The shell of "${shell.id}" is ${name}: folder and variables do not carry over`,
    );
  }

  #sayOnce(key: string, text: string): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.screen.say(this.screen.style.yellow(text));
  }

  #onConnected(shell: Shell, client: Client): void {
    client.closed.then((reason) => {
      if (this.#leaving) return;
      const lost = [...this.#active].filter(
        (job) => job.environmentId === shell.id && job.id !== undefined,
      ).length;
      const jobs = lost === 0 ? "" : `; ${lost} ${lost === 1 ? "job is" : "jobs are"} lost`;
      const next =
        shell.environment.url || !shell.environment.isRemote ? "" : ` (:use ${shell.id} starts it again)`;
      this.screen.say(
        this.screen.style.red(`Connection to "${shell.id}" lost: ${reason.message}${jobs}${next}`),
      );
    });
  }

  /** What a promise gives, or undefined when Ctrl-C came first. Other keys are left for later. */
  async #interruptible<T>(promise: Promise<T>): Promise<T | undefined> {
    const terminal = this.#terminal;
    if (!terminal) return await promise;
    let settled = false;
    const end = promise.then(
      () => {
        settled = true;
      },
      () => {
        settled = true;
      },
    );
    const early: Uint8Array[] = [];
    try {
      for (;;) {
        await Promise.race([end, terminal.readable()]);
        if (settled) return await promise;
        const bytes = terminal.take();
        if (bytes === null) return await promise;
        if (bytes?.includes(3)) {
          early.length = 0;
          return undefined;
        }
        if (bytes) early.push(bytes);
      }
    } finally {
      for (const bytes of early.reverse()) terminal.unread(bytes);
    }
  }
}

/** What programs want to know of the terminal. */
function terminalVariables(): Record<string, string> {
  const { TERM, COLORTERM } = process.env;
  return { TERM: TERM || "xterm-256color", ...(COLORTERM ? { COLORTERM } : {}) };
}
