/** What goes on in the REPL, whoever types: environments, lines, jobs. */

import type { Client } from "../client/client.ts";
import type { Environment } from "../environments/environment.ts";
import type { EnvironmentManager } from "../environments/manager.ts";
import type { SignalName } from "../protocol/process.ts";
import type { SandboxMode } from "../protocol/sandbox.ts";
import { commands, findCommand, UsageError, unknownCommand } from "./commands.ts";
import type { ReplContext, Settings } from "./context.ts";
import { describeStatus } from "./exit_status.ts";
import type { History } from "./history.ts";
import { interruptible } from "./interruptible.ts";
import type { Job } from "./job.ts";
import { JobList, label } from "./jobs.ts";
import { waitPatiently } from "./patience.ts";
import { type Leaving, watchPipe } from "./pipe_session.ts";
import { watchTerminal } from "./pty_session.ts";
import type { Screen } from "./screen.ts";
import { FolderGone, Shell } from "./shell.ts";
import { isPosixShell } from "./shell_script.ts";
import { endJob, signalJob } from "./signals.ts";
import { shorten } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { terminalVariables, wantsTerminal } from "./tty_programs.ts";

/** Our own failures, as of `ssh`. */
export const OWN_FAILURE = 255;
/** On leaving, how long the jobs may take to end. */
const END_JOBS_MS = 2000;
/** And how long they may take to do it by themselves. */
const LEAVE_GRACE_MS = 500;

export interface SessionOptions {
  manager: EnvironmentManager;
  screen: Screen;
  history: History;
  /** Absent: nobody sits there. */
  terminal?: Terminal;
  sandbox?: SandboxMode | undefined;
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
  readonly #makeShell: (environment: Environment) => Shell;
  readonly #shells = new Map<string, Shell>();
  /** All that have not ended. */
  readonly #active = new Set<Job>();
  readonly #said = new Set<string>();
  /** Connections that we have ended ourselves. */
  readonly #hungUp = new WeakSet<Client>();
  #foregroundJob: { job: Job; release(): void } | undefined;
  #exitStatus: number | undefined;
  #giveUp: (() => void) | undefined;
  #interrupt: AbortController | undefined;
  #leaving = false;

