/** `cp`: copies files and trees, shows how far it is, and says what was left undone. */

import type { FlagSpecs, Parsed } from "../flags/flags.ts";
import { type FileContext, fileStatus, problemText, usageError } from "./command.ts";
import { type CopyListener, type CopySummary, copyAll } from "./copy.ts";
import { formatBytes, formatDuration, printable } from "./format.ts";
import { Progress, progressLine } from "./progress.ts";

export const copyFlags = {
  recursive: { type: "boolean", short: "r", help: "Copy directories with all that is in them (also -R)" },
  "recursive-too": { type: "boolean", short: "R", help: "", hidden: true },
  preserve: { type: "boolean", short: "p", help: "Keep modes and times" },
  dereference: { type: "boolean", short: "L", help: "Follow links in trees instead of copying them" },
  resume: { type: "boolean", help: "Go on behind what is there and the same (by SHA-256)" },
  quiet: { type: "boolean", short: "q", help: "Show no progress" },
  json: { type: "boolean", help: "Print what happens as lines of JSON" },
} as const satisfies FlagSpecs;

/** How often the line is drawn, or a line of JSON printed. */
const DRAW_MS = 100;
const JSON_MS = 1000;

export async function copyCommand(
  context: FileContext,
  flags: Parsed<typeof copyFlags>["flags"],
  words: readonly string[],
): Promise<number> {
  if (words.length < 2) throw usageError('"cp" needs a source and a destination: cp SRC… DST');
  const { output, signal } = context;
  const locations = [];
  for (const [i, word] of words.entries()) {
    locations.push(await context.locate(word, undefined, i === words.length - 1 ? "destination" : "source"));
  }
  const destination = locations.pop()!;
  const progress = new Progress();
  const began = performance.now();
  const current = new Set<string>();
  const report = (event: Record<string, unknown>): void => output.line(JSON.stringify(event));
  const say = (text: string): void => {
    output.status?.show(undefined);
    output.say(text);
  };
  const draw = (): void => {
    if (flags.json) report({ event: "progress", ...progress.snapshot() });
    else {
      const { status } = output;
      status?.show(progressLine(progress.snapshot(), [...current].at(-1) ?? "", status.columns));
    }
  };
  const listener: CopyListener = {
    planned: (files, bytes) => {
      progress.totalFiles = files;
      progress.totalBytes = bytes;
    },
    begun: (_from, to) => void current.add(to),
    progressed: (bytes) => progress.add(bytes),
    skipped: (bytes) => progress.skip(bytes),
    finished: (from, to, bytes) => {
      current.delete(to);
      progress.files++;
      if (flags.json) report({ event: "copied", from, to, bytes });
    },
    failed: (path, error) => {
      if (flags.json) report({ event: "failed", path, code: codeOf(error), message: error.message });
      say(problemText(error));
    },
    warned: (text) => say(printable(text)),
  };
  const shows = flags.json || (!flags.quiet && output.status !== undefined);
  const timer = shows ? setInterval(draw, flags.json ? JSON_MS : DRAW_MS) : undefined;
  let summary: CopySummary;
  try {
    summary = await copyAll(locations, destination, {
      recursive: flags.recursive || flags["recursive-too"],
      follow: flags.dereference,
      preserve: flags.preserve,
      resume: flags.resume,
      signal,
      listener,
    });
  } finally {
    clearInterval(timer);
    output.status?.show(undefined);
  }
  const ms = performance.now() - began;
  const { stopped, incomplete, ...counts } = summary;
  if (flags.json) {
    report({
      event: "end",
      ...counts,
      seconds: Math.round(ms) / 1000,
      ...(incomplete.length > 0 ? { incomplete } : {}),
      ...(stopped ? { stopped: signal.aborted ? "interrupted" : stopped.message } : {}),
    });
  } else if (output.status && !flags.quiet && (summary.files > 0 || summary.links > 0)) {
    output.say(countsText(summary, ms));
  }
  if (stopped && !signal.aborted) output.say(problemText(stopped));
  sayIncomplete(output, summary, signal.aborted);
  if (signal.aborted) return fileStatus.interrupted;
  return stopped || summary.failed > 0 ? fileStatus.failed : fileStatus.ok;
}

function countsText({ files, links, bytes }: CopySummary, ms: number): string {
  const things = [
    `${files} ${files === 1 ? "file" : "files"}`,
    ...(links > 0 ? [`${links} ${links === 1 ? "link" : "links"}`] : []),
  ].join(", ");
  return `${things}, ${formatBytes(bytes)} in ${formatDuration(ms)} (${formatBytes(Math.round((bytes * 1000) / Math.max(1, ms)))}/s)`;
}

/** What is half there is named, so that nobody takes it for whole. */
function sayIncomplete(output: FileContext["output"], summary: CopySummary, isInterrupted: boolean): void {
  const { incomplete, files } = summary;
  if (isInterrupted) output.say(`Interrupted: ${files} ${files === 1 ? "file was" : "files were"} copied`);
  for (const path of incomplete.slice(0, 10))
    output.say(`Incomplete: "${printable(path)}" (--resume goes on)`);
  if (incomplete.length > 10) output.say(`Incomplete: ${incomplete.length - 10} more`);
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
