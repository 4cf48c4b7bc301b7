/** Event streams that are open for minutes: each event comes when it happens, none is lost, and others are not held up. */

import { connectWebsocket, currentRuntime } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { Origin } from "../support/origin.ts";
import { memoryOf } from "../support/proc.ts";

export interface EventStreamsOptions {
  url: string;
  /** Of the server. */
  pid: number;
  streams: number;
  /** So many of each stream. */
  events: number;
  everyMs: number;
}

export interface EventStreamsFigures {
  seconds: number;
  events: number;
  /** Longest time between two events of a stream. */
  longestPauseMs: number;
  /** Longest answer to another request meanwhile. */
  slowestRequestMs: number;
  /** Between the tenth part of the run and its end, in MiB. */
  serverGrowthMiB: number;
}

/** @throws {Error} An event is missing, came twice or in another order, or nothing came for long. */
export async function eventStreams(options: EventStreamsOptions): Promise<EventStreamsFigures> {
  const { url, pid, streams, events, everyMs } = options;
  const from = performance.now();
  const origin = await Origin.start();
  const client = await connectWebsocket(await currentRuntime(), { url });
  const figures = { longestPauseMs: 0, slowestRequestMs: 0 };
  let isOver = false;
  let settledMiB = 0;
  const follow = async (): Promise<void> => {
    const answer = await client.fetch(origin.url(`/events/${events}/${everyMs}`));
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let seen = 0;
    for (let last = performance.now(); ; last = performance.now()) {
      const { value, done } = await within(everyMs + 10_000, "the next event", reader.read());
      if (done) break;
      figures.longestPauseMs = Math.max(figures.longestPauseMs, performance.now() - last);
      const parts = (text + value).split("\n\n");
      text = parts.pop()!;
      for (const part of parts) {
        if (part !== `data: ${++seen}`) throw new Error(`"${part}" came in place of event ${seen}`);
      }
      if (settledMiB === 0 && seen >= events / 10) settledMiB = memoryOf(pid);
    }
    if (seen !== events || text !== "") throw new Error(`${seen} of ${events} events came`);
  };
  const ask = async (): Promise<void> => {
    for (; !isOver; await Bun.sleep(100)) {
      const asked = performance.now();
      const answer = await within(10_000, "answer to another request", client.fetch(origin.url("/")));
      if ((await answer.text()) !== "ok") throw new Error("Another request got a wrong answer");
      figures.slowestRequestMs = Math.max(figures.slowestRequestMs, performance.now() - asked);
    }
  };
  try {
    const followed = Promise.all(Array.from({ length: streams }, follow)).finally(() => {
      isOver = true;
    });
    await Promise.all([followed, ask()]);
    const serverGrowthMiB = memoryOf(pid) - settledMiB;
    const seconds = (performance.now() - from) / 1000;
    return { seconds, events: streams * events, ...figures, serverGrowthMiB };
  } finally {
    isOver = true;
    await client.close();
    await origin.close();
  }
}
