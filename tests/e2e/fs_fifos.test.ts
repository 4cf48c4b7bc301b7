/** A FIFO holds nothing up, whoever is at its other end, and neither does any other request that takes its time. */

import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from "node:fs";
import { base64, FileClient, folderOfAll } from "../support/fs_client.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { descriptorsOf } from "../support/proc.ts";
import { ripgrepFolder } from "../support/programs.ts";

/** Who is at the other ends of the FIFO; what is opened is closed again. */
const companies: Record<string, (fifo: string) => number[]> = {
  "with nobody": () => [],
  "with a writer who is silent": (fifo) => [openSync(fifo, "r+")],
  "with a reader who reads nothing": (fifo) => {
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      for (;;) writeSync(fd, Buffer.alloc(4096));
    } catch {
      // It is full.
    }
    return [fd];
  },
};

const limits = { maxDepth: 9, maxDirectories: 99, maxEntries: 99, followDirectorySymlinks: true };

/** Every method with a FIFO; what must come of it, or undefined where it depends on the company. */
const requests = (fifo: string, folder: string): [method: string, params: object, expected?: unknown][] => [
  ["readFile", { path: fifo }, `-32600 path \`${fifo}\` is not a file`],
  ["readFile", { path: fifo, followSymlinks: false }, "-32600 path is not a regular file"],
  ["writeFile", { path: fifo, dataBase64: base64("x") }],
  ["writeFile", { path: fifo, dataBase64: base64("x".repeat(1_000_000)) }],
  ["writeFile", { path: fifo, dataBase64: base64("x"), followSymlinks: false }],
  ["writeFile", { path: fifo, dataBase64: base64("x"), atomic: true, fsync: true }],
  ["createDirectory", { path: fifo }, "-32603 os 17"],
  ["createDirectory", { path: `${fifo}/x` }, "-32603 os 20"],
  ["getMetadata", { path: fifo }, expect.objectContaining({ isFile: false, isDirectory: false })],
  ["canonicalize", { path: fifo }, expect.objectContaining({ path: expect.any(String) })],
  ["readDirectory", { path: fifo }, "-32603 os 20"],
  ["readDirectory", { path: folder }, { entries: expect.any(Array) }],
  ["readDirectory", { path: folder, listLinks: true }, { entries: expect.any(Array) }],
  [
    "copy",
    { sourcePath: fifo, destinationPath: `${folder}/c1`, recursive: false },
    "-32600 fs/copy only supports regular files, directories, and symlinks",
  ],
  ["copy", { sourcePath: `${folder}/f`, destinationPath: fifo, recursive: false }],
  ["copy", { sourcePath: folder, destinationPath: `${folder}-copy`, recursive: true }, {}],
  ["open", { handleId: "r", path: fifo }, `-32600 path \`${fifo}\` is not a file`],
  ["open", { handleId: "w", path: fifo, mode: "replace" }],
  ["open", { handleId: "b", path: fifo, mode: "resume" }, `-32600 path \`${fifo}\` is not a file`],
  ["walk", { path: folder, options: limits }, expect.objectContaining({ truncated: false, errors: [] })],
  ["walk", { path: fifo, options: limits }, { entries: [], errors: [], truncated: false }],
  ["hash", { path: fifo }, `-32600 path \`${fifo}\` is not a file`],
  ["chmod", { path: fifo, mode: 0o644 }, {}],
  ["setTimes", { path: fifo, modifiedAtMs: 0 }, {}],
  ["readLink", { path: fifo }, "-32600 os 22"],
  ["watch", { watchId: "fifo", path: fifo }, {}],
  ["unwatch", { watchId: "fifo" }, {}],
  ["search", { searchId: "in", path: folder, query: "hello" }, expect.objectContaining({ matches: 1 })],
  ["search", { searchId: "it", path: fifo, query: "hello" }, expect.objectContaining({ matches: 0 })],
  ["rename", { sourcePath: fifo, destinationPath: `${folder}/moved` }, {}],
  ["rename", { sourcePath: `${folder}/moved`, destinationPath: fifo }, {}],
  ["remove", { path: `${folder}-copy` }, {}],
  ["remove", { path: fifo }, {}],
];

const engines = {
  "": { env: { PATH: "/nowhere" } },
  ...(ripgrepFolder !== undefined && { ", ripgrep": { env: { PATH: ripgrepFolder } } }),
};

for (const [engine, launch] of Object.entries(engines)) {
  suite(`fs and FIFOs${engine}`, { servers: ours, transports: ["websocket"], launch }, (t) => {
    for (const [company, join] of Object.entries(companies)) {
      verifies("fs: a FIFO holds nothing up, in no method", company, async () => {
        const path = folderOfAll(t);
        const files = new FileClient(t, await t.fresh());
        const ends = join(path("fifo"));
        try {
          for (const [method, params, expected] of requests(path("fifo"), path())) {
            const got = await files.outcome(method, params as Record<string, unknown>, 3000);
            if (expected !== undefined)
              expect({ method, params, got }).toEqual({ method, params, got: expected });
            // Of what was written to one, nothing stays under way.
            else if (company === "with nobody")
              expect({ method, params, got }).toEqual({
                method,
                params,
                got: expect.stringMatching(/ os 6$| regular file$/),
              });
          }
          expect(readdirSync(path())).not.toContain("fifo");
        } finally {
          for (const fd of ends) closeSync(fd);
        }
        expect(descriptorsOf(t.pid).filter((name) => name.includes(path()))).toEqual([]);
      });
    }
  });
}

suite("fs requests side by side", { servers: ours, transports: ["websocket"] }, (t) => {
  verifies("fs: a long request delays no other, of the same connection either", async () => {
    const path = folderOfAll(t);
    for (let i = 0; i < 10; i++) {
      mkdirSync(path(`tree/${i}`), { recursive: true });
      for (let k = 0; k < 50; k++) writeFileSync(path(`tree/${i}/${k}`), "x");
    }
    spawnSync("truncate", ["--size=300M", path("large")]);
    const { client } = new FileClient(t, await t.fresh());
    const order: string[] = [];
    const ask = async (what: string, method: string, params: object): Promise<void> => {
      const { error } = await client.ask(method, params, 20_000);
      expect(error).toBeUndefined();
      order.push(what);
    };
    const tree = t.path(path("tree"));
    const long = [
      ask("long", "fs/copy", { sourcePath: tree, destinationPath: t.path(path("tree2")), recursive: true }),
      ask("long", "fs/hash", { path: t.path(path("large")) }),
    ];
    const short = Array.from({ length: 5 }, () =>
      ask("short", "fs/getMetadata", { path: t.path(path("f")) }),
    );
    short.push(ask("short", "environment/info", null as never));
    await Promise.all([...long, ...short]);
    expect(order).toEqual([...Array(6).fill("short"), "long", "long"]);
  });

  verifies("fs/readFile: a file of the system without an end holds up nobody", async () => {
    const [reader, other] = [await t.fresh(), await t.client()];
    let isOver = false;
    // It says that it is empty.
    const reading = reader.ask("fs/readFile", { path: "/proc/self/pagemap" }, 20_000);
    const over = reading.then(() => (isOver = true));
    let answers = 0;
    for (; !isOver; answers++) await other.call("environment/status", null);
    await over;
    expect((await reading).error.message).toBe("file is too large to read: limit is 536870912 bytes");
    // One before it and one after it are no sign of turns.
    expect(answers).toBeGreaterThan(3);
  });
});
