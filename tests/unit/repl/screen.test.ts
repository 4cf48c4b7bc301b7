import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { Screen } from "../../../lib/repl/screen.ts";
import { createStyle } from "../../../lib/repl/style.ts";
import type { ByteSink } from "../../../lib/runtime/runtime.ts";

function screenOver(write: ByteSink["write"]): Screen {
  const sink = { write } as ByteSink;
  return new Screen({
    stdout: sink,
    stderr: sink,
    isTerminal: false,
    style: createStyle(false),
    columns: () => 80,
  });
}

function arrays(): number {
  Bun.gc(true);
  return heapStats().objectTypeCounts.Array ?? 0;
}

test("nothing is kept of what was written", async () => {
  const screen = screenOver(async () => {});
  const before = arrays();
  for (let i = 0; i < 20_000; i++) await screen.output("stdout", Uint8Array.of(10));
  expect(arrays() - before).toBeLessThan(2000);
});

test("flush() waits for all that was written, also where a write fails", async () => {
  const taken: (() => void)[] = [];
  let writes = 0;
  const screen = screenOver(() => {
    if (++writes === 2) return Promise.reject(new Error("gone"));
    return new Promise((resolve) => taken.push(resolve));
  });
  screen.output("stderr", Uint8Array.of(10));
  screen.output("stdout", Uint8Array.of(10));
  screen.output("stdout", Uint8Array.of(10));
  let isFlushed = false;
  const flushed = screen.flush().then(() => (isFlushed = true));
  taken[1]!();
  await Bun.sleep(0);
  expect(isFlushed).toBe(false);
  taken[0]!();
  await flushed;
  expect(screen.broken).toBe(true);
});
