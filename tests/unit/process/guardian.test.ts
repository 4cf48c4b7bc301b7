import { afterEach, describe, expect, jest, test } from "bun:test";
import { existsSync } from "node:fs";
import { Guardian } from "../../../lib/process/guardian.ts";
import { FakeRuntime } from "./fake_runtime.ts";

// It looks processes up in /proc and is not started without one.
describe.skipIf(!existsSync("/proc/self/stat"))("the guardian", () => {
  afterEach(() => void jest.useRealTimers());

  function make(): { guardian: Guardian; fake: FakeRuntime } {
    jest.useFakeTimers();
    const fake = new FakeRuntime();
    return { guardian: new Guardian(fake.runtime), fake };
  }

  test("is not started for what has ended soon", () => {
    const { guardian, fake } = make();
    guardian.started(5, ["pipe:[1]"]);
    guardian.gone(5);
    jest.advanceTimersByTime(10_000);
    expect(fake.guardians).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test("is told in one line of all there is, and again of changes", () => {
    const { guardian, fake } = make();
    guardian.started(5, ["pipe:[1]", "pipe:[2]"]);
    guardian.started(6, []);
    jest.advanceTimersByTime(200);
    expect(fake.guardians).toHaveLength(1);
    const { stdin } = fake.guardians[0]!;
    expect(stdin!.text).toBe("5,running,pipe:[1],pipe:[2] 6,running\n");
    guardian.exited(5);
    guardian.gone(6);
    jest.advanceTimersByTime(200);
    expect(stdin!.text.split("\n").at(-2)).toBe("5,ended,pipe:[1],pipe:[2]");
    guardian.gone(5);
    jest.advanceTimersByTime(200);
    expect(stdin!.text.split("\n").at(-2)).toBe("");
    expect(fake.guardians).toHaveLength(1);
  });

  test("goes when nothing has been running for a while, and another comes when something is", () => {
    const { guardian, fake } = make();
    guardian.started(5, []);
    jest.advanceTimersByTime(200);
    guardian.gone(5);
    jest.advanceTimersByTime(10_000);
    expect(fake.guardians[0]!.stdin!.closed).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
    guardian.started(6, []);
    jest.advanceTimersByTime(200);
    expect(fake.guardians).toHaveLength(2);
  });
});
