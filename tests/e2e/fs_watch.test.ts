/** Changes that are told: `fs/watchMissing`, `fs/watch`. */

import { expect } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/deadline.ts";
import { FileClient, folderOfAll } from "../support/fs_client.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { descriptorsOf } from "../support/proc.ts";
import type { Json } from "../support/raw_client.ts";

const recent = (server: { id: string }): boolean => server.id !== "codex-0.138.0";

suite("fs/watchMissing", { servers: recent, transports: ["websocket"] }, (t) => {
  let lastId = 0;

  const watch = async (
    client: FileClient,
    missing: string[],
    present?: string | null,
  ): Promise<{ watchId: number; watching: boolean }> => {
    const watchId = ++lastId;
    const params = { watchId, missing, ...(present === undefined ? {} : { present }) };
    return { watchId, ...(await client.call("watchMissing", params)) };
  };

  verifies("fs/watchMissing: tells once when something appears, or what is there changes", async () => {
    const path = folderOfAll(t);
    const client = new FileClient(t, await t.client());
    const changes: Record<string, [missing: string, present: string | null | undefined, act: () => void]> = {
      "a file is made": ["a1", undefined, () => writeFileSync(path("a1"), "")],
      "a file is moved there": ["a2", null, () => renameSync(path("a1"), path("a2"))],
      "a link is made": ["a3", null, () => symlinkSync("x", path("a3"))],
      "the first missing parent is made": ["p/q/r", null, () => mkdirSync(path("p"))],
      "the next one": ["p/q/r", null, () => mkdirSync(path("p/q"))],
      "the folder around it goes": ["p/q/r", null, () => rmSync(path("p"), { recursive: true })],
      "the folder around it is moved": ["d/none", null, () => renameSync(path("d"), path("e"))],
      "what is there is written": ["a4", "f", () => writeFileSync(path("f"), "new")],
      "what is there gets another mode": ["a4", "f", () => chmodSync(path("f"), 0o600)],
      "what is there is replaced": ["a4", "f", () => renameSync(path("a2"), path("f"))],
      "what is there is removed": ["a4", "f", () => rmSync(path("f"))],
    };
    for (const [what, [missing, present, act]] of Object.entries(changes)) {
      const there = typeof present === "string" ? path(present) : present;
      const { watchId, watching } = await watch(client, [path("other"), path(missing)], there);
      expect({ what, watching }).toEqual({ what, watching: true });
      act();
      const told = await client.client.next(({ method }) => method === "fs/missingChanged", 3000, what);
      expect({ what, params: told.params }).toEqual({ what, params: { watchId } });
    }
    // Whatever was told twice would come before this answer.
    writeFileSync(path("other"), "");
    await client.call("getMetadata", { path: path() });
    expect(client.client.messages.filter(({ method }) => method === "fs/missingChanged")).toEqual([]);
  });

  verifies("fs/watchMissing: says when it does not watch", async () => {
    const path = folderOfAll(t);
    const client = new FileClient(t, await t.client());
    const many = Array.from({ length: 65 }, (_, i) => path(`m${i}`));
    const cases: Record<string, [missing: string[], present?: string]> = {
      "what is said to be missing is there": [[path("f")]],
      "one of two is there": [[path("none"), path("f")]],
      "what is said to be there is not": [[path("none")], path("none2")],
      "a link is on the way": [[path("ld/none")]],
      "a link to nothing is there": [[path("dangling")]],
      "it is on the way": [[path("dangling/none")]],
      "a file is on the way": [[path("f/none")]],
      "what is there is a link": [[path("none")], path("ld")],
      "there is nothing to watch": [[]],
      "there is too much to watch": [many],
      "the system makes it up": [["/proc/none"]],
    };
    for (const [what, [missing, present]] of Object.entries(cases)) {
      const { watching } = await watch(client, missing, present);
      expect({ what, watching }).toEqual({ what, watching: false });
    }
    expect((await watch(client, many.slice(1))).watching).toBe(true);
    expect((await client.ask("watchMissing", { watchId: 1 })).error.code).toBe(-32602);
    expect((await client.ask("watchMissing", { watchId: -1, missing: [] })).error.code).toBe(-32602);
  });

  verifies(
    "fs/watchMissing: a new watch takes the place of the old, and keeps its id of 64 bits",
    async () => {
      const path = folderOfAll(t);
      const client = new FileClient(t, await t.fresh());
      await watch(client, [path("first")]);
      const second = t.path(path("second"));
      client.client.send(
        `{"id":"w","method":"fs/watchMissing","params":{"watchId":18446744073709551615,"missing":[${JSON.stringify(second)}]}}`,
      );
      expect((await client.client.answer("w")).result).toEqual({ watching: true });
      writeFileSync(path("first"), "");
      writeFileSync(path("second"), "");
      await client.client.until(
        () => client.client.texts.some((text) => text.includes("missingChanged")),
        3000,
        "notification",
      );
      expect(client.client.texts.filter((text) => text.includes("missingChanged"))).toEqual([
        expect.stringContaining('"watchId":18446744073709551615}'),
      ]);
    },
  );

  verifies("fs/watchMissing: ends with its connection", async () => {
    if (!t.ours) return;
    const path = folderOfAll(t);
    // The client that the other tests share lets go of its own.
    await watch(new FileClient(t, await t.client()), []);
    const watchers = (): number => descriptorsOf(t.pid).filter((name) => name.includes("inotify")).length;
    const client = new FileClient(t, await t.fresh());
    await watch(client, [path("none")]);
    expect(watchers()).toBe(1);
    await client.client.close();
    await until(3000, "end of the watch", () => watchers() === 0);
  });
});

