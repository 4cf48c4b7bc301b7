/** Files: whole ones, in blocks, and many of them. */

import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Bench, type Case, type Family, type Figure, figure } from "../figure.ts";
import type { Link } from "../link.ts";
import { quantile, rate, samples, speed, warmUp } from "../statistics.ts";

const MIB = 1024 * 1024;
/** Blocks that are on the way at a time. */
const DEPTH = 4;

const uri = (path: string): string => pathToFileURL(path).href;

/** A file with so many bytes; its URI. */
function fileOf(bench: Bench, name: string, bytes: number): string {
  const path = join(bench.folder, name);
  writeFileSync(path, Buffer.alloc(bytes, "bytes of a file "));
  return uri(path);
}

/** A file of some MiB, written without taking as much memory; its URI. */
function largeFile(bench: Bench, name: string, mib: number): string {
  const path = join(bench.folder, name);
  writeTimes(path, Buffer.alloc(MIB, "bytes of a file "), mib);
  return uri(path);
}

function writeTimes(path: string, piece: Buffer, times: number): void {
  const fd = openSync(path, "w");
  for (let i = 0; i < times; i++) writeSync(fd, piece);
  closeSync(fd);
}

const throughput = (id: string, title: string): Figure => figure(id, title, "MB/s", "higher");

function small(id: string, title: string, bytes: number, write: boolean): Case {
  return {
    figures: [figure(id, title, "us", "lower")],
    run: async (bench) => {
      const path = fileOf(bench, id, bytes);
      const base64 = Buffer.from(Buffer.alloc(bytes, "new ").toString("base64"));
      const ask = write
        ? () => bench.link.askWith("fs/writeFile", { path }, "dataBase64", base64)
        : () => bench.link.ask("fs/readFile", { path });
      await warmUp(bench.size, ask);
      const found = await samples({ most: bench.size(3000), least: 50, maxMs: 1000 }, ask);
      return [quantile(found, 0.5)];
    },
  };
}

function repeated(id: string, title: string, write: boolean): Case {
  return {
    figures: [throughput(id, title)],
    run: async (bench) => {
      const count = bench.size(200);
      const path = fileOf(bench, id, MIB);
      const base64 = Buffer.from(Buffer.alloc(MIB, "new ").toString("base64"));
      const ask = write
        ? () => bench.link.askWith("fs/writeFile", { path }, "dataBase64", base64)
        : () => bench.link.ask("fs/readFile", { path });
      await rate(5, 1, ask);
      return [await speed(count * MIB, () => rate(count, 1, ask))];
    },
  };
}

/** Whether the server sends and takes bytes as they are. */
async function takesRaw(link: Link): Promise<boolean> {
  const { capabilities } = await link.call("environment/info", null);
  return capabilities.fsRawBytes === true;
}

async function readBlocks(link: Link, path: string, mib: number, raw: boolean): Promise<void> {
  await link.call("fs/open", { handleId: "read", path });
  let bytes = 0;
  let next = 0;
  await rate(mib, DEPTH, async () => {
    const params = { handleId: "read", offset: next++ * MIB, len: MIB, ...(raw ? { raw } : {}) };
    const answer = await link.ask("fs/readBlock", params);
    bytes += answer.bytes;
  });
  await link.call("fs/close", { handleId: "read" });
  if (bytes !== mib * MIB) throw new Error(`${bytes} bytes came of ${mib} MiB`);
}

const newBytes = Buffer.alloc(MIB, "new bytes of it ");
const newBase64 = Buffer.from(newBytes.toString("base64"));

async function writeBlocks(link: Link, path: string, mib: number, raw: boolean): Promise<void> {
  await link.call("fs/open", { handleId: "write", path, mode: "replace" });
  let next = 0;
  await rate(mib, DEPTH, async () => {
    const params = { handleId: "write", offset: next++ * MIB };
    if (raw) await link.askRaw("fs/writeBlock", params, "chunk", newBytes);
    else await link.askWith("fs/writeBlock", params, "chunk", newBase64);
  });
  await link.call("fs/close", { handleId: "write" });
  const { size } = await link.call("fs/getMetadata", { path });
  if (size !== mib * MIB) throw new Error(`${size} bytes are there of ${mib} MiB`);
}

/**
 * A file of so many MiB, which is gone at once: what a virtual machine has not used for a while its host has to find anew,
 * which takes several times as long as to fill it.
 */
function fillMemory(bench: Bench, mib: number): void {
  const path = join(bench.memory, "filler");
  writeTimes(path, newBytes, mib);
  rmSync(path);
}

interface Blocks {
  /** MiB. */
  full: number;
  times?: number;
  write?: boolean;
  raw?: boolean;
}

/**
 * `raw` where the server can: what a client of ours does, against what it does with the peer. Once to warm up, then
 * `times`; each time up makes a new file, as one that is cut off is written to the disk when it is closed, and in memory, as the system holds
 * up who writes more than the disk does.
 */
