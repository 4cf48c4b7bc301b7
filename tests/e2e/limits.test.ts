/** What a process may use, and how hitting a limit is told. */

import { expect } from "bun:test";
import { ours, suite, verifies } from "../support/harness.ts";
import type { RawProcess } from "../support/raw_process.ts";

suite("limits", { servers: ours }, (t) => {
  /** How the process ended: its exit code and the limit that was hit, which all that tells of its end agrees on. */
  const endOf = async (child: RawProcess): Promise<[number, string | undefined]> => {
    const { exitCode } = await child.closed();
    const { exitCode: same, endedBy } = await child.read();
    expect(same).toBe(exitCode);
    expect(child.events.find(({ kind }) => kind === "closed")!.endedBy).toBe(endedBy);
    return [exitCode, endedBy];
  };
  const exitOf = (child: RawProcess): string | undefined =>
    child.events.find(({ kind }) => kind === "exited")!.endedBy;

  verifies("limits: wall time ends a process, and all that holds its output", async () => {
    for (const tty of [false, true]) {
      const child = await t.start("trap '' TERM HUP; while :; do echo x; sleep 0.02; done", {
        tty,
        limits: { wallTimeMs: 300 },
      });
      expect(await endOf(child)).toEqual([137, "wallTime"]);
      expect(exitOf(child)).toBe("wallTime");
    }
    const ended = await t.start("sleep 99 & exit 3", { limits: { wallTimeMs: 300 } });
    expect(await ended.exited()).toBe(3);
    // It had ended by itself; what was left of it went with the time.
    expect(await endOf(ended)).toEqual([3, "wallTime"]);
    expect(exitOf(ended)).toBeUndefined();
    const quick = await t.start("exit 5", {
      limits: { wallTimeMs: 60_000, idleTimeMs: 60_000, outputBytes: 10 },
    });
    expect(await endOf(quick)).toEqual([5, undefined]);
  });

  verifies(
    "limits: idle time counts from the last output or input, and not while output is held back",
    async () => {
      const busy = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done; sleep 99";
      const child = await t.start(busy, { limits: { idleTimeMs: 500 } });
      expect(await endOf(child)).toEqual([137, "idleTime"]);
      expect(child.text).toBe("1\n2\n3\n4\n5\n6\n7\n8\n");
      const fed = await t.start("exec cat >/dev/null", { pipeStdin: true, limits: { idleTimeMs: 400 } });
      const from = performance.now();
      for (let i = 0; i < 6; i++) {
        await Bun.sleep(100);
        expect(await fed.write("x")).toBe("accepted");
      }
      expect(await endOf(fed)).toEqual([137, "idleTime"]);
      expect(performance.now() - from).toBeGreaterThan(990);
      // A window that nobody opens holds it back, which is no rest of its own.
      const held = await t.start("head -c 3000000 /dev/zero; sleep 99", {
        outputWindowBytes: 10_000,
        limits: { idleTimeMs: 100 },
      });
      await Bun.sleep(500);
      expect((await held.read({ maxBytes: 0 })).exited).toBe(false);
      const timer = setInterval(
        () => held.client.notify("process/consumed", { processId: held.id, seq: 1e9 }),
        5,
      );
      expect(await endOf(held)).toEqual([137, "idleTime"]);
      clearInterval(timer);
      expect(held.output().length).toBe(3_000_000);
    },
  );

  verifies("limits: output is told up to the limit, byte for byte", async () => {
    for (const [limit, length] of [
      [0, 0],
      [100_000, 100_000],
      [1_000_000, 500_000],
      [500_000, 500_000],
    ] as const) {
      const child = await t.start("head -c 500000 /dev/zero | tr '\\0' a", {
        limits: { outputBytes: limit },
      });
      const [exitCode, endedBy] = await endOf(child);
      expect(child.text === "a".repeat(length)).toBe(true);
      if (limit >= 500_000) expect([exitCode, endedBy]).toEqual([0, undefined]);
      // A program that had written all of it may have ended before, but what was dropped is told.
      else expect(["137 outputBytes", "0 outputBytes"]).toContain(`${exitCode} ${endedBy}`);
    }
    const endless = await t.start("exec yes", { limits: { outputBytes: 1001 } });
    expect(await endOf(endless)).toEqual([137, "outputBytes"]);
    expect(endless.text).toBe(`${"y\n".repeat(500)}y`);
  });

  verifies("limits: who is to be ended is asked first when there is a grace", async () => {
    const script = "trap 'echo last words; exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    const child = await t.start(script, { limits: { wallTimeMs: 200, graceMs: 20_000 } });
    expect(await endOf(child)).toEqual([9, "wallTime"]);
    expect(child.text).toContain("last words");
    const stubborn = await t.start("trap '' TERM; while :; do sleep 0.01; done", {
      limits: { wallTimeMs: 100, graceMs: 100 },
    });
    expect(await endOf(stubborn)).toEqual([137, "wallTime"]);
    const client = await t.client();
    for (const limits of [{ wallTimeMs: -1 }, { outputBytes: "5" }, { graceMs: 1.5 }, 5, []]) {
      const answer = await client.ask("process/start", { processId: "bad", ...t.params("true"), limits });
      expect(answer.error?.code).toBe(-32602);
    }
  });
});
