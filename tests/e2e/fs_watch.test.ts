/** Changes that are told: `fs/watchMissing`. */

import { expect } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { until } from "../support/deadline.ts";
import { FileClient, folderOfAll } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";
import { descriptorsOf } from "../support/proc.ts";

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
