import { afterEach, describe, expect, jest, test } from "bun:test";
import type { Cgroup } from "../../../lib/process/cgroups.ts";
import {
  ManagedProcess,
  type ProcessEvent,
  type ProcessOptions,
  StdinFull,
} from "../../../lib/process/process.ts";
import { until, within } from "../../support/deadline.ts";
import { WAIT_MS } from "../transport/support.ts";
import { FakeChild } from "./fake_runtime.ts";

interface Setup {
  child: FakeChild;
  process: ManagedProcess;
  events: ProcessEvent[];
  /** Texts of the events: `1 stdout abc`, `2 exited 0`, `3 closed`. */
  log(): string[];
  /** Output may not come until the promise resolves. */
  hold(): PromiseWithResolvers<void>;
}

function start(options: Partial<ProcessOptions> = {}, kind: "pipes" | "stdin" | "terminal" = "pipes"): Setup {
  const child = new FakeChild({
    file: "/bin/x",
    argv: ["x"],
    env: {},
    cwd: "/",
    stdin: kind === "stdin" ? "pipe" : "null",
    ...(kind === "terminal" ? { terminal: { columns: 80, rows: 24 } } : {}),
  });
  const events: ProcessEvent[] = [];
  let held: PromiseWithResolvers<void> | undefined;
  const observer = {
    event: (_process: ManagedProcess, event: ProcessEvent) => void events.push(event),
    ready: () => held?.promise,
    attached: () => 1,
  };
  const process = new ManagedProcess("p", child, observer, {
    retention: { maxBytes: 1e6 },
    maxStdinBytes: 10_000_000,
    ...options,
  });
  return {
    child,
    process,
    events,
    log: () => events.map(describeEvent),
    hold: () => {
      const wait = Promise.withResolvers<void>();
      held = wait;
      wait.promise.then(() => {
        if (held === wait) held = undefined;
      });
      return wait;
    },
  };
}