function blocks(id: string, title: string, { full, times = 1, write = false, raw = false }: Blocks): Case {
  return {
    figures: [throughput(id, title)],
    run: async (bench) => {
      const mib = bench.size(full);
      const read = write ? undefined : largeFile(bench, id, mib);
      const asRaw = raw && (await takesRaw(bench.link));
      const move = async (name: string, length: number): Promise<void> => {
        if (read !== undefined) await readBlocks(bench.link, read, length, asRaw);
        else await writeBlocks(bench.link, uri(join(bench.memory, name)), length, asRaw);
      };
      await move(id, Math.min(mib, 64));
      if (write) fillMemory(bench, times * mib);
      let n = 0;
      return [await speed(times * mib * MIB, () => rate(times, 1, () => move(`${id}-${n++}`, mib)))];
    },
  };
}

function whole(id: string, title: string, raw: boolean): Case {
  return {
    figures: [throughput(id, title)],
    run: async (bench) => {
      const mib = bench.size(64);
      const path = largeFile(bench, id, mib);
      const params = { path, ...(raw && (await takesRaw(bench.link)) ? { raw } : {}) };
      const read = (): Promise<unknown> => bench.link.ask("fs/readFile", params);
      await read();
      return [await speed(3 * mib * MIB, () => rate(3, 1, read))];
    },
  };
}

function manyFiles(bench: Bench, name: string, directories: number, each: number, bytes: string): string {
  const root = join(bench.memory, name);
  for (let d = 0; d < directories; d++) {
    mkdirSync(join(root, `directory-${d}`), { recursive: true });
    for (let f = 0; f < each; f++) writeFileSync(join(root, `directory-${d}`, `file-${f}`), bytes);
  }
  return root;
}

const milliseconds = (id: string, title: string): Figure => figure(id, title, "ms", "lower");

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function best(times: number, work: () => Promise<unknown>): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < times; i++) found.push(await timed(work));
  return quantile(found, 0.5);
}

const trees: Case[] = [
  {
    figures: [milliseconds("fs.list10k_ms", "listing 10,000 entries")],
    run: async (bench) => {
      const root = manyFiles(bench, "list", 1, bench.size(10_000), "");
      const path = uri(join(root, "directory-0"));
      return [await best(5, () => bench.link.call("fs/readDirectory", { path }))];
    },
  },
  {
    figures: [milliseconds("fs.copy2000_ms", "copying a tree of 2,000 files")],
    run: async (bench) => {
      const root = manyFiles(bench, "copy", 20, bench.size(100), "x".repeat(2000));
      let n = 0;
      return [
        await best(3, () =>
          bench.link.call("fs/copy", {
            sourcePath: uri(root),
            destinationPath: uri(join(bench.memory, `copied-${n++}`)),
            recursive: true,
          }),
        ),
      ];
    },
  },
  {
    figures: [milliseconds("fs.walk_ms", "walking 50,000 entries in 200 directories")],
    run: async (bench) => {
      const path = uri(manyFiles(bench, "walk", 200, bench.size(249), ""));
      const options = {
        ...{ maxDepth: 64, maxDirectories: 10_000, maxEntries: 50_000 },
        ...{ followDirectorySymlinks: false, pruneHiddenDirectories: false },
      };
      return [await best(5, () => bench.link.call("fs/walk", { path, options }))];
    },
  },
  {
    figures: [milliseconds("fs.remove2000_ms", "removing a tree of 2,000 files")],
    run: async (bench) => {
      // The first ones are while the engine compiles what removes them.
      const trees = Array.from({ length: 10 }, (_, n) =>
        uri(manyFiles(bench, `remove-${n}`, 20, bench.size(100), "")),
      );
      const remove = (): Promise<unknown> => bench.link.call("fs/remove", { path: trees.pop() });
      await rate(5, 1, remove);
      return [await best(5, remove)];
    },
  },
];

const methods = ["fs/readFile", "fs/readBlock", "fs/writeBlock", "fs/walk"];

export const files: Family = {
  name: "files",
  title: "Files",
  transport: "websocket",
  methods,
  cases: [
    small("fs.read1K_us", "reading 1 KB, p50", 1000, false),
    small("fs.write1K_us", "writing 1 KB, p50", 1000, true),
    repeated("fs.read1M_MBps", "reading files of 1 MiB", false),
    repeated("fs.write1M_MBps", "writing files of 1 MiB", true),
    whole("fs.read64M_MBps", "reading a file of 64 MiB whole, raw where it can be", true),
    whole("fs.base64_64M_MBps", "reading a file of 64 MiB whole, in base64", false),
    blocks("fs.block64M_MBps", "64 MiB down in blocks", { full: 64, times: 3 }),
    blocks("fs.blockup64M_MBps", "64 MiB up in blocks", { full: 64, times: 3, write: true }),
    blocks("fs.raw64M_MBps", "64 MiB down, raw where it can be", { full: 64, times: 3, raw: true }),
    blocks("fs.rawup64M_MBps", "64 MiB up, raw where it can be", {
      ...{ full: 64, times: 3 },
      ...{ write: true, raw: true },
    }),
    ...trees,
  ],
};

/** Apart, as its peak memory is what counts. */
export const hugeFiles: Family = {
  name: "huge-files",
  title: "A file of 1 GiB",
  transport: "websocket",
  methods,
  cases: [
    blocks("fs.raw1G_MBps", "1 GiB down, raw where it can be", { full: 1024, raw: true }),
    blocks("fs.rawup1G_MBps", "1 GiB up, raw where it can be", { full: 1024, write: true, raw: true }),
  ],
};
