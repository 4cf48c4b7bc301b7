/** Trees of which some belongs to others, as an ordinary user sees them. */

import { expect } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { base64, FileClient, folderOfAll, type Row } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";
import { asNobody, isRoot, NOBODY, startable } from "../support/ordinary_user.ts";
import { ripgrepFolder } from "../support/programs.ts";
import type { Json } from "../support/raw_client.ts";

/** With and without ripgrep, which tells of failures in its own words. */
const searches = {
  "": "/nowhere",
  ...(ripgrepFolder !== undefined && { ", ripgrep": ripgrepFolder }),
};

for (const [engine, folder] of Object.entries(searches)) {
  suite(`fs in trees of others${engine}`, {
    servers: startable,
    transports: ["websocket"],
    launch: { ...asNobody, env: { PATH: folder } },
  }, (t) => {
    verifies("fs: what cannot be looked into is told beside what can", async () => {
      const path = folderOfAll(t);
      mkdirSync(path("open"));
      for (const name of ["open/a", "open/z"]) writeFileSync(path(name), "needle\n");
      mkdirSync(path("open/sh: ut"));
      writeFileSync(path("open/sh: ut/x"), "needle\n");
      writeFileSync(path("open/secret"), "needle\n");
      if (isRoot)
        for (const name of ["", "open", "open/sh: ut", "open/secret"]) chownSync(path(name), NOBODY, NOBODY);
      for (const name of ["open/sh: ut", "open/secret"]) chmodSync(path(name), 0);
      const client = new FileClient(t, await t.client());
      const denied = (name: string): Json => ({
        path: t.path(path(name)),
        message: "Permission denied (os error 13)",
      });
      if (t.id !== "codex-0.138.0") {
        const options = { maxDepth: 9, maxDirectories: 99, maxEntries: 99, followDirectorySymlinks: false };
        const walk = async (name: string): Promise<Json> => {
          const { entries, errors, truncated } = await client.call("walk", { path: path(name), options });
          return [entries.map((entry: Json) => entry.path), errors, truncated];
        };
        const listed = ["open/a", "open/secret", "open/sh: ut", "open/z"].map((name) => t.path(path(name)));
        expect(await walk("open")).toEqual([listed, [denied("open/sh: ut")], false]);
        expect(await walk("open/sh: ut")).toEqual([[], [denied("open/sh: ut")], false]);
      }
      if (t.ours) {
        const found = await client.call("search", { searchId: "s", path: path("open"), query: "needle" });
        expect(found).toMatchObject({ matches: 2, engine: engine === "" ? "builtin" : "ripgrep" });
        const byPath = (a: Json, b: Json): number => (a.path < b.path ? -1 : 1);
        expect(found.errors.toSorted(byPath)).toEqual([denied("open/secret"), denied("open/sh: ut")]);
      }
      for (const name of ["open/sh: ut", "open/secret"]) chmodSync(path(name), 0o700);
    });

    verifies("fs: in a folder that cannot be listed, names that are known work", async () => {
      const path = folderOfAll(t);
      mkdirSync(path("blind"));
      writeFileSync(path("blind/f"), "there");
      if (isRoot) for (const name of ["", "f", "blind", "blind/f"]) chownSync(path(name), NOBODY, NOBODY);
      chmodSync(path("blind"), 0o300);
      const client = new FileClient(t, await t.client());
      const data = { dataBase64: base64("new") };
      const row = (method: string, name: string, expected: unknown, more: object = {}): Row => ({
        method,
        params: { path: path(name), ...more },
        expected,
      });
      await client.table({
        list: row("readDirectory", "blind", "-32600 os 13"),
        read: row("readFile", "blind/f", { dataBase64: base64("there") }),
        write: row("writeFile", "blind/f", {}, data),
        "write a new one": row("writeFile", "blind/new", {}, data),
        "without following links": row("writeFile", "blind/new2", {}, { ...data, followSymlinks: false }),
        "make a folder": row("createDirectory", "blind/d", {}),
        copy: {
          method: "copy",
          params: { sourcePath: path("f"), destinationPath: path("blind/copy"), recursive: false },
          expected: {},
        },
        remove: row("remove", "blind/f", {}),
        "remove all": row("remove", "blind", "-32600 os 13"),
        "the real path": row("canonicalize", "blind/new", { path: t.path(path("blind/new")) }),
      });
      if (t.ours) {
        await client.table({
          "replace at once": row("writeFile", "blind/new", {}, { ...data, atomic: true }),
          rename: {
            method: "rename",
            params: { sourcePath: path("blind/new"), destinationPath: path("blind/moved") },
            expected: {},
          },
        });
      }
      chmodSync(path("blind"), 0o700);
      const left = ["copy", "d", t.ours ? "moved" : "new", "new2"];
      expect(readdirSync(path("blind")).toSorted()).toEqual(left);
    });

    verifies("fs/copy: as an ordinary user, onto what is another's and without their rights", async () => {
      // It takes another user's files.
      if (!isRoot) return;
      const path = folderOfAll(t);
      writeFileSync(path("open"), "theirs");
      chmodSync(path("open"), 0o666);
      writeFileSync(path("suid"), "program");
      chmodSync(path("suid"), 0o4755);
      writeFileSync(path("sealed"), "sealed");
      for (const name of ["", "f", "sealed"]) chownSync(path(name), NOBODY, NOBODY);
      chmodSync(path("sealed"), 0o444);
      const client = new FileClient(t, await t.client());
      const copy = (from: string, to: string): Promise<unknown> =>
        client.outcome("copy", { sourcePath: path(from), destinationPath: path(to), recursive: false });
      // Nobody else may change its mode.
      expect(await copy("f", "open")).toBe("-32600 os 1");
      if (t.ours) {
        const params = { sourcePath: path("f"), destinationPath: path("open"), recursive: false };
        expect((await client.ask("copy", params)).error.data.path).toBe(t.path(path("open")));
      }
      t.same("fs: copied where the mode may not be", readFileSync(path("open"), "utf8"), "theirs");
      expect(await copy("suid", "mine")).toEqual({});
      expect(statSync(path("mine"))).toMatchObject({ mode: 0o100755, uid: NOBODY });
      expect(await copy("sealed", "sealed2")).toEqual({});
      expect(statSync(path("sealed2")).mode & 0o777).toBe(0o444);
      expect(readFileSync(path("sealed2"), "utf8")).toBe("sealed");
      expect(await copy("f", "sealed2")).toBe("-32600 os 13");
    });

    verifies("fs/remove: what may not be removed stays", async () => {
      // It takes another user's files.
      if (!isRoot) return;
      const path = folderOfAll(t);
      mkdirSync(path("tree/mine"), { recursive: true });
      mkdirSync(path("tree/theirs"));
      for (const name of ["tree/mine/x", "tree/theirs/x"]) writeFileSync(path(name), "x");
      for (const name of ["", "tree", "tree/mine", "tree/mine/x"]) chownSync(path(name), NOBODY, NOBODY);
      const client = new FileClient(t, await t.client());
      expect(await client.outcome("remove", { path: path("tree") })).toBe("-32600 os 13");
      expect(readFileSync(path("tree/theirs/x"), "utf8")).toBe("x");
      mkdirSync(path("sticky"));
      chmodSync(path("sticky"), 0o1777);
      writeFileSync(path("sticky/x"), "x");
      expect(await client.outcome("remove", { path: path("sticky/x") })).toBe("-32600 os 1");
      // Whether it went before is up to the order of the directory.
      expect(await client.outcome("remove", { path: path("tree/mine") })).toEqual({});
      expect(readdirSync(path("tree"))).toEqual(["theirs"]);
    });
  });
}
