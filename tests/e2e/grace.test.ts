/** Asking before killing: `graceMs` of `process/terminate`, and the end of a session. */

import { expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/deadline.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { isAlive } from "../support/proc.ts";
import { RawProcess } from "../support/raw_process.ts";

suite("grace", { servers: ours }, (t) => {
  const terminate = async (child: RawProcess, graceMs: unknown): Promise<unknown> => {
    const { result, error } = await child.client.ask("process/terminate", { processId: child.id, graceMs });
    return error ? error.code : result;
  };

  verifies(
    "process/terminate: with a grace all is asked first, and who goes on is killed",
    "obeys",
    async () => {
      for (const tty of [false, true]) {
        const child = await t.start(
          "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done",
          {
            tty,
          },
        );
        await child.says("ready");
        expect(await terminate(child, 20_000)).toEqual({ running: true });
        const { exitCode, bytes } = await child.closed();
        expect([exitCode, bytes.toString()]).toEqual([7, expect.stringContaining("bye")]);
      }
    },
  );

  verifies(
    "process/terminate: with a grace all is asked first, and who goes on is killed",
    "refuses",
    async () => {
      const child = await t.start(
        "trap 'echo no' TERM; setsid sh -c 'trap \"\" TERM; echo $$; sleep 99' & wait; while :; do sleep 0.01; done",
      );
      await child.says("\n");
      const hidden = Number(child.text);
      await terminate(child, 20_000);
      await child.says("no");
      expect([isAlive(hidden), child.events.length]).toEqual([true, 2]);
      // A shorter time counts, a longer one does not.
      expect(await terminate(child, 10)).toEqual({ running: true });
      expect(await terminate(child, 50_000)).toEqual(expect.anything());
      expect((await child.closed()).exitCode).toBe(137);
      await until(2000, "end of the one in another session", () => !isAlive(hidden));
    },
  );

  verifies(
    "process/terminate: with a grace all is asked first, and who goes on is killed",
    "holds",
    async () => {
      // Known by the output only: it has lost its parent and left the session.
      const holder = "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.01; done";
      const child = await t.start(`(setsid sh -c "${holder}" &); trap '' TERM; echo set; sleep 99; exit 3`);
      await child.says("ready");
      await child.says("set");
      await terminate(child, 30_000);
      // A shorter time at once does not mean that it is not asked.
      await terminate(child, 20_000);
      await child.says("asked");
      expect(await terminate(child, 0)).toEqual({ running: true });
      await child.closed();
    },
  );

  verifies(
    "process/terminate: with a grace all is asked first, and who goes on is killed",
    "left",
    async () => {
      const script =
        "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 99 >/dev/null 2>&1' & trap 'exit 0' TERM; while :; do sleep 0.01; done";
      const child = await t.start(script);
      await child.says("\n");
      const hidden = Number(child.text);
      await terminate(child, 300);
      expect((await child.closed()).exitCode).toBe(0);
      await until(2000, "end of whom the leader left behind", () => !isAlive(hidden));
    },
  );

  verifies(
    "process/terminate: with a grace all is asked first, and who goes on is killed",
    "bad",
    async () => {
      const child = await t.start("exec sleep 99");
      for (const bad of [-1, 1.5, "5", true]) expect(await terminate(child, bad)).toBe(-32602);
      expect(await terminate(child, 0)).toEqual({ running: true });
      expect((await child.closed()).exitCode).toBe(137);
      expect(await terminate(child, 1000)).toEqual({ running: false });
    },
  );

  verifies("shutdown: processes are asked to end, and those that obey do not hold it up", async () => {
    if (t.transport === "websocket") return;
    const client = await t.fresh();
    const note = join(t.folder.work, "note");
    const child = await new RawProcess(client).start(
      t.params(`trap 'echo asked >${note}; exit 0' TERM; echo ready; while :; do sleep 0.01; done`),
    );
    await child.says("ready");
    await client.close();
    await until(2000, "last word of the child", () => existsSync(note) && readFileSync(note, "utf8") !== "");
    expect(readFileSync(note, "utf8")).toBe("asked\n");
  });
});