  constructor({ manager, screen, history, terminal, sandbox }: SessionOptions) {
    this.#makeShell = (environment) =>
      new Shell(environment, (...args) => this.#onConnected(...args), sandbox);
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

  quit(status?: number): void {
    this.#exitStatus = status;
    this.ended = true;
  }

  /** What the REPL ends with. */
  get exitStatus(): number {
    return this.#exitStatus ?? this.status;
  }

  async use(id: string): Promise<boolean> {
    const environment = this.manager.get(id);
    const shell = this.#shells.get(id) ?? this.#makeShell(environment);
    // A program that has ended is started again, and a lost session is given up, only when it is asked for.
    if (shell.client && !shell.client.connected) await this.#hangUp(shell);
    if (!(await this.connect(shell))) return false;
    this.#shells.set(id, shell);
    this.shell = shell;
    return true;
  }

  /** Goes to an environment before anything is known of it. */
  begin(id: string | undefined): Shell {
    const environment = this.manager.get(id);
    this.shell = this.#makeShell(environment);
    this.#shells.set(environment.id, this.shell);
    return this.shell;
  }

  /** Connects, or says why not. */
  async connect(shell: Shell): Promise<boolean> {
    try {
      const connected = await this.#patiently(shell.connect(), `connecting to ${shell.id}`);
      if (!connected) this.screen.say(`Gave up connecting to "${shell.id}"`);
      return connected !== undefined;
    } catch (error) {
      this.complain(error);
      return false;
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
    // Nothing is lost with the old session when nothing runs in it.
    if (shell.isComingBack && !this.#runsIn(shell)) await this.#hangUp(shell);
    if (!shell.isConnected && !shell.isComingBack && !(await this.connect(shell))) return OWN_FAILURE;
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
      const comesBack = shell.isComingBack;
      job = await this.#patiently(starting, `waiting for ${shell.id}`);
      if (!job) {
        starting.then((late) => late.process[Symbol.asyncDispose]()).catch(() => {});
        this.screen.say(
          comesBack
            ? `Gave up waiting for "${shell.id}" (:use ${shell.id} connects afresh, without the jobs there)`
            : "No answer to the start of the line: whether it runs is not known",
        );
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

  async interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#interrupt = controller;
    try {
      return await interruptible(this.#terminal, controller, run);
    } finally {
      this.#interrupt = undefined;
    }
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
        return endJob(this.shellOf(job.environmentId), job, LEAVE_GRACE_MS).then(
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

  /** Ends what is in the foreground, for whose output nobody is left. */
  endForeground(): void {
    this.#interrupt?.abort(new Error("Nobody reads the output"));
    this.#foregroundJob?.job.process.terminate().catch(() => {});
  }

  /** Leaves what is in the foreground, so that the loop can go on. */
  releaseForeground(): void {
    this.#foregroundJob?.release();
    this.#giveUp?.();
  }

  /** Sends what Ctrl-C sends. */
  interruptForeground(): void {
    this.#interrupt?.abort(new Error("Interrupted"));
    this.#foregroundJob?.job.process.signal("interrupt").catch(() => {});
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
    let leaving: Leaving = "settled";
    const released = Promise.withResolvers<void>();
    const watching = {
      screen,
      signal: (signal: SignalName) => signalJob(this.shellOf(job.environmentId), job, signal),
      released: released.promise,
    };
    this.#foregroundJob = { job, release: released.resolve };
    if (terminal && job.terminal) {
      leaving = await watchTerminal(job, { terminal, ...watching }, { again });
    } else {
      const dropped = job.attach((stream, bytes) => screen.output(stream, bytes));
      if (dropped > 0) screen.say(screen.style.dim(`(${dropped} bytes before this are not kept)`));
      if (terminal) leaving = await watchPipe(job, { terminal, ...watching });
      else await job.settled;
    }
    this.#foregroundJob = undefined;
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

  #runsIn(shell: Shell): boolean {
    return [...this.#active].some((job) => job.environmentId === shell.id);
  }

  async #hangUp(shell: Shell): Promise<void> {
    if (shell.client) this.#hungUp.add(shell.client);
    await shell.environment.close();
  }

  /** What becomes of a connection is said when it happens, even at an idle prompt. */
  #onConnected(shell: Shell, client: Client): void {
    const { screen } = this;
    client.onConnectionChange((change) => {
      if (this.#leaving || this.#hungUp.has(client)) return;
      if (change.kind === "resumed") {
        screen.say(screen.style.dim(`Connection to "${shell.id}" is back`));
        return;
      }
      screen.say(
        screen.style.red(`Connection to "${shell.id}" lost: ${change.reason.message}. Trying to get it back`),
      );
      if (this.isInteractive && this.#foregroundJob?.job.environmentId === shell.id)
        this.#foregroundJob.release();
    });
    client.closed.then((reason) => {
      if (this.#leaving || this.#hungUp.has(client)) return;
      const lost = [...this.#active].filter((job) => job.environmentId === shell.id).length;
      const jobs = lost === 0 ? "" : `; ${lost === 1 ? "1 job is" : `${lost} jobs are`} lost`;
      const next =
        shell.environment.url || !shell.environment.isRemote ? "" : ` (:use ${shell.id} starts it again)`;
      screen.say(screen.style.red(`Connection to "${shell.id}" lost: ${reason.message}${jobs}${next}`));
    });
  }

  /** What a promise gives, or undefined when it was given up. */
  async #patiently<T>(promise: Promise<T>, what: string): Promise<T | undefined> {
    if (!this.#terminal) return await promise;
    const given = Promise.withResolvers<void>();
    this.#giveUp = given.resolve;
    try {
      return await waitPatiently(promise, {
        terminal: this.#terminal,
        screen: this.screen,
        what,
        givenUp: given.promise,
      });
    } finally {
      this.#giveUp = undefined;
    }
  }
}
