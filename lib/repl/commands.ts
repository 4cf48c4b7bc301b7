/** The table of `:commands`: what they are called, what they do, what is told about them and how Tab completes them. */

import { pathFromWire } from "../protocol/path_uri.ts";
import type { ReplContext } from "./context.ts";
import { parseSignal, signalNames } from "./exit_status.ts";
import { fileCommandTable } from "./file_commands.ts";
import type { Job } from "./job.ts";
import { label } from "./jobs.ts";
import { processCommandTable } from "./process_commands.ts";
import { endJob, signalJob } from "./signals.ts";
import { formatTable, shorten } from "./style.ts";
import { UsageError } from "./usage_error.ts";

/** What stands at a place of a command's arguments. */
export type ArgumentKind =
  | "environment"
  | "job"
  | "signal"
  | "line"
  | "folder"
  | "topic"
  | "setting"
  /** A path where the prompt is, or `ENV:path`. */
  | "file"
  /** A path of this machine. */
  | "here";

export interface Command {
  name: string;
  /** As it is written in `:help`. */
  usage: string;
  summary: string;
  /** More, for `:help NAME`. */
  details?: string;
  /** What Tab offers at each place; the last goes on. */
  arguments: readonly ArgumentKind[];
  /** @returns The status; nothing means 0. */
  run(repl: ReplContext, argument: string): Promise<number | undefined> | number | undefined;
}

export { UsageError } from "./usage_error.ts";

/** What `:end` gives a job to end by itself. */
const END_GRACE_MS = 2000;

export const settingValues: Readonly<Record<string, readonly string[]>> = {
  tty: ["auto", "always", "never"],
};

