/** What is there and matches, looked up once and again. */

import { afterEach, beforeEach, expect, setSystemTime, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeFs } from "../../../lib/runtime/node_modules.ts";
import { compileGlob } from "../../../lib/sandbox/glob.ts";
import { GlobScan, ScanTooLarge } from "../../../lib/sandbox/glob_scan.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "exec-server-glob-"));
  mkdirSync(join(folder, "a/deep/er.pem"), { recursive: true });
  for (const name of ["x.pem", "a/y.pem", "a/deep/z.pem", "a/deep/er.pem/in.pem", "a/other"]) write(name);
});
afterEach(() => {
  setSystemTime();
  rmSync(folder, { recursive: true });
});

const write = (name: string): void => writeFileSync(join(folder, name), "");

/** Asks once more at each call. */
function asking(pattern: string, maxDepth = Number.POSITIVE_INFINITY): () => string[] {
  const scan = new GlobScan([compileGlob(`${folder}/${pattern}`)], { maxDepth, maxNames: 100 });
  return () => scan.matches().map((path) => path.slice(folder.length));
}

/** Folders that are read while this runs, below the one of the test. */
function readDuring(run: () => void): string[] {
  const { readdirSync } = nodeFs();
  const read: string[] = [];
  nodeFs().readdirSync = ((path: string, options: object) => {
    read.push(path.slice(folder.length));
    return readdirSync(path, options as never);
  }) as never;
  try {
    run();
  } finally {
    nodeFs().readdirSync = readdirSync;
  }
  return read;
}

/** All that was done before is long ago. */
const later = (): void => {
  setSystemTime(new Date(Date.now() + 60_000));
};

test("finds what is there, the outermost only, and follows no link", () => {
  symlinkSync(join(folder, "a"), join(folder, "link"));
  expect(asking("**/*.pem")()).toEqual(["/a/deep/er.pem", "/a/deep/z.pem", "/a/y.pem", "/x.pem"]);
  expect(asking("**/*.pem", 2)()).toEqual(["/a/y.pem", "/x.pem"]);
  expect(asking("missing/*")()).toEqual([]);
  const small = new GlobScan([compileGlob(`${folder}/**/no`)], { maxDepth: 9, maxNames: 3 });
  expect(() => small.matches()).toThrow(ScanTooLarge);
});

test("has one limit for all folders, counted anew each time", () => {
  later();
  const of = (maxNames: number) =>
    new GlobScan([compileGlob(`${folder}/**/*.pem`)], { maxDepth: 9, maxNames });
  // Two at the top, three in a, two in a/deep.
  const enough = of(7);
  expect([enough.matches().length, enough.matches().length]).toEqual([4, 4]);
  expect(() => of(6).matches()).toThrow(ScanTooLarge);
});

test("reads a folder again only when it has changed, and then sees it", () => {
  later();
  const matches = asking("**/*.pem");
  expect(readDuring(matches)).toEqual(["", "/a", "/a/deep"]);
  expect(readDuring(matches)).toEqual([]);
  const changes: [change: () => void, read: string[], found: string[]][] = [
    [
      () => write("a/deep/new.pem"),
      ["/a/deep"],
      ["/a/deep/er.pem", "/a/deep/new.pem", "/a/deep/z.pem", "/a/y.pem", "/x.pem"],
    ],
    [() => rmSync(join(folder, "a/deep"), { recursive: true }), ["/a"], ["/a/y.pem", "/x.pem"]],
    [() => renameSync(join(folder, "a/y.pem"), join(folder, "a/y.txt")), ["/a"], ["/x.pem"]],
  ];
  for (const [change, read, found] of changes) {
    change();
    let told: string[] = [];
    expect(
      readDuring(() => {
        told = matches();
      }),
    ).toEqual(read);
    expect(told).toEqual(found);
    expect(readDuring(matches)).toEqual([]);
  }
});

test("a change whose time is set back is seen", () => {
  later();
  const matches = asking("a/*.pem");
  const { atime, mtime } = statSync(join(folder, "a"));
  expect(matches()).toEqual(["/a/y.pem"]);
  write("a/late.pem");
  utimesSync(join(folder, "a"), atime, mtime);
  expect(matches()).toEqual(["/a/late.pem", "/a/y.pem"]);
});

test("another folder in the same place is read", () => {
  mkdirSync(join(folder, "other/deep"), { recursive: true });
  write("other/deep/n.pem");
  later();
  const matches = asking("a/**/*.pem");
  expect(matches()).toEqual(["/a/deep/er.pem", "/a/deep/z.pem", "/a/y.pem"]);
  renameSync(join(folder, "a"), join(folder, "before"));
  renameSync(join(folder, "other"), join(folder, "a"));
  expect(matches()).toEqual(["/a/deep/n.pem"]);
});

test("what has just changed is read each time, as the next change may have the same time", () => {
  const matches = asking("a/*.pem");
  expect(readDuring(matches)).toEqual(["/a"]);
  expect(readDuring(matches)).toEqual(["/a"]);
});

test("where a file system's times may not be ours, folders are read each time", () => {
  later();
  const { statfsSync } = nodeFs();
  const NFS = 0x6969;
  nodeFs().statfsSync = ((path: string) => ({ ...statfsSync(path), type: NFS })) as never;
  try {
    const matches = asking("a/*.pem");
    expect([readDuring(matches), readDuring(matches)]).toEqual([["/a"], ["/a"]]);
  } finally {
    nodeFs().statfsSync = statfsSync;
  }
});
