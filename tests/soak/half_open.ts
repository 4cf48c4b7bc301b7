/** A connection on which nothing passes any more and of which nobody is told, as behind a pulled cable. */

import { connectWebsocket, currentRuntime, listen } from "../../mod.ts";
import { within } from "../support/deadline.ts";
import { startFaultProxy } from "../support/fault_proxy.ts";

export interface HalfOpenOptions {
  /** Between the pings of either side. @default Their defaults. */
  pingIntervalMs?: number;
  limitMs: number;
  seed: number;
}

export interface HalfOpenFigures {
  /** From the break to the moment at which the side knows. */
  clientSeconds: number;
  serverSeconds: number;
}

/** @throws {Error} One of the sides did not notice in time. */
export async function halfOpen({ pingIntervalMs, limitMs, seed }: HalfOpenOptions): Promise<HalfOpenFigures> {
  const runtime = await currentRuntime();
  const pings = pingIntervalMs === undefined ? {} : { pingIntervalMs };
  const serverKnows = Promise.withResolvers<string>();
  const listener = await listen(runtime, {
    ...pings,
    log: (line) => line.includes("disconnected") && serverKnows.resolve(line),
  });
  const proxy = startFaultProxy(listener.url, { seed });
  try {
    const client = await connectWebsocket(runtime, { url: proxy.url, ...pings });
    const clientKnows = Promise.withResolvers<string>();
    client.onConnectionChange(
      (change) => change.kind === "lost" && clientKnows.resolve(change.reason.message),
    );
    const child = await client.start({ argv: ["sleep", "1000"] });
    const ended = child.wait();
    proxy.freeze();
    const from = performance.now();
    const after = async (promise: Promise<string>): Promise<number> => {
      const message = await promise;
      if (!message.includes("pings brought no answer")) throw new Error(message);
      return (performance.now() - from) / 1000;
    };
    const known = Promise.all([after(clientKnows.promise), after(serverKnows.promise)]);
    const [clientSeconds, serverSeconds] = await within(limitMs, "notice of the break on both sides", known);
    await client.close();
    await within(5000, "the end of the handle", ended);
    return { clientSeconds, serverSeconds };
  } finally {
    proxy.close();
    await listener.close();
  }
}