export const commands: readonly Command[] = [
  {
    name: "use",
    usage: ":use ENVIRONMENT",
    summary: "go to another environment",
    details:
      "Connects at once. If that fails, you stay where you are. Jobs go on where they run. Each environment keeps its own folder and variables. For an environment that is a command and has ended, :use starts it again.",
    arguments: ["environment"],
    run: async (repl, id) => {
      if (id === "") throw new UsageError("Usage: :use ENVIRONMENT (see :env)");
      return (await repl.use(id)) ? 0 : 1;
    },
  },
  {
    name: "env",
    usage: ":env",
    summary: "list the environments",
    arguments: [],
    run: (repl) => {
      const { screen, manager, shell } = repl;
      const rows = manager.all.map((environment) => {
        const isOpen = repl.shellOf(environment.id)?.isConnected ?? false;
        const mark = environment.id === shell?.id ? "*" : " ";
        const state = isOpen ? "connected" : environment.id === manager.defaultId ? "default" : "";
        return [`${mark} ${environment.id}`, state, environment.description];
      });
      screen.answer(formatTable(rows).join("\n"));
      return 0;
    },
  },
  {
    name: "info",
    usage: ":info",
    summary: "what is known of this environment",
    arguments: [],
    run: (repl) => {
      const { screen } = repl;
      const { shell } = repl;
      const info = shell?.info;
      if (!shell || !info)
        throw new UsageError("There is no connection yet: type a line, or :use an environment");
      const can = Object.entries(info.capabilities ?? {}).filter(([, value]) => value);
      const rows = [
        ["environment", shell.id],
        ["reached by", shell.environment.description],
        ["connection", shell.isConnected ? "open" : "closed"],
        ["server", info.executorVersion ?? "up to 0.138.0"],
        ["system", info.platformOs ?? "not told"],
        ["shell", `${info.shell.name} (${info.shell.path})`],
        ["folder", shell.state.cwd ?? "not told"],
        ["home", info.userHomeDir ? pathFromWire(info.userHomeDir) : "not told"],
        [
          "variables",
          shell.state.env ? `${Object.keys(shell.state.env).length} exported` : "those of the server",
        ],
        ["extensions", can.map(([name]) => name).join(", ") || "none"],
      ];
      screen.answer(formatTable(rows).join("\n"));
      return 0;
    },
  },
  {
    name: "cd",
    usage: ":cd [FOLDER]",
    summary: "change the folder, as cd does",
    arguments: ["folder"],
    run: (repl, folder) => repl.runLine(folder === "" ? "cd" : `cd -- ${quoteFolder(folder)}`, "pipe"),
  },
  ...fileCommandTable,
  {
    name: "reset",
    usage: ":reset",
    summary: "forget folder and variables, start afresh",
    details: "The next line begins in the folder of the server with the variables of the server.",
    arguments: [],
    run: (repl) => {
      repl.shell?.reset();
      return 0;
    },
  },
  {
    name: "tty",
    usage: ":tty LINE",
    summary: "run a line in a terminal",
    details:
      "Full-screen programs get a terminal by themselves (:set tty auto). In it every key goes to the program, Ctrl-C too. Ctrl-] leaves it in the background; Ctrl-] twice sends one Ctrl-].",
    arguments: ["line"],
    run: (repl, line) => {
      if (line === "") throw new UsageError("Usage: :tty LINE");
      if (!repl.isInteractive) throw new UsageError("Cannot run in a terminal: there is none here");
      return repl.runLine(line, "terminal");
    },
  },
  {
    name: "pipe",
    usage: ":pipe LINE",
    summary: "run a line without a terminal",
    arguments: ["line"],
    run: (repl, line) => {
      if (line === "") throw new UsageError("Usage: :pipe LINE");
      return repl.runLine(line, "pipe");
    },
  },
  {
    name: "jobs",
    usage: ":jobs",
    summary: "list what runs in the background",
    details:
      "Ctrl-Z or a line :bg puts the running command there, and so does & at the end of a line. The last 256 KiB of output are kept.",
    arguments: [],
    run: (repl) => {
      const { screen, jobs } = repl;
      if (jobs.all.length === 0) screen.answer("No jobs");
      else screen.answer(jobs.table(screen.style).join("\n"));
      return 0;
    },
  },
  ...processCommandTable,
  {
    name: "attach",
    usage: ":attach [JOB]",
    summary: "bring a job back, with its output",
    arguments: ["job"],
    run: (repl, id) => repl.attach(findJob(repl, id)),
  },
  {
    name: "kill",
    usage: ":kill JOB [SIGNAL]",
    summary: "send a signal to a job (TERM)",
    details: `Signals: ${signalNames.join(", ")}. Where the server itself cannot send them, the shell of the environment does.`,
    arguments: ["job", "signal"],
    run: async (repl, argument) => {
      const [id = "", name = "TERM"] = argument.split(/\s+/);
      if (id === "") throw new UsageError("Usage: :kill JOB [SIGNAL]");
      const signal = parseSignal(name);
      if (!signal)
        throw new UsageError(`There is no signal "${name}": take one of ${signalNames.join(", ")}`);
      const job = findJob(repl, id);
      if (job.isOver) throw new UsageError(`Job ${job.id} has ended`);
      await signalJob(repl.shellOf(job.environmentId), job, signal);
      return 0;
    },
  },
  {
    name: "end",
    usage: ":end JOB",
    summary: "end a job: ask it, and kill it when it goes on",
    details:
      "The command and all that it has started get TERM, and KILL after 2 s. Servers that cannot wait kill at once.",
    arguments: ["job"],
    run: async (repl, id) => {
      if (id === "") throw new UsageError("Usage: :end JOB");
      const job = findJob(repl, id);
      if (job.isOver) {
        repl.jobs.remove(job);
        return 0;
      }
      await endJob(repl.shellOf(job.environmentId), job, END_GRACE_MS);
      return 0;
    },
  },
  {
    name: "bg",
    usage: ":bg",
    summary: "while a command runs: put it into the background (as Ctrl-Z)",
    arguments: [],
    run: () => {
      throw new UsageError("Nothing runs in the foreground: type :bg or Ctrl-Z while a command runs");
    },
  },
  {
    name: "set",
    usage: ":set [NAME VALUE]",
    summary: "show or change a setting",
    details: "tty auto|always|never: whether lines run in a terminal.",
    arguments: ["setting", "setting"],
    run: (repl, argument) => {
      const { settings, screen } = repl;
      const [name = "", value] = argument.split(/[\s=]+/);
      if (name === "") {
        screen.answer(`tty ${settings.tty}`);
        return 0;
      }
      const values = Object.hasOwn(settingValues, name) ? settingValues[name]! : undefined;
      if (!values) throw new UsageError(`There is no setting "${name}": there is tty`);
      if (value !== undefined && !values.includes(value)) {
        throw new UsageError(`Cannot set ${name} to "${value}": take one of ${values.join(", ")}`);
      }
      if (value === undefined) screen.answer(`tty ${settings.tty}`);
      else settings.tty = value as typeof settings.tty;
      return 0;
    },
  },
  {
    name: "history",
    usage: ":history [TEXT]",
    summary: "show the last lines, or those with a text",
    details: "Lines that begin with a blank and lines that look like they hold a secret are not kept.",
    arguments: [],
    run: (repl, text) => {
      const { screen, history } = repl;
      const found = history.entries.filter((entry) => entry.includes(text)).slice(text === "" ? -30 : -200);
      if (found.length > 0) screen.answer(found.map((entry) => entry.replaceAll("\n", "\n  ")).join("\n"));
      return 0;
    },
  },
  {
    name: "help",
    usage: ":help [TOPIC]",
    summary: "this list, or more about one command, or: keys, lines",
    arguments: ["topic"],
    run: (repl, topic) => {
      repl.screen.answer(help(repl, topic.replace(/^:/, "")));
      return 0;
    },
  },
  {
    name: "quit",
    usage: ":quit [STATUS]",
    summary: "leave; running jobs are ended (also: exit, Ctrl-D)",
    arguments: [],
    run: (repl, status) => {
      if (!/^\d{0,3}$/.test(status)) throw new UsageError("Usage: :quit [STATUS]");
      repl.quit(status === "" ? undefined : Number(status) & 255);
      return undefined;
    },
  },
];

