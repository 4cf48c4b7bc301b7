/** How the server ends, and that nothing outlives it. */

import { expect } from "bun:test";
import { until, within } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { isAlive, processesIn } from "../support/proc.ts";
import { RawClient, StdioClient } from "../support/raw_client.ts";
import { RawProcess } from "../support/raw_process.ts";
import { Listening, Running } from "../support/servers.ts";

/** Children that do not end by themselves: one that ignores signals, one in a terminal, and orphans of a third. */
const stubborn = "trap '' TERM INT HUP; echo ready $$; while :; do sleep 100; done";
const orphaning =
  "sh -c 'trap \"\" TERM INT HUP; echo ready $$; while :; do sleep 100; done' & sleep 0.2; exit 0";

suite("shutdown", { transports: ["stdio"] }, (t) => {
  /** Starts the children; answers their pids. */
  const breed = async (client: RawClient): Promise<number[]> => {
    const pids: number[] = [];
    for (const [script, tty] of [
      [stubborn, false],
      [stubborn, true],
      [orphaning, false],
    ] as const) {
      const child = await new RawProcess(client).start(t.params(script, { tty }));
      await child.says("ready");
      pids.push(Number(/ready (\d+)/.exec(child.text)![1]));
    }
    return pids;
  };
  const gone = async (pids: readonly number[]): Promise<void> => {
    await until(
      2000,
      () => `end of ${pids.filter(isAlive)} and ${processesIn(t.folder.work)}`,
      () => !pids.some(isAlive) && (!t.ours || processesIn(t.folder.work).length === 0),
    );
  };
  const cleanUp = (): void => {
    for (const pid of processesIn(t.folder.path)) process.kill(pid, "SIGKILL");
  };

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    verifies(
      "shutdown: a signal ends a listener with status 0, its children and its connections",
      signal,
      async () => {
        const listening = await Listening.start(t.server, t.folder);
        const client = await (await RawClient.websocket(listening.url)).initialize();
        const pids = await breed(client);
        const from = performance.now();
        listening.child.kill(signal);
        const status = await listening.exit();
        const tookMs = performance.now() - from;
        const { code } = await within(3000, "close of the socket", client.closed);
        t.same(`${signal} listener`, { status, code }, { status: 0, code: 1001 });
        if (t.difference("children outlive a signal") === undefined || (status === 0 && !t.ours))
          await gone(pids);
        else cleanUp();
        if (t.ours) expect(tookMs).toBeLessThan(1000);
        expect(await listening.allStdout()).toBe(`${listening.url}\n`);
      },
    );

    verifies("shutdown: a signal ends a server over stdio with status 0, at once", signal, async () => {
      const client = await new StdioClient(t.server, t.folder).initialize();
      const pids = await breed(client);
      const from = performance.now();
      client.running.child.kill(signal);
      const lingers = t.difference(`${signal} stdio`)?.does === "lingers";
      if (lingers) {
        await gone(pids);
        expect(isAlive(client.running.pid)).toBe(true);
        client.running.child.stdin.end();
      }
      const status = await client.running.exit();
      t.same(`${signal} stdio`, lingers ? "lingers" : status, 0);
      if (t.ours) {
        await gone(pids);
        expect(performance.now() - from).toBeLessThan(1000);
      } else cleanUp();
    });
  }

  verifies("shutdown: the end of input ends a server over stdio with its children", async () => {
    const client = await new StdioClient(t.server, t.folder).initialize();
    const pids = await breed(client);
    const from = performance.now();
    client.running.child.stdin.end();
    expect(await client.running.exit()).toBe(0);
    expect(performance.now() - from).toBeLessThan(1000);
    await gone(pids);
  });

  verifies("shutdown: the end of input does not end a listener", async () => {
    const listening = await Listening.start(t.server, t.folder);
    listening.child.stdin.end();
    const client = await (await RawClient.websocket(listening.url)).initialize();
    const child = await new RawProcess(client).start(t.params("echo on"));
    expect((await child.closed()).stdout).toBe("on\n");
    expect(isAlive(listening.pid)).toBe(true);
    await client.close();
    await listening.stop();
  });

  verifies(
    "shutdown: the death of the server by SIGKILL ends its terminals and direct children",
    async () => {
      const listening = await Listening.start(t.server, t.folder);
      const client = await (await RawClient.websocket(listening.url)).initialize();
      const child = await new RawProcess(client).start(t.params("echo ready; exec sleep 100", { tty: true }));
      await child.says("ready");
      const others = (): number[] => processesIn(t.folder.work).filter((pid) => pid !== listening.pid);
      // What an earlier test has killed may take a moment to go.
      await until(2000, "child alone", () => others().length === 1);
      const pids = others();
      listening.child.kill("SIGKILL");
      await gone(pids);
      await listening.exit();
    },
  );
});

suite("shutdown, ours", { transports: ["stdio"], servers: ours }, (t) => {
  verifies("shutdown: answers that are there go out at the end of input", async () => {
    const running = new Running(t.server, t.folder, { args: ["--listen", "stdio"] });
    const stdout = new Response(running.child.stdout).text();
    const requests = Array.from({ length: 200 }, (_, id) => `{"id":${id},"method":"no/such"}`);
    // The last line has no end of its own.
    running.child.stdin.write(requests.join("\n"));
    running.child.stdin.end();
    expect(await running.exit()).toBe(0);
    const ids = (await stdout)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).id);
    expect(ids).toEqual(requests.map((_, id) => id));
  });

  verifies("shutdown: a violation of the protocol ends a server over stdio at once", async () => {
    const client = await new StdioClient(t.server, t.folder).initialize();
    const child = await new RawProcess(client).start(t.params(stubborn));
    await child.says("ready");
    client.notify("no/such");
    expect(await client.running.exit()).toBe(0);
    await until(1000, "end of the children", () => processesIn(t.folder.work).length === 0);
  });

  verifies("shutdown: a reader that has gone ends a server over stdio", async () => {
    const client = await new StdioClient(t.server, t.folder).initialize();
    await new RawProcess(client).start(t.params("while :; do echo on; sleep 0.05; done"));
    client.running.child.stdin.end();
    expect(await client.running.exit()).toBe(0);
    await until(1000, "end of the children", () => processesIn(t.folder.work).length === 0);
  });
});