suite("fs/watch", { servers: ours, transports: ["websocket"] }, (t) => {
  type Change = [path: string, kind: string];

  /** Changes as they come, with paths below the folder. */
  class Watched {
    readonly all: Change[] = [];
    readonly flags: Json[] = [];
    readonly client: FileClient;
    readonly #root: string;

    constructor(client: FileClient, root: string) {
      this.client = client;
      this.#root = root;
    }

    async next(): Promise<Change[]> {
      const { params } = await this.client.client.next(
        ({ method }) => method === "fs/changed",
        5000,
        "changes",
      );
      const { changes, ...flags } = params;
      const found = changes.map(({ path, kind }: Json): Change => {
        return [decodeURIComponent(new URL(path).pathname).slice(this.#root.length + 1), kind];
      });
      this.all.push(...found);
      this.flags.push(flags);
      return found;
    }

    /** Collects until this change has come. */
    async until(path: string, kind: string): Promise<Change[]> {
      while (!this.all.some((change) => change[0] === path && change[1] === kind)) await this.next();
      return this.all;
    }
  }

  async function watched(path: string, root: string, more: object = {}): Promise<Watched> {
    const client = new FileClient(t, await t.fresh());
    expect(await client.call("watch", { watchId: "w", path, ...more })).toEqual({});
    return new Watched(client, root);
  }

  verifies("fs/watch: tells what happens in a directory", async () => {
    const path = folderOfAll(t);
    const changes = await watched(path(), path());
    writeFileSync(path("new"), "");
    await changes.until("new", "created");
    writeFileSync(path("f"), "changed");
    await changes.until("f", "modified");
    renameSync(path("f"), path("g"));
    await changes.until("g", "created");
    expect(changes.all).toContainEqual(["f", "removed"]);
    writeFileSync(path("d/inner"), "");
    rmSync(path("g"));
    await changes.until("g", "removed");
    expect(changes.all.filter(([name]) => name.startsWith("d/"))).toEqual([]);
    expect(changes.flags.every(({ watchId }) => watchId === "w")).toBe(true);
  });

  verifies("fs/watch: tells what happens in a directory", "written through the server", async () => {
    const path = folderOfAll(t);
    const changes = await watched(path(), path(), { delayMs: 0 });
    // A new file is written before it has a name, for which the system makes one up.
    await changes.client.call("writeFile", { path: path("new"), dataBase64: "bmV3" });
    await changes.until("new", "created");
    writeFileSync(path("#1"), "");
    await changes.until("#1", "created");
    writeFileSync(path("#1"), "changed");
    await changes.until("#1", "modified");
    expect([...new Set(changes.all.map(([name]) => name))]).toEqual(["new", "#1"]);
  });

  verifies("fs/watch: a whole tree, with what is made later", async () => {
    const path = folderOfAll(t);
    mkdirSync(path("d/deep"));
    const changes = await watched(path(), path(), { recursive: true, delayMs: 0 });
    writeFileSync(path("d/deep/x"), "");
    await changes.until("d/deep/x", "created");
    mkdirSync(path("a/b/c"), { recursive: true });
    writeFileSync(path("a/b/c/x"), "");
    await changes.until("a/b/c/x", "created");
    for (const name of ["a", "a/b", "a/b/c"]) expect(changes.all).toContainEqual([name, "created"]);
    renameSync(path("a"), path("z"));
    await changes.until("z/b/c/x", "created");
    writeFileSync(path("z/b/c/y"), "");
    await changes.until("z/b/c/y", "created");
    expect(changes.all.filter(([name]) => name === "a/b/c/y")).toEqual([]);
    rmSync(path("z"), { recursive: true });
    await changes.until("z", "removed");
    // Links are not entered.
    symlinkSync(path("outside"), path("d/out"));
    await changes.until("d/out", "created");
  });

  verifies("fs/watch: changes of one path come together", async () => {
    const path = folderOfAll(t);
    const changes = await watched(path(), path(), { delayMs: 300 });
    for (let i = 0; i < 50; i++) writeFileSync(path("f"), `${i}`);
    writeFileSync(path("brief"), "");
    rmSync(path("brief"));
    writeFileSync(path("new"), "");
    writeFileSync(path("new"), "more");
    rmSync(path("lf"));
    symlinkSync("f", path("lf"));
    expect(await changes.next()).toEqual([
      ["f", "modified"],
      ["new", "created"],
      ["lf", "modified"],
    ]);
  });

  verifies("fs/watch: a flood is told as an overflow, and the watch goes on", async () => {
    const path = folderOfAll(t);
    const aside = `${path()}-aside`;
    mkdirSync(aside);
    for (let i = 0; i < 10_050; i++) writeFileSync(join(aside, `${i}`), "");
    const changes = await watched(path(), path(), { recursive: true, delayMs: 200 });
    renameSync(aside, path("flood"));
    mkdirSync(path("later"));
    await changes.next();
    expect(changes.flags[0]).toEqual({ watchId: "w", overflow: true });
    expect(changes.all).toEqual([]);
    writeFileSync(path("later/x"), "");
    await changes.until("later/x", "created");
  });

  verifies("fs/watch: a file is watched by its name, a directory until it goes", async () => {
    const path = folderOfAll(t);
    const file = await watched(path("f"), path());
    writeFileSync(path("other"), "new");
    renameSync(path("other"), path("f"));
    rmSync(path("f"));
    await file.until("f", "removed");
    writeFileSync(path("f"), "");
    await file.until("f", "created");
    expect(file.all.filter(([name]) => name !== "f")).toEqual([]);
    const directory = await watched(path("d"), path());
    rmSync(path("d"), { recursive: true });
    while (!directory.flags.at(-1)?.ended) await directory.next();
    expect(directory.all).toContainEqual(["d/x", "removed"]);
    // Its id is free again.
    mkdirSync(path("d"));
    expect(await directory.client.call("watch", { watchId: "w", path: path("d") })).toEqual({});
  });

  verifies("fs/watch: what cannot be watched is said, and an end is an end", async () => {
    const path = folderOfAll(t);
    const client = new FileClient(t, await t.fresh());
    const watch = (more: object): Promise<unknown> =>
      client.outcome("watch", { watchId: "w", path: path(), ...more });
    expect(await watch({ path: path("no") })).toBe("-32004 os 2");
    expect(await watch({ path: path("loop") })).toBe("-32603 os 40");
    expect(await watch({ delayMs: 10_001 })).toBe("-32600 delayMs is 10001: expected 0 to 10000");
    expect(await watch({ watchId: "x".repeat(33) })).toBe("-32600 watch ID must not exceed 32 bytes");
    expect(await watch({ delayMs: 0 })).toEqual({});
    expect(await watch({})).toBe("-32600 watch `w` already exists");
    expect(await client.outcome("unwatch", { watchId: "w" })).toEqual({});
    expect(await client.outcome("unwatch", { watchId: "w" })).toEqual({});
    writeFileSync(path("new"), "");
    for (let i = 0; i < 64; i++) expect(await watch({ watchId: `${i}` })).toEqual({});
    expect(await watch({})).toBe("-32600 at most 64 watches may be open per connection");
    expect(client.client.messages.filter(({ params }) => params?.watchId === "w")).toEqual([]);
  });
});