const topics: Record<string, string> = {
  keys: [
    "At the prompt",
    "  Tab complete · Ctrl-R search history · Up, Down history · Alt-Enter new line",
    "  Ctrl-A, Ctrl-E begin, end · Alt-B, Alt-F word back, forward · Ctrl-W, Alt-D erase word",
    "  Ctrl-U, Ctrl-K erase to begin, end · Ctrl-Y put back · Ctrl-L clear · Ctrl-C give up · Ctrl-D leave",
    "While a command runs",
    "  Lines go to its input · Ctrl-D ends its input · Ctrl-C interrupts, twice kills · Ctrl-Z to the background",
    "In a terminal program",
    "  All keys go to it · Ctrl-] to the background · Ctrl-] Ctrl-] sends one",
  ].join("\n"),
  lines: [
    "A line is run by the shell of the environment. Folder and exported variables carry over to the next line;",
    "functions, aliases and variables that are not exported do not. A line with an open quote, heredoc or `if`",
    "goes on in the next line. A line that really begins with a colon: put a blank or a backslash in front.",
  ].join("\n"),
};

/** What `:help` can be asked about. */
export const helpTopics: readonly string[] = [...commands.map(({ name }) => name), ...Object.keys(topics)];

/** The command of that name; names may be shortened as far as they are clear. */
export function findCommand(name: string): Command | undefined {
  const exact = commands.find((command) => command.name === name);
  if (exact) return exact;
  const begun = commands.filter((command) => command.name.startsWith(name));
  return begun.length === 1 ? begun[0] : undefined;
}

/** What to say to a name that is none. */
export function unknownCommand(name: string): string {
  const [best] = commands
    .map((command) => ({ name: command.name, distance: editDistance(name, command.name) }))
    .sort((a, b) => a.distance - b.distance);
  const close = best && best.distance <= Math.max(1, Math.floor(name.length / 2));
  return `There is no command ":${name}"${close ? `: did you mean ":${best.name}"?` : ": see :help"}`;
}

function help({ screen }: ReplContext, topic: string): string {
  const { style } = screen;
  if (topic === "") {
    const table = formatTable(commands.map(({ usage, summary }) => [usage, summary]));
    const width = Math.max(...commands.map(({ usage }) => usage.length)) + 2;
    const lines = table.map((line) => style.bold(line.slice(0, width)) + line.slice(width));
    return [
      "Everything else is run by the shell of the environment.",
      ...lines,
      style.dim("More: :help COMMAND, :help keys, :help lines"),
    ].join("\n");
  }
  if (Object.hasOwn(topics, topic)) return topics[topic]!;
  const command = findCommand(topic);
  if (!command) throw new UsageError(`There is no help on "${topic}": see :help`);
  return [
    `${style.bold(command.usage)}  ${command.summary}`,
    ...(command.details ? [command.details] : []),
  ].join("\n");
}

function findJob(repl: ReplContext, id: string): Job {
  const job = repl.jobs.find(id);
  if (job) return job;
  const known = repl.jobs.all.map((other) => `${label(other, repl.screen.style)} ${shorten(other.text, 30)}`);
  throw new UsageError(
    `There is no job ${id === "" ? "" : `"${id}"`}${known.length > 0 ? `: there is ${known.join(", ")}` : ""}`,
  );
}

/** Leaves a `~` at the begin to the shell. */
function quoteFolder(folder: string): string {
  if (/^["']|\\/.test(folder) || folder === "-") return folder;
  const tilde = /^~[^/]*/.exec(folder)?.[0] ?? "";
  const rest = folder.slice(tilde.length);
  return rest === "" ? tilde : `${tilde}'${rest.replaceAll("'", "'\\''")}'`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
