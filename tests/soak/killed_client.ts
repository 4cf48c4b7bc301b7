/** A client that is killed in the middle of an output, whose session another program takes over. */

import { join } from "node:path";
import { connectWebsocket, currentRuntime, ExecServerError, RpcError } from "../../mod.ts";
import { until, within } from "../support/deadline.ts";

export interface KilledFigures {
  /** The last number that the killed client had read. */
  readBefore: number;
  /** Lines that the second one read behind it. */
  linesAfter: number;
  exitCode: number | null;
  /** From the kill to the attached session. */
  takeOverMs: number;
}

/** What the client that will be killed says of itself. */
interface Report {
  sessionId: string;
  processId: string;
  lastSeq: number;
  text: string;
}

/**
 * The program puts out `lines` numbered lines, 500 at a time, and exits with 7.
 * @throws {Error} The second client lacks a line, or got one twice.
 */
export async function killedClient(url: string, lines: number): Promise<KilledFigures> {
  const victim = Bun.spawn(
    [process.execPath, "--no-env-file", join(import.meta.dir, "victim.ts"), url, String(lines)],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  let report: Report;
  try {
    report = await within(20_000, "a report", lastReport(victim.stdout, lines / 4));
  } finally {
    victim.kill("SIGKILL");
    await victim.exited;
  }
  const from = performance.now();
  const runtime = await currentRuntime();
  const client = await until(15_000, "take-over", async () => {
    try {
      return await connectWebsocket(runtime, { url, resumeSessionId: report.sessionId });
    } catch (error) {
      // The server has not seen the end of the first yet.
      if (error instanceof RpcError && error.message.includes("already attached")) return undefined;
      if (error instanceof ExecServerError && error.code === "ERR_CONNECT") return undefined;
      throw error;
    }
  });
  const takeOverMs = performance.now() - from;
  try {
    let { lastSeq: afterSeq, text } = report;
    const before = text.trimEnd().split("\n").length;
    for (;;) {
      const params = { processId: report.processId, afterSeq, waitMs: 2000 };
      const read = await within(10_000, "an answer", client.call("process/read", params));
      for (const { seq, chunk } of read.chunks) {
        if (seq <= afterSeq) throw new Error(`Number ${seq} came after ${afterSeq}`);
        afterSeq = seq;
        text += Buffer.from(chunk).toString();
      }
      if (!read.closed || read.chunks.length > 0) continue;
      const got = text.trimEnd().split("\n").map(Number);
      const wrong = got.findIndex((number, i) => number !== i + 1);
      if (wrong >= 0 || got.length !== lines)
        throw new Error(`Of ${lines} lines came ${got.length}; line ${wrong + 1} is ${got[wrong]}`);
      return { readBefore: report.lastSeq, linesAfter: lines - before, exitCode: read.exitCode, takeOverMs };
    }
  } finally {
    await client.close();
  }
}

/** The newest line of the victim once it has read so many lines. */
async function lastReport(stdout: ReadableStream<Uint8Array>, lines: number): Promise<Report> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stdout) {
    text += decoder.decode(bytes, { stream: true });
    const whole = text
      .slice(0, text.lastIndexOf("\n") + 1)
      .trimEnd()
      .split("\n");
    if (whole[0] === "") continue;
    const report = JSON.parse(whole.at(-1)!) as Report;
    if (report.text.split("\n").length > lines) return report;
    text = text.slice(text.lastIndexOf("\n") + 1);
  }
  throw new Error("The client ended by itself");
}
