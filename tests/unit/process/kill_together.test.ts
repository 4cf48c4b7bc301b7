import { expect, test } from "bun:test";
import { killTogether } from "../../../lib/process/kill_together.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { within } from "../../support/deadline.ts";

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
      () => [{ pid, exited: false, files: [], isTerminal: false }],
      () => done.push(i),
    );
  }
  expect(done).toEqual([]);
  await Promise.resolve();
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

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
