import { describe, expect, test } from "bun:test";
import {
  columns,
  formatBytes,
  formatDuration,
  formatMode,
  formatTime,
  printable,
  widthAtMost,
} from "../../../lib/files/format.ts";
import { Progress, progressLine } from "../../../lib/files/progress.ts";

const MIB = 1024 * 1024;

describe("progress", () => {
  test("the rate is that of the last five seconds, and says when the end is", () => {
    let now = 0;
    const progress = new Progress(() => now);
    progress.totalBytes = 100 * MIB;
    // Ten seconds with 1 MiB each, then fast.
    for (let i = 0; i < 10; i++) {
      now += 1000;
      progress.add(MIB);
    }
    expect(progress.snapshot()).toMatchObject({ bytes: 10 * MIB, bytesPerSecond: MIB, leftMs: 90_000 });
    for (let i = 0; i < 6; i++) {
      now += 1000;
      progress.add(10 * MIB);
    }
    expect(progress.snapshot()).toMatchObject({ bytes: 70 * MIB, bytesPerSecond: 10 * MIB, leftMs: 3000 });
  });

  test("where nothing moves nobody can tell when the end is", () => {
    let now = 0;
    const progress = new Progress(() => now);
    progress.totalBytes = 10;
    expect(progress.snapshot()).toMatchObject({ bytesPerSecond: 0, leftMs: undefined });
    progress.add(5);
    for (let i = 0; i < 20; i++) {
      now += 1000;
      progress.snapshot();
    }
    expect(progress.snapshot()).toMatchObject({ bytes: 5, bytesPerSecond: 0, leftMs: undefined });
  });

  test("bytes that were there count for the part, not for the rate", () => {
    let now = 0;
    const progress = new Progress(() => now);
    progress.totalBytes = 100;
    progress.skip(90);
    now = 1000;
    progress.add(5);
    expect(progress.snapshot()).toMatchObject({ bytes: 95, bytesPerSecond: 5, leftMs: 1000 });
    progress.totalBytes = 99;
    now = 1500;
    // Whole milliseconds, as scripts read them.
    expect(progress.snapshot()).toMatchObject({ bytesPerSecond: 3, leftMs: 1333 });
    progress.totalBytes = 100;
    progress.add(5);
    expect(progress.snapshot().leftMs).toBe(0);
  });

  test("a file that is begun anew takes its bytes back", () => {
    let now = 0;
    const progress = new Progress(() => now);
    progress.add(50);
    progress.add(-50);
    now = 1000;
    expect(progress.snapshot()).toMatchObject({ bytes: 0, bytesPerSecond: 0 });
  });
});

describe("the line of progress", () => {
  const snapshot = {
    bytes: 420 * MIB,
    totalBytes: 1000 * MIB,
    files: 3,
    totalFiles: 12,
    bytesPerSecond: 58 * MIB,
    leftMs: 10_000,
  };

  test("says what, how far, how fast and how long", () => {
    expect(progressLine(snapshot, "lab:/srv/big.iso", 120)).toBe(
      "lab:/srv/big.iso          [===========>                ]   42 %  420 MiB of 1000 MiB  58 MiB/s  0:10 left  3/12 files",
    );
  });

  test("is never wider than the terminal, whatever the name is", () => {
    for (const name of ["a", "x".repeat(500), "目录".repeat(60), "a\x1b[31m\nb"]) {
      for (let width = 0; width < 200; width += 7) {
        const line = progressLine(snapshot, name, width);
        expect(widthAtMost(line.replace("…", "."))).toBeLessThan(Math.max(1, width));
        expect(line).not.toMatch(/[\x00-\x1f]/);
      }
    }
  });

  test("has no part and no bar without a total", () => {
    const open = { ...snapshot, totalBytes: undefined, leftMs: undefined, totalFiles: 1 };
    expect(progressLine(open, "f", 80)).toBe("f                         420 MiB  58 MiB/s");
    expect(progressLine({ ...open, totalBytes: 0, bytes: 0 }, "f", 80)).toContain("100 %");
  });
});

test("amounts and times are short", () => {
  expect([0, 1023, 1024, 10 * 1024, 1024 * 1023.9, 1.5 * MIB, 2048 * MIB].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "10 KiB",
    "1.0 MiB",
    "1.5 MiB",
    "2.0 GiB",
  ]);
  expect([0, 1, 59_000, 61_000, 3_723_000, 400_000_000].map(formatDuration)).toEqual([
    "0:00",
    "0:01",
    "0:59",
    "1:01",
    "1:02:03",
    "> 99 h",
  ]);
  expect(formatTime(null)).toBe("-");
  expect(formatTime(new Date(2026, 0, 31, 7, 5))).toBe("2026-01-31 07:05");
});

test("modes are shown as ls shows them", () => {
  const info = {
    isFile: true,
    isDirectory: false,
    isSymlink: false,
    size: 0,
    mtime: null,
    birthtime: null,
    uid: null,
    gid: null,
  };
  expect(formatMode({ ...info, mode: 0o644 })).toBe("-rw-r--r--");
  expect(formatMode({ ...info, mode: 0o4755 })).toBe("-rwsr-xr-x");
  expect(formatMode({ ...info, mode: 0o2640 })).toBe("-rw-r-S---");
  expect(formatMode({ ...info, isFile: false, isDirectory: true, mode: 0o1777 })).toBe("drwxrwxrwt");
  expect(formatMode({ ...info, isSymlink: true, mode: 0o777 })).toBe("lrwxrwxrwx");
  expect(formatMode({ ...info, isFile: false, mode: null })).toBe("??????????");
});

test("nothing in a name reaches the terminal as a command", () => {
  expect(printable("a\x1b]0;title\x07b\nc\udcffd\u202eé目")).toBe("a?]0;title?b?c?d?é目");
});

test("columns run downwards and fit", () => {
  const names = ["a", "bb", "ccc", "d", "e"];
  expect(columns(names, 80)).toEqual(["a  bb  ccc  d  e"]);
  expect(columns(names, 10)).toEqual(["a   ccc  e", "bb  d"]);
  expect(columns(names, 1)).toEqual(names);
  expect(columns([], 80)).toEqual([]);
});
