/** Paths of `fs/*`: both forms, by the letters, byte for byte. */

import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { base64, FileClient, folderOfAll, shortened } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";

suite("fs paths", { transports: ["websocket"], peerTransports: ["websocket"] }, (t) => {
  /** The kind of the outcome with a path that is sent as it is. */
  const asked = async (method: string, params: object): Promise<unknown> => {
    const answer = await (await t.client()).ask(`fs/${method}`, params);
    return answer.error ? answer.error.code : answer.result;
  };
  const found = async (path: string): Promise<unknown> => {
    const answer = await asked("getMetadata", { path });
    return typeof answer === "number" ? answer : "found";
  };

  verifies("fs: a path is native or a file URI, and answers have the form of the request", async () => {
    const path = folderOfAll(t);
    const uri = pathToFileURL(path("f")).href;
    t.same("fs: native path", await found(path("f")), "found");
    t.same("fs: URI", await found(uri), "found");
    const canonical = { path: path("lf") };
    t.same("fs: native answer", await asked("canonicalize", canonical), { path: path("f") });
    const answered = await asked("canonicalize", { path: pathToFileURL(path("lf")).href });
    t.same("fs: URI answer", answered, { path: uri });
  });

  verifies("fs: what is no absolute path is -32602", async () => {
    for (const path of ["", "x", "./x", "../x", "~/x", "http://h/x", "file", 5, null, ["/x"]]) {
      expect({ path, got: await asked("getMetadata", { path }) }).toEqual({ path, got: -32602 });
    }
    expect(await asked("getMetadata", {})).toBe(-32602);
  });

  verifies("fs: a URI is read as URIs are", async () => {
    if (t.id === "codex-0.138.0") return;
    const path = folderOfAll(t);
    for (const start of ["file:", "FILE:", "file://", "file://localhost"]) {
      expect({ start, got: await found(start + path("f")) }).toEqual({ start, got: "found" });
    }
    mkdirSync(path("sp ace"));
    writeFileSync(path("sp ace/%é#?"), "");
    const root = pathToFileURL(path()).href;
    expect(await found(`${root}/sp%20ace/%25%c3%a9%23%3F`)).toBe("found");
    expect(await found(`${root}/sp ace/%25é%23%3F`)).toBe("found");
    expect(await found(`${root}/d%2Fx`)).toBe("found");
    expect(await found(`${root}/d/%2e%2E/f`)).toBe("found");
    writeFileSync(path("%zz"), "");
    expect(await found(`${root}/%zz`)).toBe("found");
    expect(await asked("canonicalize", { path: `${root}/sp%20ace/%25%c3%a9%23%3F` })).toEqual({
      path: `${root}/sp%20ace/%25%C3%A9%23%3F`,
    });
    const odd = "a!~*'()[]:@$&+,;=|\"<>^`{}\\";
    writeFileSync(path(odd), "");
    const { path: told } = (await asked("canonicalize", {
      path: `${root}/${encodeURIComponent(odd)}`,
    })) as { path: string };
    expect(told).toBe(`${root}/a!~*'()[]:@$&+,;=|%22%3C%3E^%60%7B%7D%5C`);
    for (const [uri, code] of [
      [`${root}/f?x`, -32602],
      [`${root}/f#x`, -32602],
      [`${root}/f?`, -32602],
      [`file://u:p@host${path("f")}`, -32602],
      ["file://host:80/x", -32602],
      [`file://server${path("f")}`, -32600],
      ["file:///C:/x", -32600],
      [`${root}/f%00`, -32602],
    ] as const) {
      expect({ uri, got: await found(uri) }).toEqual({ uri, got: code });
    }
  });

  verifies("fs: dots and slashes are taken out by the letters", async () => {
    const path = folderOfAll(t);
    mkdirSync(path("d/deep"));
    symlinkSync("d/deep", path("far"));
    const client = new FileClient(t, await t.client());
    for (const name of ["f/", "//f", "./f", "d/../f", "far/../f", "d/deep/../../f", "f/."]) {
      expect({ name, got: await client.outcome("readFile", { path: `${path()}/${name}` }) }).toEqual({
        name,
        got: { dataBase64: base64("hello") },
      });
    }
    expect(await client.outcome("canonicalize", { path: "/../.." })).toEqual({ path: t.path("/") });
    expect(await client.outcome("readFile", { path: `${path()}/far/../d/nothing` })).toBe("-32004 os 2");
  });

  verifies("fs: NUL is refused", async () => {
    const got = await asked("getMetadata", { path: "/tmp/a\0b" });
    t.same("fs: NUL", got, -32600);
  });

  verifies("fs: names that are too long, and links that never end", async () => {
    const path = folderOfAll(t);
    const client = new FileClient(t, await t.client());
    const long = `/${"n".repeat(5000)}`;
    const deep = "/d".repeat(2500);
    for (const params of [{ path: long }, { path: `${path()}${deep}` }]) {
      expect(await client.outcome("getMetadata", params)).toBe("-32603 os 36");
      expect(await client.outcome("writeFile", { ...params, dataBase64: "" })).toBe("-32603 os 36");
    }
    for (const method of ["getMetadata", "readFile", "canonicalize", "readDirectory"]) {
      expect({ method, got: await client.outcome(method, { path: path("loop/x") }) }).toEqual({
        method,
        got: "-32603 os 40",
      });
    }
  });

  verifies("fs: a name that is not UTF-8 is that name", async () => {
    const path = folderOfAll(t);
    const made = spawnSync("bash", ["-c", `mkdir $'odd\\xff' && echo -n odd > $'odd\\xff/\\xfe'`], {
      cwd: path(),
    });
    expect(made.status).toBe(0);
    const client = new FileClient(t, await t.client());
    const listed = await client.call("readDirectory", { path: path() });
    const odd = listed.entries.find(({ fileName }: { fileName: string }) => fileName.startsWith("odd"));
    expect(odd.fileName).toBe("odd\ufffd");
    const bytes = Buffer.concat([Buffer.from("odd"), Buffer.from([0xff])]).toString("base64");
    t.same("fs: fileNameBase64", odd.fileNameBase64, bytes);
    if (t.id === "codex-0.138.0") return;
    const root = pathToFileURL(path()).href;
    const ask = async (method: string, params: object): Promise<unknown> =>
      shortened(await client.client.ask(`fs/${method}`, params));
    expect(await ask("readFile", { path: `${root}/odd%FF/%fe` })).toEqual({ dataBase64: base64("odd") });
    expect(await ask("canonicalize", { path: `${root}/odd%ff/%FE` })).toEqual({
      path: `${root}/odd%FF/%FE`,
    });
    await ask("writeFile", { path: `${root}/odd%FF/new%80`, dataBase64: base64("new") });
    const options = {
      maxDepth: 1,
      maxDirectories: 9,
      maxEntries: 99,
      followDirectorySymlinks: false,
      pruneHiddenDirectories: false,
    };
    const walked = (await ask("walk", { path: `${root}/odd%FF`, options })) as { entries: object[] };
    t.same("fs: walk of odd names", walked.entries, [
      { path: `${root}/odd%FF/new%80`, kind: "file" },
      { path: `${root}/odd%FF/%FE`, kind: "file" },
    ]);
    expect(
      await ask("copy", {
        sourcePath: `${root}/odd%FF`,
        destinationPath: `${root}/copy%FF`,
        recursive: true,
      }),
    ).toEqual({});
    expect(await ask("readFile", { path: `${root}/copy%FF/%FE` })).toEqual({ dataBase64: base64("odd") });
    expect(await ask("remove", { path: `${root}/odd%FF` })).toEqual({});
    expect(await ask("getMetadata", { path: `${root}/odd%FF` })).toBe("-32004 os 2");
  });

  verifies("fs/join and fs/parent: by the letters", async () => {
    const client = await t.client();
    const joined = async (basePath: string, path: string): Promise<unknown> =>
      (await client.ask("fs/join", { basePath, path })).result?.path;
    const parent = async (path: string): Promise<unknown> =>
      (await client.ask("fs/parent", { path })).result?.path;
    if (t.id === "codex-0.169.0") {
      expect([await joined("/a", "b"), await parent("/a")]).toEqual([undefined, undefined]);
      return;
    }
    expect(await joined("/a/b", "c/./d//e")).toBe("/a/b/c/d/e");
    expect(await joined("/a/b", "../../../c")).toBe("/c");
    expect(await joined("/a/b", "/c")).toBe("/c");
    expect(await joined("/a/b", "")).toBe("/a/b");
    expect(await joined("/a/b", "~/c")).toBe(`${t.folder.home}/c`);
    expect(await parent("/a/b/")).toBe("/a");
    expect(await parent("/a")).toBe("/");
    expect(await parent("/")).toBeNull();
  });
});
