/** What the protocol says of `fs/*` row by row, as far as no other suite tells a story of it. Errors are compared whole. */

import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { pathToFileURL } from "node:url";
import type { differences } from "../support/differences.ts";
import { base64, FileClient, folderOfAll, type Row } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";
import { isRoot } from "../support/ordinary_user.ts";
import type { Json } from "../support/raw_client.ts";

/** Who has which method; ours has all that both peers have. */
const methods: Record<string, "all" | "0.138.0" | "0.169.0" | "ours" | "none"> = {
  readFile: "all",
  writeFile: "all",
  createDirectory: "all",
  getMetadata: "all",
  canonicalize: "all",
  readDirectory: "all",
  remove: "all",
  copy: "all",
  join: "0.138.0",
  parent: "0.138.0",
  open: "0.169.0",
  readBlock: "0.169.0",
  writeBlock: "0.169.0",
  close: "0.169.0",
  walk: "0.169.0",
  watchMissing: "0.169.0",
  rename: "ours",
  chmod: "ours",
  setTimes: "ours",
  symlink: "ours",
  readLink: "ours",
  hash: "ours",
  watch: "ours",
  unwatch: "ours",
  search: "ours",
  cancelSearch: "ours",
  getMetadataBatch: "none",
};

const limits = {
  maxDepth: 9,
  maxDirectories: 99,
  maxEntries: 99,
  followDirectorySymlinks: false,
  pruneHiddenDirectories: false,
};

