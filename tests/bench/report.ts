/** docs/performance.md out of a result. */

import { noteOn } from "./notes.ts";
import type { Result } from "./result.ts";
import { type Line, markdownTables, short } from "./table.ts";

/** A machine with more load than this before the run was busy with something else. */
const BUSY = 0.7;

export function report(result: Result): string {
  const { machine, rounds, quick, seconds, figures, skipped, failures } = result;
  const judged = figures.filter(({ met }) => met !== null);
  const missed = judged.filter(({ met }) => met === false);
  const parts = [
    "# Performance",
    "Made by `npm run bench -- --write-docs`; do not edit it here.",
    `Ours (the executable of \`npm run build\`) beside the real \`codex exec-server\` 0.169.0, on one machine and in one run: each family of figures runs on a fresh server, ours and theirs in turn, ${rounds} round${rounds === 1 ? "" : "s"}${quick ? ", small sizes" : ""}, ${Math.round(seconds / 60)} minutes. Told are the median and, in brackets, the least and the greatest of the rounds. The ratio is ours divided by theirs, so that a goal of ≤ 0.5 means half the time and one of ≥ 2 double the rate.`,
    [
      `- ${machine.cores} cores, ${machine.processor}, ${machine.memoryGB} GB; ${machine.system}; Bun ${machine.bun}; ${machine.date}`,
      `- load when it began: ${machine.load[0]}${machine.load[0] > BUSY ? " (**the machine was busy with other work**: absolute values are worth little, ratios more)" : ""}`,
      `- goals: ${judged.length - missed.length} of ${judged.length} met`,
    ].join("\n"),
    "## How it is measured",
    "One client (`tests/bench/link.ts`) asks both. It is made to cost little: it looks at the length of output in place of decoding it, reads what is long into the same memory each time, sends what belongs to one turn in one write, and masks what is long only once. The column *control* shows what it can take: a compiled Bun program (`tests/bench/control`) that speaks the protocol and does nothing, measured in the same way in the same rounds. Where ours is near to the control, the client or the runtime is the limit. The control's start and memory are what Bun alone costs.",
    "Client, server and the processes they start share the cores. CPU is that of the server process, memory that of the server and of the shell that guards what ours has started. MB are 1,000,000 bytes. Latencies are of what has been asked for a second long, and up to 20,000 times: until then each of the programs is compiled now and then, for 1 to 4 ms at a time; new connections are counted after 1,000. Throughput by pipe, of a terminal and of input is that of a second run, after one that is a sixteenth to an eighth as long, of input as long; blocks of files and the streamed body go once to warm up, as a connection of the system has yet to find out how much it can carry (BBR). The executables are read into memory anew before the run, as the state of the pages that the system has of them makes up to 5 ms of a start, of either server. Trees of many files, and files that are sent up, are in memory (`/dev/shm`): a disk's file system can be slow for minutes after many files have been removed, and holds up who writes more than the disk does. Every byte of output is counted, and a figure whose bytes are not all there fails.",
    "## Results",
    markdownTables(figures),
    "## Goals that are not met",
    missed.length === 0 ? "None." : missed.map(miss).join("\n"),
    ...(skipped.length > 0
      ? ["## Not measured", skipped.map(({ family, why }) => `- ${family}: ${why}`).join("\n")]
      : []),
    ...(failures.length > 0 ? ["## Failed", failures.map((text) => `- ${text}`).join("\n")] : []),
  ];
  return `${parts.join("\n\n")}\n`;
}

function miss({ family, title, id, unit, better, ratio, goal, ours, peer, control }: Line): string {
  const bare = control === null ? "" : `, control ${short(control)} ${unit}`;
  const note = noteOn(id);
  return `- ${family}: ${title}: ${short(ratio!)}× (goal ${better === "lower" ? "≤" : "≥"} ${goal}): ours ${short(ours!)} ${unit}, theirs ${short(peer!)} ${unit}${bare}${note ? `. ${note[0]!.toUpperCase()}${note.slice(1)}` : ""}`;
}
