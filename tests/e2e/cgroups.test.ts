/** Processes in control groups: `serve --cgroup`. Where this machine lets us make some. */

import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { Cgroups } from "../../lib/process/cgroups.ts";
import { until } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { isAlive } from "../support/proc.ts";
import { RawProcess } from "../support/raw_process.ts";
import { Listening } from "../support/servers.ts";

/** The folder that groups are made in, or why there is none. */
function place(): { parent: string; controllers: ReadonlySet<string> } | undefined {
  try {
    const cgroups = new Cgroups();
    cgroups.close();
    return { parent: dirname(cgroups.folder), controllers: cgroups.controllers };
  } catch {
    return undefined;
  }
}

const found = place();

/** One that has lost its parent, has left the session and holds none of the output. */
const hiding = "(setsid sh -c 'exec sleep 99 >/dev/null 2>&1 </dev/null' &)";

suite("cgroups", {
  servers: ours,
  missing: found ? undefined : "this user may make no control groups here",
  launch: { args: ["--cgroup", "auto"] },
}, (t) => {
  const groups = (): string[] =>
    readdirSync(found!.parent).filter((name) => name.startsWith(`exec-server-${t.pid}-`));
  const membersOf = (group: string): number[] =>
    readFileSync(`${group}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
  const groupOf = (pid: number): string =>
    found!.parent +
    /^0::.*(\/exec-server-[^/]+\/\d+)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))![1];

  verifies("cgroups: nothing that a process has started can hide", "terminate", async () => {
    const client = await t.client();
    expect((await client.call("environment/info")).capabilities.processCgroups).toBe(true);
    for (const tty of [false, true]) {
      const child = await t.start(`${hiding}; echo $$; exec sleep 99`, { tty });
      await child.says("\n");
      const group = groupOf(Number(child.text));
      await until(3000, "two in the group", () => membersOf(group).length === 2);
      const pids = membersOf(group);
      expect(await child.terminate()).toBe(true);
      expect((await child.closed()).exitCode).toBe(137);
      await until(3000, "the end of both", () => !pids.some(isAlive));
    }
  });

  verifies("cgroups: nothing that a process has started can hide", "end of the session", async () => {
    const client = await t.fresh();
    const child = await new RawProcess(client).start(
      t.params(`${hiding}; echo $$; read x`, { pipeStdin: true }),
    );
    await child.says("\n");
    const group = groupOf(Number(child.text));
    await until(3000, "two in the group", () => membersOf(group).length === 2);
    await child.write("\n");
    await child.closed();
    const [hidden] = membersOf(group);
    expect(isAlive(hidden!)).toBe(true);
    if (t.transport === "stdio") {
      await client.close();
      await until(3000, "its end", () => !isAlive(hidden!));
    } else process.kill(hidden!, "SIGKILL");
  });

  verifies("cgroups: nothing that a process has started can hide", "a start like any other", async () => {
    const told = await t.run("read x; echo $x; kill -9 $$", { pipeStdin: false });
    expect([told.stdout, told.exitCode]).toEqual(["\n", 137]);
    for (let i = 0; i < 40; i++) expect((await t.run(["/bin/true"])).exitCode).toBe(0);
    // They are used again.
    expect(
      readdirSync(`${found!.parent}/${groups()[0]}`).filter((name) => /^\d+$/.test(name)).length,
    ).toBeLessThan(10);
  });

  verifies(
    "cgroups: nothing that a process has started can hide",
    "after kill -9 of the server",
    async () => {
      if (t.transport === "stdio") return;
      const listening = await Listening.start(t.server, t.folder, { args: ["--cgroup", "auto"] });
      const { RawClient } = await import("../support/raw_client.ts");
      const client = await (await RawClient.websocket(listening.url)).initialize();
      const child = await new RawProcess(client).start(t.params(`${hiding}; echo $$; exec sleep 99`));
      await child.says("\n");
      const group = groupOf(Number(child.text));
      await until(3000, "two in the group", () => membersOf(group).length === 2);
      const pids = membersOf(group);
      listening.child.kill("SIGKILL");
      await until(5000, "the end of both", () => !pids.some(isAlive));
      await until(5000, "the end of the group", () => !existsSync(dirname(group)));
      await listening.exit();
    },
  );

  verifies("cgroups: what they are not there for is refused", async () => {
    const client = await t.client();
    const limits = [
      ["memory", "memoryBytes", 64e6],
      ["pids", "processes", 10],
      ["cpu", "cpuPercent", 50],
    ] as const;
    for (const [controller, name, value] of limits) {
      if (found!.controllers.has(controller)) continue;
      const answer = await client.ask("process/start", {
        processId: "x",
        ...t.params("true", { limits: { [name]: value } }),
      });
      expect(answer.error?.code).toBe(-32600);
    }
    const { processResourceLimits } = (await client.call("environment/info")).capabilities;
    expect(processResourceLimits ?? false).toBe(found!.controllers.size > 0);
  });
});
