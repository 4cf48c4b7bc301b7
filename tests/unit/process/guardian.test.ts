import { afterEach, describe, expect, jest, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Guardian } from "../../../lib/process/guardian.ts";
import { type Child, currentRuntime, type Runtime } from "../../../lib/runtime/runtime.ts";
import { within } from "../../support/deadline.ts";
import { FakeRuntime } from "./fake_runtime.ts";

// It looks processes up in /proc and is not started without one.
describe.skipIf(!existsSync("/proc/self/stat"))("the guardian", () => {
  const made: { guardian: Guardian; fake: FakeRuntime }[] = [];

  afterEach(() => {
    for (const { fake } of made.splice(0)) {
      jest.advanceTimersByTime(60_000);
      for (const path of fake.guardians.map(journalOf)) expect(existsSync(path)).toBe(false);
    }
    jest.useRealTimers();
  });

  function make(): { guardian: Guardian; fake: FakeRuntime } {
    jest.useFakeTimers();
    const fake = new FakeRuntime();
    fake.letsGuard = true;
    const guardian = new Guardian(fake.runtime);
    guardian.enter();
    made.push({ guardian, fake });
    return { guardian, fake };
  }

  const journalOf = (guard: FakeRuntime["last"]): string => guard.options.argv.at(-1)!;
  const journal = (fake: FakeRuntime): string => readFileSync(journalOf(fake.guardians.at(-1)!), "utf8");

  test("is there before the first process is, and reads of every change", () => {
    const { guardian, fake } = make();
    guardian.prepare();
    expect(fake.guardians).toHaveLength(1);
    expect(journal(fake)).toBe("");
    guardian.started(5, ["pipe:[1]", "pipe:[2]"]);
    guardian.prepare();
    guardian.started(6, []);
    guardian.exited(5);
    guardian.gone(6);
    expect(journal(fake)).toBe("run 5 pipe:[1],pipe:[2]\nrun 6 \nend 5\nout 6\n");
    guardian.gone(5);
    expect(fake.guardians).toHaveLength(1);
  });

  test("has a journal that others cannot read and that does not grow without end", () => {
    const { guardian, fake } = make();
    guardian.prepare();
    guardian.started(7, ["pipe:[7]"]);
    guardian.started(8, []);
    guardian.exited(8);
    for (let pid = 1000; pid < 9000; pid++) {
      guardian.started(pid, ["pipe:[1]", "pipe:[2]"]);
      guardian.gone(pid);
    }
    const text = journal(fake);
    expect(text.length).toBeLessThan(70_000);
    expect(text).toMatch(/^run 7 pipe:\[7\]\nrun 8 \nend 8\n/);
    guardian.gone(7);
    guardian.gone(8);
  });

  test("goes when nothing has been running for a while, and another comes when something is", () => {
    const { guardian, fake } = make();
    guardian.prepare();
    guardian.started(5, []);
    guardian.gone(5);
    jest.advanceTimersByTime(60_000);
    expect(fake.guardians[0]!.stdin!.destroyed).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
    guardian.prepare();
    guardian.notStarted();
    expect(fake.guardians).toHaveLength(2);
  });

  test("goes at once after the last session, or after what that has left", () => {
    for (const endsFirst of ["process", "session"]) {
      const { guardian, fake } = make();
      guardian.enter();
      guardian.prepare();
      guardian.started(5, []);
      guardian.leave();
      if (endsFirst === "process") guardian.gone(5);
      else guardian.leave();
      expect(fake.guardians[0]!.stdin!.destroyed).toBe(false);
      if (endsFirst === "process") guardian.leave();
      else guardian.gone(5);
      expect(fake.guardians[0]!.stdin!.destroyed).toBe(true);
      expect(jest.getTimerCount()).toBe(0);
    }
  });

  test("one that was killed has a successor, which knows all", async () => {
    const { guardian, fake } = make();
    guardian.prepare();
    guardian.started(5, ["pipe:[1]"]);
    guardian.exited(5);
    fake.guardians[0]!.end({ code: null, signal: 9 });
    await fake.guardians[0]!.exited;
    await Promise.resolve();
    guardian.prepare();
    expect(fake.guardians).toHaveLength(2);
    expect(journal(fake)).toBe("run 5 pipe:[1]\nend 5\n");
    guardian.gone(5);
  });

  test("looks at nobody when nothing is left to guard", async () => {
    const runtime = await currentRuntime();
    const folder = mkdtempSync(join(tmpdir(), "exec-server-test-"));
    writeFileSync(join(folder, "readlink"), `#!/bin/sh\necho >>${folder}/looks\n`, { mode: 0o755 });
    let shell: Child | undefined;
    const guardian = new Guardian({
      spawn: (options) => {
        shell = runtime.spawn({ ...options, env: { PATH: folder } });
        return shell;
      },
    } as Runtime);
    guardian.enter();
    guardian.prepare();
    guardian.leave();
    expect(await within(5000, "end of the shell", shell!.exited)).toMatchObject({ signal: null });
    expect(existsSync(join(folder, "looks"))).toBe(false);
    rmSync(folder, { recursive: true });
  });
});
