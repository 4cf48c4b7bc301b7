import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { killTogether, leads } from "../../../lib/process/kill_together.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { until, within } from "../../support/deadline.ts";

test("all that are asked for in one turn are killed, with those who have left their group", async () => {
  const runtime = await currentRuntime();
  const start = () =>
    runtime.spawn({
      file: "/bin/sh",
      argv: ["sh", "-c", "setsid sleep 1000 & echo $!; exec sleep 1000"],
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      stdin: "null",
    });
  const children = [start(), start(), start()];
  const strays = await Promise.all(
    children.map(async ({ stdout }) => Number(Buffer.from((await stdout.read())!).toString())),
  );
  const done: number[] = [];
  for (const [i, { pid }] of children.entries()) {
    killTogether(
      () => [{ pid, exited: false, isTerminal: false }],
      () => done.push(i),
    );
  }
  expect(done).toEqual([]);
  await until(5000, "kills", () => done.length > 0);
  expect(done).toEqual([0, 1, 2]);
  const ends = await within(5000, "end of the children", Promise.all(children.map(({ exited }) => exited)));
  expect(ends.map(({ signal }) => signal)).toEqual([9, 9, 9]);
  for (const pid of strays) {
    await within(
      5000,
      `end of ${pid}`,
      (async () => {
        while (isThere(pid)) await Bun.sleep(2);
      })(),
    );
  }
  for (const { stdout, stderr } of children) {
    stdout.cancel();
    stderr?.cancel();
  }
});

test("a child that leads is killed for itself only, even where the number of another one has become its own", async () => {
  const runtime = await currentRuntime();
  const child = runtime.spawn({
    file: "/bin/sh",
    argv: ["sh", "-c", "sleep 1000 & echo $!; wait"],
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    stdin: "null",
  });
  const leaves = leads(child.pid);
  const grandchild = Number(Buffer.from((await child.stdout.read())!).toString());
  const kill = async (exited: boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    killTogether(() => [{ pid: child.pid, exited, isTerminal: false }], resolve);
    await promise;
  };
  await kill(true);
  // Neither stopped nor dead.
  const states = [stateOf(child.pid), stateOf(grandchild)];
  await kill(false);
  expect((await within(5000, "end of the child", child.exited)).signal).toBe(9);
  expect(states.join("")).toMatch(/^[RSD]{2}$/);
  leaves();
  child.stdout.cancel();
  child.stderr?.cancel();
});

function stateOf(pid: number): string | undefined {
  return /^State:\s*(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
