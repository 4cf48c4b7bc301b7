import { describe, expect, test } from "bun:test";
import type { Libc } from "../../../lib/runtime/libc.ts";
import { TerminalFlood } from "../../../lib/runtime/terminal_flood.ts";

const FULL = 4095;

/** A terminal that has more whenever it is waited for, until told otherwise. */
function terminal(): { source: TerminalFlood; waits: string[]; pass(ms: number): void; dry(): void } {
  let now = 0;
  let answer = 1;
  const waits: string[] = [];
  const ppoll: Libc["ppoll"] = (poll, count, wait, mask) => {
    const [fd, events] = new Int32Array(poll.buffer);
    const [seconds, ns] = new BigInt64Array(wait.buffer);
    waits.push(`${fd} ${events} ${count} ${seconds}.${ns} ${mask}`);
    return answer;
  };
  return {
    source: new TerminalFlood({ ppoll } as Libc, 7, () => now),
    waits,
    pass: (ms) => {
      now += ms;
    },
    dry: () => {
      answer = 0;
    },
  };
}

describe("a terminal that floods", () => {
  test("is waited for from the second full read on, 0.2 ms at a time and 1 ms in all", () => {
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
    expect(new Set(waits)).toEqual(new Set(["7 1 1 0.200000 0"]));
    expect(waits).toHaveLength(6);
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
