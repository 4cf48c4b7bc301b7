/** Answers that are large: how many entries, how much text, in which frames. */

import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, mkdtempSync, realpathSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileClient, folderOfAll } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";
import type { Json } from "../support/raw_client.ts";

const MIB = 1024 * 1024;
const MANY = 50_001;

let many: string;

beforeAll(() => {
  // In memory, where there is such a file system: a disk may take minutes for so many.
  const top = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  many = mkdtempSync(join(realpathSync(top), "exec-server-many-"));
  for (let i = 0; i < MANY; i++) writeFileSync(join(many, `${i}`), "");
});
afterAll(() => rmSync(many, { recursive: true }));

suite("fs large answers", { transports: ["websocket"], peerTransports: ["websocket"] }, (t) => {
  verifies("fs/walk: ends where its text is 4 MiB long, and says so", async () => {
    if (t.id === "codex-0.138.0") return;
    const files = new FileClient(t, await t.fresh());
    const options = {
      maxDepth: 0,
      maxDirectories: 1,
      maxEntries: 50_000,
      followDirectorySymlinks: false,
      pruneHiddenDirectories: false,
    };
    const walked = await files.call("walk", { path: many, options }, 20_000);
    expect([walked.truncated, walked.errors]).toEqual([true, []]);
    // Each entry counts as its path and 64 more.
    const uris = Array.from({ length: MANY }, (_, i) => t.path(join(many, `${i}`))).toSorted();
    let length = 0;
    const fit = uris.findIndex((uri) => (length += uri.length + 64) > 4 * MIB);
    expect(fit).toBeLessThan(50_000);
    expect(walked.entries.map((entry: Json) => entry.path)).toEqual(uris.slice(0, fit));
    const cut = await files.call("walk", { path: many, options: { ...options, maxEntries: 1000 } });
    expect([cut.entries.length, cut.truncated]).toEqual([1000, true]);
  });

  verifies("fs/readDirectory: 50000 entries are told, and no more", async () => {
    const files = new FileClient(t, await t.fresh());
    const list = async (): Promise<unknown> => {
      const { result, error } = await files.ask("readDirectory", { path: many }, 20_000);
      return error ? `${error.code} ${error.message}` : result.entries.length;
    };
    const told = "-32603 fs/readDirectory returned 50001 entries; limit is 50000";
    t.same("fs: no limit of entries", await list(), told);
    rmSync(join(many, "0"));
    expect(await list()).toBe(MANY - 1);
    writeFileSync(join(many, "0"), "");
  });

  verifies("fs/readFile: a long answer comes in frames that the peer would take", async () => {
    const path = folderOfAll(t);
    truncateSync(path("f"), 20 * MIB);
    const socket = await (await t.socket()).upgrade();
    await socket.initialize();
    const id = socket.ask("fs/readFile", { path: t.path(path("f")) });
    const payloads: Buffer[] = [];
    for (let fin = false; !fin; ) {
      const frame = (await socket.next(20_000))!;
      if (frame.opcode > 2) continue;
      payloads.push(frame.payload);
      fin = frame.fin;
    }
    const answer = JSON.parse(Buffer.concat(payloads).toString()) as Json;
    expect(answer.id).toBe(id);
    expect(
      Buffer.from(answer.result.dataBase64, "base64").equals(
        Buffer.concat([Buffer.from("hello"), Buffer.alloc(20 * MIB - 5)]),
      ),
    ).toBe(true);
    t.same("fs: one frame", Math.max(...payloads.map(({ length }) => length)) <= 16 * MIB, true);
  });
});
