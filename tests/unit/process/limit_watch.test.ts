import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { LimitWatch } from "../../../lib/process/limit_watch.ts";
import type { StartLimits } from "../../../lib/protocol/process_limits.ts";

describe("limits", () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => {
    const timers = jest.getTimerCount();
    jest.useRealTimers();
    expect(timers).toBe(0);
  });

  function make(limits: StartLimits): { watch: LimitWatch; hits: string[]; touch(): void } {
    const hits: string[] = [];
    const watch = new LimitWatch(limits, (name) => hits.push(name));
    let last = performance.now();
    watch.start(() => performance.now() - last);
    return {
      watch,
      hits,
      touch: () => {
        last = performance.now();
      },
    };
  }

  test("of wall time count from the start, whatever the process does", () => {
    const { hits, touch } = make({ wallTimeMs: 1000 });
    for (let i = 0; i < 9; i++) {
      jest.advanceTimersByTime(110);
      touch();
    }
    expect(hits).toEqual([]);
    jest.advanceTimersByTime(20);
    expect(hits).toEqual(["wallTime"]);
  });

  test("of idle time count from the last activity", () => {
    const { hits, touch } = make({ idleTimeMs: 100 });
    for (let i = 0; i < 10; i++) {
      jest.advanceTimersByTime(90);
      touch();
    }
    expect(hits).toEqual([]);
    jest.advanceTimersByTime(99);
    expect(hits).toEqual([]);
    jest.advanceTimersByTime(2);
    expect(hits).toEqual(["idleTime"]);
  });

  test("longer than a timer can be do not end at once", () => {
    const { hits, watch } = make({ wallTimeMs: 2 ** 40, idleTimeMs: 2 ** 40 });
    jest.advanceTimersByTime(2 ** 31 + 5);
    expect(hits).toEqual([]);
    watch.stop();
  });

  test("of output let exactly so many bytes pass", () => {
    const { watch, hits } = make({ outputBytes: 10 });
    expect(watch.take(new Uint8Array(6))).toHaveLength(6);
    expect(watch.take(new Uint8Array(4))).toHaveLength(4);
    expect(hits).toEqual([]);
    expect(watch.take(new Uint8Array([1]))).toHaveLength(0);
    expect(watch.take(new Uint8Array(5))).toHaveLength(0);
    expect(hits).toEqual(["outputBytes"]);
    const other = make({ outputBytes: 3 });
    expect([...other.watch.take(new Uint8Array([1, 2, 3, 4]))]).toEqual([1, 2, 3]);
    expect(other.hits).toEqual(["outputBytes"]);
    expect(make({}).watch.take(new Uint8Array(1e6))).toHaveLength(1e6);
  });

  test("end with the process", () => {
    const { watch, hits } = make({ wallTimeMs: 10, idleTimeMs: 10 });
    watch.stop();
    jest.advanceTimersByTime(100);
    expect(hits).toEqual([]);
  });
});