function describeEvent(event: ProcessEvent): string {
  switch (event.kind) {
    case "output":
      return `${event.seq} ${event.stream} ${Buffer.from(event.bytes).toString()}`;
    case "exited":
      return `${event.seq} exited ${event.exitCode}`;
    case "closed":
      return `${event.seq} closed`;
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("the events of a process", () => {
  test("are numbered from 1 without gaps, in the order they are told, closed last and once", async () => {
    const { child, log } = start();
    child.stdout.push("a");
    await settle();
    child.stderr!.push("b");
    await settle();
    child.exit({ code: 3, signal: null });
    await settle();
    child.stdout.push("trailing");
    await settle();
    expect(log()).toEqual(["1 stdout a", "2 stderr b", "3 exited 3", "4 stdout trailing"]);
    child.stdout.push(null);
    await settle();
    expect(log()).toHaveLength(4);
    child.stderr!.push(null);
    await settle();
    expect(log().slice(4)).toEqual(["5 closed"]);
  });

  test("closed waits for the exit, however early the streams end", async () => {
    const { child, process, log } = start();
    child.endOutput();
    await settle();
    expect([log(), process.closed, process.exited, process.exitCode]).toEqual([[], false, false, null]);
    child.exit({ code: 0, signal: null });
    await settle();
    expect(log()).toEqual(["1 exited 0", "2 closed"]);
    expect([process.closed, process.exited, process.exitCode]).toEqual([true, true, 0]);
  });

  for (const [signal, code] of [
    [1, 129],
    [9, 137],
    [11, 139],
    [15, 143],
  ] as const) {
    test(`the end by signal ${signal} is exit code ${code}`, async () => {
      const { child, process } = start();
      child.end({ code: null, signal });
      await settle();
      expect(process.exitCode).toBe(code);
    });
  }

  test("a terminal has one stream", async () => {
    const { child, process, log } = start({}, "terminal");
    child.stdout.push("x");
    child.end({ code: 0, signal: null });
    await until(WAIT_MS, "closed", () => process.closed);
    expect(log()[0]).toBe("1 pty x");
    expect(process.isTerminal).toBe(true);
    expect(start().process.isTerminal).toBe(false);
  });

  test("a large piece is cut into pieces of 128 KiB, without loss", async () => {
    const { child, process, events } = start();
    const bytes = new Uint8Array(300 * 1024).map((_, i) => i % 251);
    child.stdout.push(bytes);
    await settle();
    const pieces = events.flatMap((event) => (event.kind === "output" ? [event.bytes] : []));
    expect(pieces.map(({ length }) => length)).toEqual([131_072, 131_072, 45_056]);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    expect(process.log.retainedBytes).toBe(bytes.length);
  });

  test("each wakes those who wait for the next one, once; a wait that is given up ends", async () => {
    const { child, process } = start();
    const first = process.nextEvent();
    const second = process.nextEvent();
    second.cancel();
    await within(WAIT_MS, "given-up wait", second.happened);
    child.stdout.push("x");
    await within(WAIT_MS, "event", first.happened);
  });
});

describe("what holds output back", () => {
  test("the observer: nothing more is read until it is ready", async () => {
    const { child, log, hold } = start();
    const held = hold();
    child.stdout.push("1");
    child.stdout.push("2");
    await settle();
    expect([log(), child.stdout.unread]).toEqual([["1 stdout 1"], 1]);
    held.resolve();
    await settle();
    expect(log()).toEqual(["1 stdout 1", "2 stdout 2"]);
  });

  test("the exit is told all the same", async () => {
    const { child, log, hold } = start();
    hold();
    child.stdout.push("1");
    await settle();
    child.exit({ code: 0, signal: null });
    await settle();
    expect(log()).toEqual(["1 stdout 1", "2 exited 0"]);
  });

  test("the window: it closes above the limit and opens when enough was acknowledged, by number", async () => {
    const { child, process, log } = start({ outputWindowBytes: 4 });
    for (const text of ["abc", "d", "e", "fgh", "i", "j"]) child.stdout.push(text);
    await settle();
    // 4 bytes are within the window, 5 are not.
    expect([log().length, child.stdout.unread]).toEqual([3, 3]);
    process.acknowledge(0);
    await settle();
    expect(log()).toHaveLength(3);
    process.acknowledge(1);
    await settle();
    // `d`, `e` and `fgh` are open.
    expect(log()).toHaveLength(4);
    // An old number takes nothing back, and a repeated one counts once.
    process.acknowledge(2);
    process.acknowledge(1);
    await settle();
    expect(log()).toHaveLength(5);
    process.acknowledge(2);
    await settle();
    expect(log()).toHaveLength(5);
    process.acknowledge(1000);
    await settle();
    expect(log()).toHaveLength(6);
  });

  test("the window is cut to three quarters of what is retained, so that nothing unacknowledged is given up", async () => {
    const { child, process, log } = start({ outputWindowBytes: 1_000_000, retention: { maxBytes: 100 } });
    for (let i = 0; i < 20; i++) child.stdout.push("x".repeat(10));
    await settle();
    await Bun.sleep(5);
    // The piece that fills it is there already.
    expect(log()).toHaveLength(8);
    expect(process.log.slice(0, 1e9).lostBytes).toBe(0);
  });

  test("so are the pieces that it lets through, however small they are", async () => {
    const retention = { maxBytes: 1_000_000, maxChunks: 8 };
    const { child, process, log } = start({ outputWindowBytes: 1_000_000, retention });
    for (let i = 0; i < 20; i++) child.stdout.push("x");
    await settle();
    expect(log()).toHaveLength(7);
    process.acknowledge(3);
    await settle();
    expect(log()).toHaveLength(10);
    expect(process.log.slice(3, 1e9).lostBytes).toBe(0);
    process.acknowledge(1000);
    await settle();
    expect(log()).toHaveLength(17);
    process.release();
    await until(WAIT_MS, "all", () => log().length === 20);
  });

  test("the window counts both streams", async () => {
    const { child, log } = start({ outputWindowBytes: 4 });
    child.stdout.push("abc");
    child.stderr!.push("def");
    await settle();
    child.stdout.push("more");
    child.stderr!.push("more");
    await settle();
    // One of them was read before the other had filled the window.
    expect(log().length).toBeLessThanOrEqual(3);
    expect(child.stdout.unread + child.stderr!.unread).toBeGreaterThanOrEqual(1);
  });

  test("without a window nothing is held", async () => {
    const { child, log } = start();
    for (let i = 0; i < 100; i++) child.stdout.push("x".repeat(1000));
    await settle();
    await until(WAIT_MS, "all", () => log().length === 100);
  });
});

/** A process that has been signalled so often. */
async function signalled(child: FakeChild, times: number): Promise<void> {
  await until(WAIT_MS, `${times} signals`, () => child.signals.length >= times);
}

describe("killing", () => {
  afterEach(() => void jest.useRealTimers());

  test("terminate kills the group of a running process only", async () => {
    const { child, process } = start();
    expect(process.terminate()).toBe(true);
    await signalled(child, 1);
    expect(child.signals).toEqual([9]);
    child.end({ code: null, signal: 9 });
    await until(WAIT_MS, "closed", () => process.closed);
    expect(process.terminate()).toBe(false);
    process.signal(2);
    expect(child.signals).toEqual([9]);
  });

  test("with a grace it is asked, and killed only when it goes on", async () => {
    const { child, process } = start();
    expect(process.terminate(50)).toBe(true);
    await signalled(child, 1);
    expect(child.signals).toEqual([15]);
    await signalled(child, 2);
    expect(child.signals).toEqual([15, 9]);
    child.end({ code: null, signal: 9 });
    const obedient = start();
    obedient.child.mortal = true;
    obedient.process.terminate(100);
    await until(WAIT_MS, "end", () => obedient.process.closed);
    expect(obedient.process.exitCode).toBe(143);
    await Bun.sleep(150);
    expect(obedient.child.signals).toEqual([15]);
  });

  test("of several graces the one that ends first counts, and a kill at once ends all", async () => {
    const { child, process } = start();
    process.terminate(60_000);
    process.terminate(50);
    process.terminate(70_000);
    await signalled(child, 2);
    expect(child.signals).toEqual([15, 9]);
    const other = start();
    other.process.terminate(60_000);
    await signalled(other.child, 1);
    other.process.terminate();
    await signalled(other.child, 2);
    expect(other.child.signals).toEqual([15, 9]);
    // Whoever is being killed is asked for nothing.
    const third = start();
    third.process.terminate(60_000);
    third.process.terminate();
    await signalled(third.child, 1);
    await Bun.sleep(10);
    expect(third.child.signals).toEqual([9]);
    for (const one of [child, other.child, third.child]) one.end({ code: null, signal: 9 });
  });

  test("output that is there after a kill is still read", async () => {
    const { child, process, log } = start();
    process.terminate();
    child.stdout.push("last words");
    child.end({ code: null, signal: 9 });
    await until(WAIT_MS, "closed", () => process.closed);
    expect(log().filter((entry) => entry.includes("last words"))).toHaveLength(1);
  });

  test("somebody who holds the pipes of a killed process in silence is not waited for", async () => {
    const { child, process, log } = start();
    process.terminate();
    child.exit({ code: null, signal: 9 });
    await within(
      2000,
      "closed",
      (async () => {
        while (!process.closed) await Bun.sleep(5);
      })(),
    );
    expect(log()).toEqual(["1 exited 137", "2 closed"]);
    expect(child.stdout.cancelled && child.stderr!.cancelled).toBe(true);
  });

  test("somebody who goes on writing there is heard until he is silent for 100 ms", async () => {
    const { child, process, log } = start();
    process.terminate();
    await signalled(child, 1);
    jest.useFakeTimers();
    child.exit({ code: null, signal: 9 });
    for (let i = 0; i < 10; i++) await Promise.resolve();
    for (let i = 0; i < 5; i++) {
      jest.advanceTimersByTime(60);
      child.stdout.push("still here");
      for (let j = 0; j < 10; j++) await Promise.resolve();
    }
    expect(child.stdout.cancelled).toBe(false);
    expect(log()).toHaveLength(6);
    jest.advanceTimersByTime(350);
    for (let j = 0; j < 10; j++) await Promise.resolve();
    expect(process.closed).toBe(true);
  });

  test("output of a killed process that a slow client holds back is not given up for silence", async () => {
    const { child, process, log, hold } = start();
    const held = hold();
    child.stdout.push("1");
    await settle();
    child.stderr!.push(null);
    child.stdout.push("2");
    child.stdout.push(null);
    process.terminate();
    child.exit({ code: null, signal: 9 });
    await Bun.sleep(300);
    expect([process.closed, child.stdout.cancelled]).toEqual([false, false]);
    held.resolve();
    await until(WAIT_MS, "closed", () => process.closed);
    expect(log()).toEqual(["1 stdout 1", "2 exited 137", "3 stdout 2", "4 closed"]);
  });

  test("a process that ends by itself is not closed while somebody holds its pipes", async () => {
    const { child, process } = start();
    child.exit({ code: 0, signal: null });
    await Bun.sleep(250);
    expect([process.exited, process.closed, child.stdout.cancelled]).toEqual([true, false, false]);
    child.endOutput();
    await until(WAIT_MS, "closed", () => process.closed);
  });

  test("dispose kills what is left of the group, also when the leader has gone, and lets go of everything", async () => {
    const { child, process } = start({ outputWindowBytes: 1 }, "stdin");
    child.stdout.push("fills the window");
    child.exit({ code: 0, signal: null });
    await settle();
    process.dispose();
    expect(child.signals).toEqual([9]);
    await until(WAIT_MS, "closed", () => process.closed);
    expect([child.stdout.cancelled, child.stderr!.cancelled, child.stdin!.destroyed]).toEqual([
      true,
      true,
      true,
    ]);
    process.dispose();
    // Its number may be another's by now.
    expect(child.signals).toEqual([9]);
  });

  test("other signals go to the group of a running process", () => {
    const { child, process } = start();
    process.signal(2);
    process.signal(18);
    expect(child.signals).toEqual([2, 18]);
  });
});

describe("input", () => {
  test("is taken in order, and answered at once while little waits", async () => {
    const { child, process } = start({}, "stdin");
    child.stdin!.open = false;
    expect(process.write(Buffer.from("a"))).toBe("accepted");
    expect(process.write(Buffer.from("b"))).toBe("accepted");
    child.stdin!.flush();
    expect(child.stdin!.text).toBe("ab");
  });

  test("above 1 MiB that waits, the answer waits too", async () => {
    const { child, process } = start({}, "stdin");
    child.stdin!.open = false;
    expect(process.write(new Uint8Array(1024 * 1024))).toBe("accepted");
    const answer = process.write(new Uint8Array(1));
    expect(answer).toBeInstanceOf(Promise);
    let answered = false;
    void (answer as Promise<string>).then(() => {
      answered = true;
    });
    await settle();
    expect(answered).toBe(false);
    child.stdin!.flush();
    expect(await within(WAIT_MS, "answer", answer as Promise<string>)).toBe("accepted");
  });

  test("an answer that waits comes when the child ends", async () => {
    const { child, process } = start({}, "stdin");
    child.stdin!.open = false;
    const answer = process.write(new Uint8Array(2 * 1024 * 1024));
    child.exit({ code: 0, signal: null });
    expect(await within(WAIT_MS, "answer", answer as Promise<string>)).toBe("accepted");
  });

  test("more than the limit is refused, but a first piece of any size is not", () => {
    const { child, process } = start({ maxStdinBytes: 10 }, "stdin");
    child.stdin!.open = false;
    expect(process.write(new Uint8Array(11))).toBe("accepted");
    expect(() => process.write(new Uint8Array(1))).toThrow(
      new StdinFull("process p does not read its input: 11 bytes wait, the limit is 10"),
    );
    child.stdin!.flush();
    expect(process.write(new Uint8Array(10))).toBe("accepted");
    expect(() => process.write(new Uint8Array(1))).toThrow(StdinFull);
  });

  test("is stdinClosed without a pipe, after the end, after closeStdin and when the pipe has broken", async () => {
    expect(start().process.write(new Uint8Array(1))).toBe("stdinClosed");
    expect(start().process.closeStdin()).toBe("stdinClosed");

    const ended = start({}, "stdin");
    ended.child.exit({ code: 0, signal: null });
    await settle();
    expect([ended.process.write(new Uint8Array(1)), ended.process.closeStdin()]).toEqual([
      "stdinClosed",
      "stdinClosed",
    ]);
    expect(ended.child.stdin!.destroyed).toBe(true);

    const closed = start({}, "stdin");
    expect(closed.process.closeStdin()).toBe("accepted");
    expect(closed.child.stdin!.closed).toBe(true);
    expect([closed.process.write(new Uint8Array(1)), closed.process.closeStdin()]).toEqual([
      "stdinClosed",
      "stdinClosed",
    ]);

    const broken = start({}, "stdin");
    broken.child.stdin!.open = false;
    broken.process.write(new Uint8Array(1));
    broken.child.stdin!.fail(new Error("EPIPE"));
    await settle();
    expect(broken.process.write(new Uint8Array(1))).toBe("stdinClosed");
  });

  test("closeStdin lets what was written go first", async () => {
    const { child, process } = start({}, "stdin");
    child.stdin!.open = false;
    process.write(Buffer.from("before"));
    process.closeStdin();
    expect([child.stdin!.closed, child.stdin!.destroyed, child.stdin!.pendingBytes]).toEqual([
      true,
      false,
      6,
    ]);
  });
});

test("it has ended by its memory only where that was limited", async () => {
  const cgroup = { outOfMemory: () => true, pids: () => [], kill: () => {} } as unknown as Cgroup;
  for (const limits of [undefined, { wallTimeMs: 60_000 }, { memoryBytes: 1e6 }]) {
    const { child, process } = start({ cgroup, limits });
    child.end({ code: null, signal: 9 });
    await until(WAIT_MS, "closed", () => process.closed);
    expect(process.endedBy).toBe(limits?.memoryBytes === undefined ? undefined : "memory");
  }
});
