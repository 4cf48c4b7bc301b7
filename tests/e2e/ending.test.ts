/** `process/signal`, `process/terminate`, exit codes. */

import { expect } from "bun:test";
import { until } from "../support/deadline.ts";
import { suite, verifies } from "../support/harness.ts";
import { isAlive } from "../support/proc.ts";

suite("ending", { peerTransports: ["stdio"] }, (t) => {
  const signal = async (processId: string, name: unknown = "interrupt"): Promise<unknown> => {
    const { result, error } = await (await t.client()).ask("process/signal", { processId, signal: name });
    return error ? error.code : result;
  };

  verifies("exit codes: the status, or 128 + n after signal n", async () => {
    for (const status of [0, 1, 7, 255]) {
      for (const tty of [false, true]) expect((await t.run(`exit ${status}`, { tty })).exitCode).toBe(status);
    }
    for (const [name, number] of [
      ["TERM", 15],
      ["KILL", 9],
      ["SEGV", 11],
      ["USR1", 10],
    ] as const) {
      const codes = [];
      for (const tty of [false, true]) codes.push((await t.run(`kill -${name} $$`, { tty })).exitCode);
      t.same(`killed by ${name}`, codes, [128 + number, 128 + number]);
    }
  });

  verifies(
    "exit codes: ours names the signal, and none for a program that exits with such a code",
    async () => {
      for (const tty of [false, true]) {
        const told = [];
        for (const script of ["kill -KILL $$", "kill -ABRT $$", "exit 137", "exit 0"]) {
          const child = await t.start(script, { tty });
          const { exitCode, signal } = await child.closed();
          expect((await child.read()).signal).toEqual(signal as string | undefined);
          told.push([exitCode, signal]);
        }
        if (t.ours)
          expect(told).toEqual([
            [137, "SIGKILL"],
            [134, "SIGABRT"],
            [137, undefined],
            [0, undefined],
          ]);
        else expect(told.map(([, signal]) => signal)).toEqual([undefined, undefined, undefined, undefined]);
      }
    },
  );

  verifies("process/terminate: kills the group at once and says so", async () => {
    const codes: number[] = [];
    for (const tty of [false, true]) {
      const child = await t.start("trap '' TERM INT HUP; sleep 99 & echo $! $$; wait; sleep 99", { tty });
      await child.says("\n");
      const pids = child.text.trim().split(" ").map(Number);
      const from = performance.now();
      expect(await child.terminate()).toBe(true);
      codes.push((await child.closed()).exitCode);
      expect(performance.now() - from).toBeLessThan(1500);
      await until(2000, "end of the group", () => !pids.some(isAlive));
      expect(await child.terminate()).toBe(false);
    }
    t.same("exit code of terminate", codes, [137, 137]);
  });

  verifies("process/terminate: an ended or unknown process is not running", async () => {
    const child = await t.start("true");
    await child.closed();
    expect(await child.terminate()).toBe(false);
    expect(await (await t.client()).call("process/terminate", { processId: "none" })).toEqual({
      running: false,
    });
  });

  verifies("process/terminate: who is left of a group whose leader has ended is not signalled", async () => {
    const child = await t.start("sleep 0.4 & echo $!; exit 0");
    await child.exited();
    await child.says("\n");
    const pid = Number(child.text);
    expect(await child.terminate()).toBe(false);
    expect(isAlive(pid)).toBe(true);
    await child.closed();
  });

  verifies("process/terminate: a grandchild in its own session does not hold up the end", async () => {
    for (const tty of [false, true]) {
      const child = await t.start("setsid sleep 0.8 & echo ready; exec sleep 100", { tty });
      await child.says("ready");
      await Bun.sleep(50);
      const from = performance.now();
      await child.terminate();
      await child.closed();
      const held = performance.now() - from > 500;
      if (tty) t.same("held up in a terminal", held, false);
      else expect(held).toBe(false);
    }
  });

  verifies("process/signal: interrupt reaches the group", async () => {
    const codes: number[] = [];
    for (const tty of [false, true]) {
      const child = await t.start("echo ready; sleep 100; echo not reached", { tty });
      await child.says("ready");
      await Bun.sleep(50);
      const answer = await signal(child.id);
      if (t.difference("method process/signal")) {
        expect(answer).toBe(-32601);
        await child.end();
        continue;
      }
      expect(answer).toEqual({});
      const told = await child.closed();
      expect(told.bytes.toString().trim()).toBe("ready");
      codes.push(told.exitCode);
    }
    t.same("exit codes of interrupt", codes, [130, 130]);
  });

  verifies("process/signal: who ignores or handles it lives on", async () => {
    if (t.difference("method process/signal")) return;
    const child = await t.start("trap 'echo caught' INT; echo ready; while :; do sleep 0.1; done");
    await child.says("ready");
    await signal(child.id);
    await child.says("caught");
    expect(child.events.some(({ kind }) => kind === "exited")).toBe(false);
    await child.end();
  });

  verifies("process/signal: an ended or unknown process is no error", async () => {
    if (t.difference("method process/signal")) return;
    expect(await signal("none")).toEqual({});
    const child = await t.start("true");
    await child.closed();
    expect(await signal(child.id)).toEqual({});
    for (const bad of ["INTERRUPT", "SIGINT", "", 2, null]) expect(await signal(child.id, bad)).toBe(-32602);
    t.same("signal terminate", await signal("none", "terminate"), {});
  });
});
