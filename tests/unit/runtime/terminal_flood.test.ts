import { describe, expect, test } from "bun:test";
import type { Libc } from "../../../lib/runtime/libc.ts";
import { TerminalFlood } from "../../../lib/runtime/terminal_flood.ts";

const FULL = 4095;

interface Terminal {
  source: TerminalFlood;
  /** Every look and every wait. */
  waits: string[];
  pass(ms: number): void;
  /** Has nothing any more, at the first looks or at all. */
  dry(looks?: number): void;
  /** Others keep the processor for so long from now on. */
  keep(ms: number): void;
}

/** A terminal that has more whenever it is looked at, until told otherwise. */
function terminal(): Terminal {
  let now = 0;
  let dryLooks = 0;
  let keptMs = 0;
  const waits: string[] = [];
  const ppoll: Libc["ppoll"] = (poll, count, wait, mask) => {
    const [fd, events] = new Int32Array(poll.buffer);
    const [seconds, ns] = new BigInt64Array(wait.buffer);
    waits.push(`${fd} ${events} ${count} ${seconds}.${ns} ${mask}`);
    return dryLooks-- > 0 ? 0 : 1;
  };
  const sched_yield = (): number => {
    now += keptMs;
    return 0;
  };
  return {
    source: new TerminalFlood({ ppoll, sched_yield } as Libc, 7, () => now),
    waits,
    pass: (ms) => {
      now += ms;
    },
    dry: (looks = Number.POSITIVE_INFINITY) => {
      dryLooks = looks;
    },
    keep: (ms) => {
      keptMs = ms;
    },
  };
}

describe("a terminal that floods", () => {
  test("is waited for from the second full read on, for 1 ms in all", () => {
    const { source, waits, pass } = terminal();
    source.begin(FULL);
    expect(source.waitForMore()).toBe(false);
    source.begin(FULL);
    const waited: boolean[] = [];
    for (let i = 0; i < 8; i++) {
      waited.push(source.waitForMore());
      pass(0.2);
    }
    expect(waited).toEqual([true, true, true, true, true, true, false, false]);
    expect(new Set(waits)).toEqual(new Set(["7 1 1 0.0 0"]));
    expect(waits).toHaveLength(6);
  });

  test("is looked at thirty times while others go first, then slept for, 0.2 ms", () => {
    const { source, waits, dry } = terminal();
    source.begin(FULL);
    source.begin(FULL);
    dry(30);
    expect(source.waitForMore()).toBe(true);
    expect(waits).toEqual([...new Array(30).fill("7 1 1 0.0 0"), "7 1 1 0.200000 0"]);
  });

  test("is slept for at once where others keep the processor", () => {
    const { source, waits, pass, keep } = terminal();
    const flood = (): void => {
      source.begin(FULL);
      source.begin(FULL);
    };
    flood();
    keep(0.6);
    expect(source.waitForMore()).toBe(true);
    flood();
    expect(source.waitForMore()).toBe(true);
    expect(waits).toEqual(["7 1 1 0.200000 0", "7 1 1 0.200000 0"]);
    pass(5);
    keep(0);
    flood();
    expect(source.waitForMore()).toBe(true);
    expect(waits.at(-1)).toBe("7 1 1 0.0 0");
  });

  test("is passed on at once when nothing comes", () => {
    const { source, dry } = terminal();
    source.begin(FULL);
    source.begin(FULL);
    dry();
    expect(source.waitForMore()).toBe(false);
  });

  test("is not one whose reads are not full, or far apart", () => {
    const { source, waits, pass } = terminal();
    for (let i = 0; i < 100; i++) {
      expect(source.begin(FULL - 1)).toBe(false);
      expect(source.waitForMore()).toBe(false);
    }
    for (let i = 0; i < 100; i++) {
      expect(source.begin(FULL)).toBe(true);
      expect(source.waitForMore()).toBe(false);
      pass(4.1);
    }
    source.begin(1);
    source.begin(FULL);
    expect(source.waitForMore()).toBe(false);
    expect(waits).toEqual([]);
  });
});
