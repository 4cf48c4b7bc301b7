/** What the runner of these tests does with the commands it runs. */

import { expect, test } from "bun:test";
import { join } from "node:path";
import { until, within } from "../support/deadline.ts";
import { isAlive } from "../support/proc.ts";
import { root } from "./source.ts";

/** Runs a line of shell as a step of `npm test`. */
function step(line: string): Bun.Subprocess<"ignore", "pipe", "inherit"> {
  const script = `
    import { runStreaming } from ${JSON.stringify(join(root, "tools/streaming.mjs"))};
    const status = await runStreaming(["sh", "-c", ${JSON.stringify(line)}], process.env).catch((error) => error);
    console.log(status.message ?? status);
    process.exit(status.status ?? status);`;
  return Bun.spawn(["node", "--input-type=module", "-e", script], { stdout: "pipe", stderr: "inherit" });
}

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends what a step has started", async (signal) => {
  const child = step(`sleep 1000 & echo $!; wait`);
  const reader = child.stdout.getReader();
  const first = await within(5000, "the number", reader.read());
  const started = Number(new TextDecoder().decode(first.value));
  try {
    child.kill(signal);
    const status = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal];
    expect(await within(5000, "the end", child.exited)).toBe(status);
    await until(5000, "end of what was started", () => !isAlive(started));
  } finally {
    if (isAlive(started)) process.kill(started, "SIGKILL");
  }
});

test("a step that is killed leaves nothing either, and its status is no success", async () => {
  const child = step(`sleep 1000 & echo $!; kill -9 $$`);
  const [number, status] = (await within(5000, "the end", new Response(child.stdout).text())).split("\n");
  const started = Number(number);
  try {
    expect(status).toBe("1");
    await until(5000, "end of what was started", () => !isAlive(started));
  } finally {
    if (isAlive(started)) process.kill(started, "SIGKILL");
  }
});

test("a second signal kills what does not end by the first", async () => {
  const child = step(`trap '' TERM; echo ready; sleep 1000`);
  const reader = child.stdout.getReader();
  await within(5000, "the first word", reader.read());
  child.kill("SIGTERM");
  const again = setInterval(() => child.kill("SIGTERM"), 50);
  try {
    expect(await within(5000, "the end", child.exited)).toBe(143);
  } finally {
    clearInterval(again);
  }
});