suite("fs row by row", { transports: ["websocket"], peerTransports: ["websocket"] }, (t) => {
  let path: (name?: string) => string;
  let files: FileClient;
  /** Made anew for each test, as some rows change it. */
  const begin = async (): Promise<void> => {
    path = folderOfAll(t);
    const bind = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])";
    expect(spawnSync("python3", ["-c", bind, "socket"], { cwd: path() }).status).toBe(0);
    files = new FileClient(t, await t.client());
  };
  const isOld = t.id === "codex-0.138.0";
  const has = (method: string): boolean => {
    const who = methods[method];
    return who === "all" || (who !== "none" && (t.ours || t.id === `codex-${who}`));
  };
  /** Rows of methods that a server has not are left out. */
  const table = (rows: Record<string, Row>): Promise<void> =>
    files.table(Object.fromEntries(Object.entries(rows).filter(([, { method }]) => has(method))));
  const at = (name: string): string => (name.startsWith("/") ? name : path(name));
  const row = (
    method: string,
    name: string,
    expected: unknown,
    more: object = {},
    differs?: keyof typeof differences,
  ): Row => ({ method, params: { path: at(name), ...more }, expected, ...(differs && { differs }) });
  const copied = (from: string, to: string, expected: unknown, differs?: keyof typeof differences): Row => ({
    method: "copy",
    params: { sourcePath: at(from), destinationPath: at(to), recursive: true },
    expected,
    ...(differs && { differs }),
  });

  /** The error of a request that is sent as it is, as one text. */
  const refused = async (method: string, params: unknown): Promise<unknown> => {
    const { error, result } = await (await t.client()).ask(`fs/${method}`, params);
    return error ? `${error.code} ${error.message}${error.data ? " and data" : ""}` : result;
  };

  verifies("fs: each server has its methods, and says of all others that it has not", async () => {
    for (const method of Object.keys(methods)) {
      // Nothing is given, so that what is there is not carried out.
      const told = await refused(method, {});
      const there = /^-32602 missing field `\w+`$/;
      if (has(method)) expect({ method, told }).toEqual({ method, told: expect.stringMatching(there) });
      else expect(told).toBe(`-32601 exec-server stub does not implement \`fs/${method}\` yet`);
    }
  });

  verifies("fs: members that nobody knows are passed over, and a sandbox of null is none", async () => {
    await begin();
    const more = { unknown: { deep: [1] }, sandbox: null };
    const read = { dataBase64: base64("hello") };
    const walked = { entries: [{ path: t.path(path("d/x")), kind: "file" }], errors: [], truncated: false };
    await table({
      readFile: row("readFile", "f", read, more),
      writeFile: row("writeFile", "new", {}, { ...more, dataBase64: "" }),
      createDirectory: row("createDirectory", "e", {}, more),
      canonicalize: row("canonicalize", "lf", { path: t.path(path("f")) }, more),
      readDirectory: row("readDirectory", "e", { entries: [] }, more),
      remove: row("remove", "new", {}, more),
      copy: {
        method: "copy",
        params: { sourcePath: path("f"), destinationPath: path("g"), recursive: false, ...more },
        expected: {},
      },
      open: row("open", "f", { handleId: "h" }, { handleId: "h", ...more }, "fs: open"),
      readBlock: {
        method: "readBlock",
        params: { handleId: "h", offset: 0, len: 9, ...more },
        expected: { chunk: base64("hello"), eof: true },
      },
      close: { method: "close", params: { handleId: "h", ...more }, expected: {} },
      walk: row("walk", "d", walked, { options: { ...limits, unknown: 1 }, ...more }),
      watchMissing: {
        method: "watchMissing",
        params: { watchId: 1, missing: [], ...more },
        expected: { watching: false },
      },
    });
  });

  verifies("fs: what has the wrong shape is -32602 and says what is missing", async () => {
    await begin();
    const base = t.path(path("f"));
    const missing: [method: string, params: object, member: string][] = [
      ["readFile", {}, "path"],
      ["writeFile", { path: base }, "dataBase64"],
      ["copy", { destinationPath: base, recursive: true }, "sourcePath"],
      ["copy", { sourcePath: base, recursive: true }, "destinationPath"],
      ["copy", { sourcePath: base, destinationPath: base }, "recursive"],
      ["join", { basePath: base }, "path"],
      ["open", { path: base }, "handleId"],
      ["readBlock", { handleId: "h", offset: 0 }, "len"],
      ["writeBlock", { handleId: "h", offset: 0 }, "chunk"],
      ["close", {}, "handleId"],
      ["walk", { path: base }, "options"],
      ["watchMissing", { watchId: 1 }, "missing"],
    ];
    for (const [method, params, member] of missing) {
      if (has(method)) expect(await refused(method, params)).toBe(`-32602 missing field \`${member}\``);
    }
    const wrong: [method: string, params: Record<string, unknown>][] = [
      ["copy", { sourcePath: base, destinationPath: base, recursive: null }],
      ["copy", { sourcePath: base, destinationPath: base, recursive: 1 }],
      ["createDirectory", { path: base, recursive: "yes" }],
      ["remove", { path: base, force: 0 }],
      ["writeFile", { path: base, dataBase64: null }],
      ["readFile", { path: base, sandbox: 5 }],
      ["readFile", [base]],
      ["open", { handleId: 5, path: base }],
      ["readBlock", { handleId: "h", offset: "0", len: 1 }],
      ["walk", { path: base, options: { ...limits, maxEntries: -1 } }],
      ["watchMissing", { watchId: "1", missing: [] }],
    ] as never;
    for (const [method, params] of wrong) {
      if (!has(method)) continue;
      expect(await refused(method, params)).toMatch(/^-32602 (?:\w+\.?\w*: )?invalid (?:type|length|number)/);
    }
    expect(readFileSync(path("f"), "utf8")).toBe("hello");
  });

  verifies("fs: a path that is none says why", async () => {
    const relative = "fs: relative path";
    for (const wrong of ["", "x", "./x", "~/x"]) {
      const told = await refused("getMetadata", { path: wrong });
      t.same(
        relative,
        told,
        `-32602 invalid path ${JSON.stringify(wrong)}: expected an absolute path or a \`file:\` URI`,
      );
    }
    if (isOld) return;
    const ofOthers = ["file://srv/x", "file:///C:/x", "file:///tmp/../C:/x", "file://127.0.0.1/x"];
    for (const uri of [...ofOthers, "file:///%00/bad/path/L3RtcA"]) {
      // The peer tells the URI in its shortest form.
      const shown = t.ours ? uri : new URL(uri).href;
      expect(await refused("getMetadata", { path: uri })).toBe(`-32600 '${shown}' is invalid on 'linux'`);
    }
    expect(await refused("getMetadata", { path: "file:///a%00b" })).toBe(
      "-32602 'file:///a%00b' is invalid on 'linux'",
    );
    const texts: Record<string, string> = {
      "http://h/x": "unsupported path URI scheme `http`",
      "file:///x?y": "query parameters are not allowed in path URIs",
      "file:///x#y": "fragments are not allowed in path URIs",
    };
    for (const [uri, text] of Object.entries(texts)) {
      expect(await refused("getMetadata", { path: uri })).toBe(`-32602 ${text}`);
    }
    for (const uri of ["file://u:p@localhost/x", "file://localhost:80/x"]) {
      t.same(
        "fs: URI of a host",
        await refused("getMetadata", { path: uri }),
        `-32602 invalid path "${uri}": expected a \`file:\` URI`,
      );
    }
    for (const root of ["file:", "file://", "file:/", "file:///", "file://localhost", "FILE:///.."]) {
      expect({ root, got: await refused("canonicalize", { path: root }) }).toEqual({
        root,
        got: { path: "file:///" },
      });
    }
  });

  verifies("fs/readFile, fs/writeFile, fs/open: what is no file", async () => {
    await begin();
    const noFile = (name: string): string => `-32600 path \`${at(name)}\` is not a file`;
    const data = { dataBase64: "" };
    const notFollowed = { followSymlinks: false };
    await table({
      "read a socket": row("readFile", "socket", noFile("socket"), {}, "fs: reading a socket"),
      "read /dev/null": row("readFile", "/dev/null", noFile("/dev/null"), {}, "fs: reading a device"),
      "write a socket": row("writeFile", "socket", "-32603 os 6", data),
      "open a socket": row("open", "socket", noFile("socket"), { handleId: "h" }, "fs: reading a socket"),
      "open a socket to write": row("open", "socket", "-32603 os 6", { handleId: "h", mode: "replace" }),
    });
    const slack = "/proc/self/timerslack_ns";
    await table({
      "where none can be made": row("writeFile", "/proc/none", "-32004 os 2", data),
      // A setting of the system can only be written from its start to its end.
      // A server of several threads may only write that of others as the administrator.
      ...(existsSync(slack) &&
        (isRoot || t.ours) && {
          "a setting": row("writeFile", slack, {}, { dataBase64: base64("50000") }),
          "which is set": row("readFile", slack, { dataBase64: base64("50000\n") }),
        }),
    });
    if (isOld) return;
    await table({
      "write /dev/null": row("writeFile", "/dev/null", "-32600 path is not a regular file", {
        ...data,
        ...notFollowed,
      }),
      "read /dev/null": row("readFile", "/dev/null", "-32600 path is not a regular file", notFollowed),
      "write a directory": row("writeFile", "d", "-32603 os 21", { ...data, ...notFollowed }),
    });
  });

  verifies("fs: base64 is the strict one, wherever there are bytes", async () => {
    await begin();
    const faults: [text: string, fault: string][] = [
      ["Y", "Invalid input length: 1"],
      ["YWI", "Invalid padding"],
      ["YQ=", "Invalid padding"],
      ["YQ==YQ==", "Invalid symbol 61, offset 2."],
      ["====", "Invalid symbol 61, offset 0."],
      ["YWJj=", "Invalid symbol 61, offset 4."],
      ["Y Q=", "Invalid symbol 32, offset 1."],
      ["\nYQ==", "Invalid symbol 10, offset 0."],
      ["_w==", "Invalid symbol 95, offset 0."],
      ["YWI!", "Invalid symbol 33, offset 3."],
      ["é", "Invalid symbol 195, offset 0."],
      ["YR==", "Invalid last symbol 82, offset 1."],
      ["YWl=", "Invalid last symbol 108, offset 2."],
    ];
    const target = t.path(path("bytes"));
    if (has("open")) {
      await files.call("open", { handleId: "b64", path: path("block"), mode: "replace" });
    }
    for (const [text, fault] of faults) {
      const told = await refused("writeFile", { path: target, dataBase64: text });
      expect({ text, told }).toEqual({
        text,
        told: `-32600 fs/writeFile requires valid base64 dataBase64: ${fault}`,
      });
      if (!has("writeBlock")) continue;
      const block = { handleId: "b64", offset: 0, chunk: text };
      expect({ text, told: await refused("writeBlock", block) }).toEqual({ text, told: `-32602 ${fault}` });
    }
    if (has("close")) await files.call("close", { handleId: "b64" });
    expect(readdirSync(path())).not.toContain("bytes");
    await files.call("writeFile", { path: path("bytes"), dataBase64: "+/8=" });
    expect([...readFileSync(path("bytes"))]).toEqual([0xfb, 0xff]);
  });

  verifies(
    "fs/getMetadata: these members and no others, of every kind, with the real time of birth",
    async () => {
      await begin();
      utimesSync(path("f"), 1, 2);
      const found = await files.call("getMetadata", { path: path("f") });
      t.same("fs: members of metadata", Object.keys(found).toSorted(), [
        "createdAtMs",
        "gid",
        "isDirectory",
        "isFile",
        "isSymlink",
        "mode",
        "modifiedAtMs",
        "size",
        "uid",
      ]);
      const born = Math.trunc(statSync(path("f")).birthtimeMs);
      // What the file system cannot tell is 0 to all.
      t.same("fs: time of birth", born === 0 ? 0 : found.createdAtMs / born, born === 0 ? 0 : 1);
      if (!isOld) {
        const own = await files.call("getMetadata", { path: path("f"), followSymlinks: false });
        expect([own.createdAtMs, own.modifiedAtMs]).toEqual([born, 2000]);
      }
      for (const special of ["fifo", "socket", "/dev/null"]) {
        expect(await files.call("getMetadata", { path: at(special) })).toMatchObject({
          isDirectory: false,
          isFile: false,
          isSymlink: false,
        });
      }
    },
  );

  verifies("fs/readDirectory, fs/canonicalize, fs/createDirectory: what stands in the way", async () => {
    await begin();
    await table({
      "list a FIFO": row("readDirectory", "fifo", "-32603 os 20"),
      "list a link to nothing": row("readDirectory", "dangling", "-32004 os 2"),
      "list a link to itself": row("readDirectory", "loop", "-32603 os 40"),
      "the real path below a file": row("canonicalize", "f/x", "-32603 os 20"),
      "make at a link to itself": row("createDirectory", "loop", "-32603 os 17"),
      "make below a link to itself": row("createDirectory", "loop/x", "-32603 os 40"),
      "make below a link to nothing": row("createDirectory", "dangling/x", "-32603 os 17"),
      "make at a FIFO": row("createDirectory", "fifo", "-32603 os 17"),
      "make below a link to a directory": row("createDirectory", "ld/new", {}),
    });
    expect(readdirSync(path("d")).toSorted()).toEqual(["new", "x"]);
  });

  verifies("fs/remove: followSymlinks false removes one thing at a time", async () => {
    await begin();
    if (isOld) return;
    const remove = (name: string, expected: unknown, more: object): Row =>
      row("remove", name, expected, { followSymlinks: false, ...more });
    const unsupported = "-32603 recursive no-follow removal is unsupported";
    const alone = { recursive: false };
    await table({
      "recursive, told so": remove("f", unsupported, { recursive: true }),
      "recursive, by null": remove("f", unsupported, { recursive: null }),
      "a link": remove("dangling", "-32600 path contains a symbolic link", alone),
      "a full directory": remove("d", "-32603 os 39", alone),
      missing: remove("no", {}, alone),
      "missing, without force": remove("no", "-32004 os 2", { ...alone, force: false }),
      "a socket": remove("socket", {}, alone),
    });
    expect(readdirSync(path()).toSorted()).toEqual(["d", "dangling", "f", "fifo", "ld", "lf", "loop"]);
  });

  verifies("fs/copy: what is in the way, and what is not copied", async () => {
    await begin();
    utimesSync(path("f"), 1, 2);
    writeFileSync(path("holes"), "start");
    truncateSync(path("holes"), 3_000_000);
    appendFileSync(path("holes"), "end");
    truncateSync(path("holes"), 5_000_000);
    mkdirSync(path("nested/sub"), { recursive: true });
    mkdirSync(path("blocked"));
    symlinkSync("none", path("blocked/sub"));
    mkdirSync(path("led"));
    symlinkSync("../d", path("led/sub"));
    writeFileSync(path("nested/sub/y"), "y");
    const special = "-32600 fs/copy only supports regular files, directories, and symlinks";
    await table({
      "a socket": copied("socket", "s2", special),
      "a device": copied("/dev/null", "n2", special),
      "below a file": copied("f", "f/x", "-32603 os 20"),
      "from below a file": copied("f/x", "g", "-32603 os 20"),
      "to a link to itself": copied("f", "loop", "-32603 os 40"),
      "to a link to a directory": copied("f", "ld", "-32603 os 21"),
      "to a socket": copied("f", "socket", "-32603 os 6"),
      "a link to a file": copied("lf", "f", "-32603 os 17"),
      "a link to a directory": copied("lf", "d", "-32603 os 17"),
      "a link without parent": copied("lf", "no/x", "-32004 os 2"),
      "a directory to a link to nothing": copied("d", "dangling", "-32603 os 17"),
      "a directory to a link to itself": copied("d", "loop", "-32603 os 17"),
      "a directory to a FIFO": copied("d", "fifo", "-32603 os 17"),
      "a directory below a file": copied("d", "f/x", "-32603 os 20"),
      "a directory to a link to itself elsewhere": copied(
        "d",
        "ld",
        "-32600 fs/copy cannot copy a directory to itself or one of its descendants",
      ),
      "a tree where a link to nothing is": copied("nested", "blocked", "-32603 os 17"),
      "a tree where a link to a directory is": copied("nested", "led", {}),
      "a link to itself": copied("loop", "loop2", {}),
      "to a link to nothing": copied("f", "dangling", {}),
      "to a device": copied("f", "/dev/null", {}),
      "a file with holes": copied("holes", "filled", {}),
      "what the system makes up": copied("/proc/self/status", "status", {}),
    });
    expect(readFileSync(path("d/y"), "utf8")).toBe("y");
    expect(readFileSync(path("filled")).equals(readFileSync(path("holes")))).toBe(true);
    expect(readFileSync(path("status"), "utf8")).toContain("VmRSS:");
    expect(readFileSync(path("nothing"), "utf8")).toBe("hello");
    expect(statSync(path("nothing")).mtimeMs).toBeGreaterThan(1_600_000_000_000);
    expect(statSync("/dev/null").mode & 0o777).toBe(0o666);
  });

  verifies("fs/walk: passes over what is neither file nor directory, and counts it", async () => {
    await begin();
    if (isOld) return;
    for (const name of ["\u{1f600}", "\uff5e", "z"]) writeFileSync(path(`d/${name}`), "");
    mkdirSync(path("e"));
    symlinkSync("none", path("e/1"));
    symlinkSync("../d", path("e/2"));
    symlinkSync("../d", path("e/3"));
    writeFileSync(path("e/4"), "");
    const walked = async (name: string, more: object): Promise<unknown> => {
      const { entries, errors, truncated } = await files.call("walk", {
        path: path(name),
        options: { ...limits, ...more },
      });
      expect(errors).toEqual([]);
      const prefix = `${pathToFileURL(path()).href}/`;
      const names = entries.map(({ path: found }: Json) => decodeURIComponent(found.slice(prefix.length)));
      return truncated ? [...names, "…"] : names;
    };
    const follow = { followDirectorySymlinks: true };
    // Bytes have another order than the halves of characters, of which texts here are made.
    expect(await walked("d", {})).toEqual(["d/x", "d/z", "d/\uff5e", "d/\u{1f600}"]);
    expect(await walked("", { maxDepth: 0 })).toEqual(["d", "e", "f"]);
    expect(await walked("fifo", {})).toEqual([]);
    expect(await walked("lf", {})).toEqual([]);
    expect(await walked("lf", follow)).toEqual([]);
    expect(await walked("e", follow)).toEqual([
      "e/2",
      "e/3",
      "e/4",
      "e/2/x",
      "e/2/z",
      "e/2/\uff5e",
      "e/2/\u{1f600}",
    ]);
    expect(await walked("e", { maxEntries: 4 })).toEqual(["e/4"]);
    t.same("fs: walk counts links to nothing", await walked("e", { maxEntries: 3 }), ["…"]);
    expect(await walked("e", { maxEntries: 2 })).toEqual(["…"]);
    await table({
      "below a file": row("walk", "f/x", "-32603 os 20", { options: limits }),
      "a link to itself": row("walk", "loop", "-32603 os 40", { options: limits }),
      "a link to itself, followed": row("walk", "loop", "-32603 os 40", {
        options: { ...limits, ...follow },
      }),
      "a link to nothing": row("walk", "dangling", "-32004 os 2", { options: limits }),
      "a link to nothing, followed": row("walk", "dangling", "-32004 os 2", {
        options: { ...limits, ...follow },
      }),
    });
  });

  verifies("fs/open: ids that are on their way count", async () => {
    await begin();
    if (isOld) return;
    const fresh = new FileClient(t, await t.fresh());
    const ids = Array.from({ length: 130 }, (_, i) =>
      fresh.client.post("fs/open", { handleId: `${i % 129}`, path: t.path(path("f")) }),
    );
    const answers: Json[] = [];
    for (const id of ids) answers.push(await fresh.client.answer(id));
    const told = answers.map(({ error }) => error?.message);
    expect(told.slice(0, 128)).toEqual(Array(128).fill(undefined));
    expect(told.slice(128)).toEqual([
      "at most 128 file handles may be open per connection",
      "file handle `0` already exists",
    ]);
  });

  verifies("fs/readBlock: what cannot be read says so in the words of the system", async () => {
    await begin();
    if (isOld) return;
    await files.call("open", { handleId: "end", path: path("f") });
    const id = '"end"';
    files.client.send(
      `{"id":${id},"method":"fs/readBlock","params":{"handleId":${id},"offset":9223372036854775807,"len":1}}`,
    );
    const { error } = await files.client.answer("end");
    expect(error).toEqual({
      code: -32600,
      message: "Invalid argument (os error 22)",
      ...(t.ours && { data: { errno: "EINVAL", path: t.path(path("f")) } }),
    });
    await files.call("close", { handleId: "end" });
    await table({
      "after its end": {
        method: "writeBlock",
        params: { handleId: "end", offset: 0, chunk: "YQ==" },
        expected: "-32004 unknown file handle `end`",
      },
      "an id that is too long": row("open", "none", "-32600 file handle ID must not exceed 32 bytes", {
        handleId: "x".repeat(33),
        mode: "replace",
      }),
      "a file that is not there": row("getMetadata", "none", "-32004 os 2"),
    });
  });
});
