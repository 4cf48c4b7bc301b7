/** Paths in answers have the form of the request, and names are their bytes, in every method. */

import { expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { pathToFileURL } from "node:url";
import { base64, expectWholeError, folderOfAll, shortened } from "../support/fs_client.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import { ripgrepFolder } from "../support/programs.ts";
import type { Json } from "../support/raw_client.ts";

const limits = { maxDepth: 9, maxDirectories: 99, maxEntries: 99, followDirectorySymlinks: false };

/** Bytes of a path: each `ÿ` stands for 0xff, which begins no character. */
const bytes = (path: string): Buffer =>
  Buffer.concat(
    path.split("ÿ").flatMap((part, i) => [...(i > 0 ? [Buffer.from([0xff])] : []), Buffer.from(part)]),
  );

/** The URI of such a path. */
const uri = (path: string): string => pathToFileURL(path).href.replaceAll("%C3%BF", "%FF");

const pathMembers = ["path", "sourcePath", "destinationPath"];

suite("fs forms of paths", { servers: ours, transports: ["websocket"] }, (t) => {
  for (const [form, written] of [
    ["native", (path: string) => path],
    ["uri", (path: string) => pathToFileURL(path).href],
  ] as const) {
    verifies("fs: every path of an answer has the form of the request", form, async () => {
      const path = folderOfAll(t);
      mkdirSync(path("a b"));
      writeFileSync(path("a b/é"), "needle\n");
      const client = await t.fresh();
      const at = (name: string): string => written(path(name));
      const ask = async (method: string, params: Record<string, unknown>): Promise<Json> => {
        const answer = await client.ask(`fs/${method}`, params);
        expectWholeError(answer, params, true);
        return answer.error ?? answer.result;
      };
      expect(await ask("canonicalize", { path: at("d/../a b/é") })).toEqual({ path: at("a b/é") });
      expect(await ask("join", { basePath: at("a b"), path: "../é x" })).toEqual({ path: at("é x") });
      expect(await ask("parent", { path: at("a b/é") })).toEqual({ path: at("a b") });
      expect(await ask("walk", { path: at("a b"), options: limits })).toEqual({
        entries: [{ path: at("a b/é"), kind: "file" }],
        errors: [],
        truncated: false,
      });
      expect((await ask("readFile", { path: at("a b/no") })).data.path).toBe(at("a b/no"));
      expect(
        (await ask("copy", { sourcePath: at("lf"), destinationPath: at("d"), recursive: false })).data,
      ).toEqual({
        errno: "EEXIST",
        path: at("d"),
      });
      expect((await ask("chmod", { path: at("no"), mode: 0 })).data.path).toBe(at("no"));
      await ask("open", { handleId: "h", path: at("a b/é") });
      expect((await ask("writeBlock", { handleId: "h", offset: 0, chunk: "YQ==" })).data).toEqual({
        errno: "EBADF",
        path: at("a b/é"),
      });
      for (const root of [at("a b"), at("a b/é")]) {
        const found = client.next(({ method }) => method === "fs/searchMatches");
        expect(await ask("search", { searchId: "s", path: root, query: "needle" })).toMatchObject({
          matches: 1,
        });
        expect((await found).params.matches[0].path).toBe(at("a b/é"));
      }
      await ask("watch", { watchId: "w", path: at("a b"), recursive: true, delayMs: 0 });
      writeFileSync(path("a b/new é"), "");
      const { params } = await client.next(({ method }) => method === "fs/changed");
      expect(params.changes[0]).toEqual({ path: at("a b/new é"), kind: "created" });
    });
  }

  verifies("fs: every path of an answer has the form of the request", "but a URI where it must", async () => {
    const path = folderOfAll(t);
    writeFileSync(bytes(path("d/ÿ")), "");
    const client = await t.client();
    const { entries } = await client.call("fs/walk", { path: path("d"), options: limits });
    expect(entries).toEqual([
      { path: path("d/x"), kind: "file" },
      { path: uri(path("d/ÿ")), kind: "file" },
    ]);
  });

  verifies("fs: NUL is refused", "wherever there is text of a name", async () => {
    const path = folderOfAll(t);
    const client = await t.client();
    for (const [method, params] of [
      ["rename", { sourcePath: path("f"), destinationPath: `${path("g")}\0` }],
      ["copy", { sourcePath: `${path("f")}\0x`, destinationPath: path("g"), recursive: false }],
      ["symlink", { path: path("g"), target: "f\0" }],
      ["join", { basePath: path(), path: "g\0" }],
      ["open", { handleId: "h", path: `${path("g")}\0`, mode: "replace" }],
      ["watch", { watchId: "w", path: `${path("g")}\0` }],
      ["search", { searchId: "s", path: `${path("g")}\0`, query: "x" }],
      ["walk", { path: `${path()}\0`, options: limits }],
    ] as const) {
      expect({ method, got: (await client.ask(`fs/${method}`, params)).error }).toEqual({
        method,
        got: { code: -32600, message: "file name contained an unexpected NUL byte" },
      });
    }
    expect(readdirSync(path())).not.toContain("g");
  });
});

suite("fs names that are not UTF-8", {
  servers: ({ id }) => id !== "codex-0.138.0",
  transports: ["websocket"],
  launch: { env: { PATH: `${ripgrepFolder ?? "/nowhere"}:/usr/bin:/bin` } },
}, (t) => {
  verifies("fs: a name that is not UTF-8 is that name", "in every method", async () => {
    const path = folderOfAll(t);
    const client = await t.fresh();
    /** Paths with `ÿ` for the odd byte. */
    const ask = async (method: string, params: Record<string, unknown>): Promise<Json> => {
      const sent = { ...params };
      for (const name of pathMembers) if (typeof sent[name] === "string") sent[name] = uri(path(sent[name]));
      const answer = await client.ask(`fs/${method}`, sent);
      expectWholeError(answer, sent, t.ours);
      return shortened(answer);
    };
    const text = (name: string): string => readFileSync(bytes(path(name)), "utf8");

    expect(await ask("createDirectory", { path: "ÿ/aÿb" })).toEqual({});
    expect(await ask("writeFile", { path: "ÿ/aÿb/f", dataBase64: base64("one\n") })).toEqual({});
    expect(text("ÿ/aÿb/f")).toBe("one\n");
    expect(await ask("copy", { sourcePath: "ÿ/aÿb/f", destinationPath: "ÿ/gÿ", recursive: false })).toEqual(
      {},
    );
    expect(text("ÿ/gÿ")).toBe("one\n");
    expect(await ask("getMetadata", { path: "ÿ/gÿ" })).toMatchObject({ isFile: true, size: 4 });
    expect(await ask("getMetadata", { path: "ÿ/g" })).toBe("-32004 os 2");
    expect(await ask("canonicalize", { path: "ld/../ÿ/aÿb" })).toEqual({ path: uri(path("ÿ/aÿb")) });
    await ask("open", { handleId: "h", path: "ÿ/hÿ", mode: "replace" });
    expect(await ask("writeBlock", { handleId: "h", offset: 1, chunk: base64("x") })).toEqual({});
    await ask("close", { handleId: "h" });
    expect(text("ÿ/hÿ")).toBe("\0x");
    await ask("open", { handleId: "h", path: "ÿ/hÿ" });
    expect(await ask("readBlock", { handleId: "h", offset: 1, len: 1 })).toEqual({
      chunk: base64("x"),
      eof: false,
    });
    await ask("close", { handleId: "h" });
    const missing = [uri(path("ÿ/later"))];
    expect(await client.call("fs/watchMissing", { watchId: 1, missing })).toEqual({ watching: true });
    writeFileSync(bytes(path("ÿ/later")), "");
    await client.next(({ method }) => method === "fs/missingChanged");
    expect(await ask("remove", { path: "ÿ/hÿ" })).toEqual({});
    expect(existsSync(bytes(path("ÿ/hÿ")))).toBe(false);
    if (!t.ours) return;

    expect(await ask("rename", { sourcePath: "ÿ/gÿ", destinationPath: "ÿ/nÿ" })).toEqual({});
    expect([existsSync(bytes(path("ÿ/gÿ"))), text("ÿ/nÿ")]).toEqual([false, "one\n"]);
    expect(await ask("chmod", { path: "ÿ/nÿ", mode: 0o600 })).toEqual({});
    expect(await ask("setTimes", { path: "ÿ/nÿ", modifiedAtMs: 2000 })).toEqual({});
    expect(statSync(bytes(path("ÿ/nÿ")))).toMatchObject({ mode: 0o100600, mtimeMs: 2000 });
    expect(await ask("hash", { path: "ÿ/nÿ" })).toMatchObject({ length: 4, size: 4 });
    expect(await ask("symlink", { path: "ÿ/lÿ", target: "nothing" })).toEqual({});
    expect(await ask("readLink", { path: "ÿ/lÿ" })).toEqual({ target: "nothing" });
    symlinkSync(bytes("oÿ"), bytes(path("ÿ/mÿ")));
    expect(await ask("readLink", { path: "ÿ/mÿ" })).toEqual({
      target: "o\ufffd",
      targetBase64: bytes("oÿ").toString("base64"),
    });
    const { entries } = await ask("readDirectory", { path: "ÿ", listLinks: true });
    const names = entries.map(({ fileName, fileNameBase64 }: Json) => fileNameBase64 ?? fileName);
    const odd = (name: string): string => bytes(name).toString("base64");
    expect(names).toEqual([odd("aÿb"), "later", odd("lÿ"), odd("mÿ"), odd("nÿ")]);
    const { entries: walked } = await ask("walk", { path: "ÿ", options: limits });
    expect(walked.map((entry: Json) => entry.path)).toEqual(
      ["ÿ/aÿb", "ÿ/later", "ÿ/nÿ", "ÿ/aÿb/f"].map((name) => uri(path(name))),
    );
    // The folder around it has a name that ripgrep can be told, the one with the odd name is looked through by ours.
    for (const root of [".", "ÿ"]) {
      const found = await ask("search", { searchId: "s", path: root, query: "^one$" });
      expect(found).toMatchObject({ matches: 2 });
      expect(found.engine).toBe(root === "." && ripgrepFolder !== undefined ? "ripgrep" : "builtin");
      const told: string[] = [];
      while (told.length < 2) {
        const { params } = await client.next(({ method }) => method === "fs/searchMatches");
        told.push(...params.matches.map((match: Json) => match.path));
      }
      expect(told.toSorted()).toEqual(["ÿ/aÿb/f", "ÿ/nÿ"].map((name) => uri(path(name))));
    }
    await ask("watch", { watchId: "w", path: "ÿ", recursive: true, delayMs: 0 });
    chmodSync(bytes(path("ÿ/nÿ")), 0o644);
    writeFileSync(bytes(path("ÿ/aÿb/wÿ")), "");
    const seen: string[] = [];
    while (!seen.includes(uri(path("ÿ/aÿb/wÿ")))) {
      const { params } = await client.next(({ method }) => method === "fs/changed");
      seen.push(...params.changes.map((change: Json) => change.path));
    }
    expect(await ask("remove", { path: "ÿ" })).toEqual({});
    expect(readdirSync(path()).toSorted()).toEqual(["d", "dangling", "f", "fifo", "ld", "lf", "loop"]);
  });
});
