import { describe, expect, test } from "bun:test";
import { Deadlines } from "../../../lib/runtime/deadlines.ts";
import { until, within } from "../../support/deadline.ts";

const WAIT_MS = 5000;

describe("deadlines", () => {
  test("expire in order, none before its time, and those that are stopped never", async () => {
    const expired: string[] = [];
    const ends = new Map<string, number>();
    const early: string[] = [];
    const deadlines = new Deadlines<string>(40, (owner) => {
      if (performance.now() < ends.get(owner)!) early.push(owner);
      expired.push(owner);
    });
    // All in one turn, in which no timer can fire, however slow the machine is.
    for (const owner of ["a", "stopped", "b", "again", "c"]) ends.set(owner, deadlines.start(owner));
    deadlines.stop("stopped");
    ends.set("again", deadlines.start("again"));
    expect([...deadlines.owners]).toEqual(["a", "b", "c", "again"]);
    await until(WAIT_MS, "expiry", () => expired.length === 4);
    expect(expired).toEqual(["a", "b", "c", "again"]);
    expect(early).toEqual([]);
    expect([...deadlines.owners]).toEqual([]);
  });

  test("that began later end later, by a timer for what is left of theirs", async () => {
    const expired: string[] = [];
    const early: string[] = [];
    const ends = new Map<string, number>();
    const deadlines = new Deadlines<string>(40, (owner) => {
      if (performance.now() < ends.get(owner)!) early.push(owner);
      expired.push(owner);
    });
    ends.set("first", deadlines.start("first"));
    const from = performance.now();
    await until(WAIT_MS, "a later moment", () => performance.now() > from);
    ends.set("second", deadlines.start("second"));
    await until(WAIT_MS, "expiry", () => expired.length === 2);
    expect([expired, early]).toEqual([["first", "second"], []]);
  });

  test("begin anew after all are over, or from within the end of one", async () => {
    const expired: number[] = [];
    const deadlines = new Deadlines<number>(5, (owner) => {
      expired.push(owner);
      if (owner < 3) deadlines.start(owner + 1);
    });
    deadlines.start(1);
    await until(WAIT_MS, "expiry", () => expired.length === 3);
    deadlines.start(7);
    await until(WAIT_MS, "expiry", () => expired.length === 4);
    expect(expired).toEqual([1, 2, 3, 7]);
  });

  test("keep no process alive, and wait for ever where timers cannot", async () => {
    const source = `
      const { Deadlines } = await import(${JSON.stringify(require.resolve("../../../lib/runtime/deadlines.ts"))});
      new Deadlines(60_000, () => {}).start("long");
      new Deadlines(2 ** 40, () => console.log("expired")).start("for ever");
      await new Promise((resolve) => setTimeout(resolve, 20));
      console.log("end");`;
    const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe" });
    const text = await within(WAIT_MS, "end", new Response(child.stdout).text());
    expect(text).toBe("end\n");
    expect(await within(WAIT_MS, "exit", child.exited)).toBe(0);
  });
});
