/** The times that are agreed on: 45 s in which a client tries to come back, 80 s for which a server keeps a session. */

import { type Client, connectWebsocket, currentRuntime } from "../../mod.ts";
import { until, within } from "../support/deadline.ts";
import { startFaultProxy } from "../support/fault_proxy.ts";
import { childrenOf } from "../support/proc.ts";

export interface OutageOptions {
  url: string;
  /** Of the server. */
  pid: number;
  seed: number;
}

export interface OutageFigures {
  /** Until a client came back whose server could be reached again after 40 s. */
  resumedSeconds: number;
  linesRead: number;
  /** Until a client gave up whose server could not be reached any more. */
  gaveUpSeconds: number;
  /** Until the processes of a session to which nobody came back had ended. */
  expiredSeconds: number;
}

const LINES = 500;

/** @throws {Error} A session was lost too early or kept too long, or output is missing. */
export async function outage(options: OutageOptions): Promise<OutageFigures> {
  const runtime = await currentRuntime();
  const { url } = options;
  const back = startFaultProxy(url, { seed: options.seed });
  const gone = startFaultProxy(url, { seed: options.seed });
  try {
    const returning = await connectWebsocket(runtime, { url: back.url });
    const leaving = await connectWebsocket(runtime, { url: gone.url });
    const kept = await connectWebsocket(runtime, { url });
    for (const client of [leaving, kept]) await client.start({ argv: ["sleep", "1000"] });
    const script = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo $i; sleep 0.05; done; exit 8`;
    const child = await returning.start({ argv: ["sh", "-c", script] });
    const text = new Response(child.stdout).text();
    const from = performance.now();
    const seconds = (): number => (performance.now() - from) / 1000;
    for (const proxy of [back, gone]) {
      proxy.refuse();
      proxy.cut();
    }
    await kept.close();

    const after = async (ms: number): Promise<void> => await Bun.sleep(ms - (performance.now() - from));
    const returns = (async () => {
      await after(40_000);
      const resumed = resumedOf(returning);
      back.accept();
      await within(5000, "return after 40 s", resumed);
      const resumedSeconds = seconds();
      const lines = (await within(10_000, "the output", text)).trimEnd().split("\n").map(Number);
      if (lines.length !== LINES || lines.some((line, i) => line !== i + 1))
        throw new Error(`Of ${LINES} lines came ${lines.length}`);
      const end = await child.wait();
      if (end.kind !== "exited" || end.exitCode !== 8) throw new Error(JSON.stringify(end));
      await returning.close();
      return { resumedSeconds, linesRead: lines.length };
    })();
    const givesUp = (async () => {
      await within(60_000, "the end of trying", leaving.closed);
      return seconds();
    })();
    const expires = (async () => {
      await after(76_000);
      const again = await connectWebsocket(runtime, { url, resumeSessionId: kept.sessionId });
      if (childrenOf(options.pid).length === 0) throw new Error("A process ended with nobody attached");
      await until(
        15_000,
        "the end of the process of the other session",
        () => childrenOf(options.pid).length === 1,
      );
      const expiredSeconds = seconds();
      await again.close();
      return expiredSeconds;
    })();
    const [returned, gaveUpSeconds, expiredSeconds] = await Promise.all([returns, givesUp, expires]);
    if (gaveUpSeconds < 40 || gaveUpSeconds > 48) throw new Error(`It gave up after ${gaveUpSeconds} s`);
    if (expiredSeconds < 79.5) throw new Error(`A session expired after ${expiredSeconds} s`);
    return { ...returned, gaveUpSeconds, expiredSeconds };
  } finally {
    back.close();
    gone.close();
  }
}

function resumedOf(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.onConnectionChange(({ kind }) => kind === "resumed" && resolve());
    client.closed.then((reason) => reject(new Error(reason.message)));
  });
}
