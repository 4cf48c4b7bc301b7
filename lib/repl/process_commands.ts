/** `:ps`: what runs in the session, as the server has it. */

import { formatBytes } from "../files/format.ts";
import type { ProcessSummary } from "../protocol/process_list.ts";
import type { Command } from "./commands.ts";
import { describeStatus } from "./exit_status.ts";
import type { Job } from "./job.ts";
import { formatAge, formatTable, shorten } from "./style.ts";
import { UsageError } from "./usage_error.ts";

/** The label by which a line is known in the list. */
export const LINE_LABEL = "line";
/** A label may have 16 KiB, a line more. */
const LINE_LENGTH = 200;

/** The labels of a line. */
export function lineLabels(text: string): Record<string, string> {
  return { [LINE_LABEL]: shorten(text, LINE_LENGTH) };
}

export const processCommandTable: readonly Command[] = [
  {
    name: "ps",
    usage: ":ps",
    summary: "list the processes of this environment's session",
    details:
      "As the server has it: also what other programs have started in the session, and what has ended and can still be read. The number in front is that of the job, if there is one.",
    arguments: [],
    run: async ({ screen, shell, jobs }) => {
      const client = shell?.client;
      if (!shell || !client) {
        throw new UsageError("There is no connection yet: type a line, or :use an environment");
      }
      if (!client.capabilities.processList) {
        throw new UsageError(`The server of "${shell.id}" has no list of processes: see :jobs`);
      }
      const processes = await client.processes();
      if (processes.length === 0) {
        screen.answer("No processes");
        return 0;
      }
      const here = jobs.all.filter((job) => job.environmentId === shell.id);
      const [head, ...lines] = formatTable([
        ["job", "state", "pid", "age", "input", "output", "kind", "command"],
        ...processes.map((process) => row(process, here)),
      ]);
      screen.answer([screen.style.dim(head!), ...lines].join("\n"));
      return 0;
    },
  },
];

function row(process: ProcessSummary, jobs: readonly Job[]): string[] {
  const job = jobs.find((one) => one.process.id === process.processId);
  return [
    job?.id === undefined ? "" : String(job.id),
    stateOf(process),
    String(process.pid),
    // Two clocks may differ.
    formatAge(Math.max(0, Date.now() - process.startedAtMs)),
    formatBytes(process.inputBytes),
    formatBytes(process.outputBytes),
    process.tty ? "tty" : "pipe",
    shorten(process.labels[LINE_LABEL] ?? process.argv.join(" "), 60),
  ];
}

function stateOf({ state, exitCode, endedBy }: ProcessSummary): string {
  if (state === "running") return "running";
  const how = endedBy ?? (exitCode ? describeStatus(exitCode) : "done");
  return state === "exited" ? `${how}, output open` : how;
}
