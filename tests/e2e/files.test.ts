/** The files of an environment: the same assertions here, on every server of ours and on the real ones. */

import { afterAll, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  configuredEnvironment,
  currentRuntime,
  type Environment,
  type FileSystem,
  FsError,
  localEnvironment,
} from "../../mod.ts";
import { suite, verifies } from "../support/harness.ts";
import { randomFrom } from "../support/random.ts";

setDefaultTimeout(30_000);

const MIB = 1024 * 1024;

/** Which server the files are behind; it decides what there is to expect. */
type Kind = "ours" | "0.138.0" | "0.169.0";

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function noise(length: number, seed: number): Buffer {
  const random = randomFrom(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  return bytes;
}

async function failure(promise: Promise<unknown>): Promise<{ code: string; message: string; path?: string }> {
  return await promise.then(
    () => expect.unreachable("it succeeded"),
    (error) => error,
  );
}

function fileCases(kind: Kind, fs: () => FileSystem, folder: () => string): void {
  // Not by `join`, which makes replacement characters of bytes that are not UTF-8.
  const at = (name: string): string => `${folder()}/${name}`;
  const ours = kind === "ours";

  verifies("files: what is written is read, byte for byte, in one piece and as streams", async () => {
    for (const size of [0, 1, 1000, MIB, 5 * MIB + 3]) {
      const bytes = noise(size, size + 1);
      await fs().writeFile(at("f"), bytes);
      expect(digest(readFileSync(at("f")))).toBe(digest(bytes));
      expect(digest(await fs().readFile(at("f")))).toBe(digest(bytes));
      await new Blob([bytes as never]).stream().pipeTo(fs().writable(at("g")));
      expect(digest(readFileSync(at("g")))).toBe(digest(bytes));
      const hash = createHash("sha256");
      for await (const block of fs().readable(at("g"))) hash.update(block);
      expect(hash.digest("hex")).toBe(digest(bytes));
    }
    expect(Buffer.from(await fs().readFile(at("f"), { offset: MIB, length: 5 }))).toEqual(
      readFileSync(at("f")).subarray(MIB, MIB + 5),
    );
    await fs().writeTextFile(at("t"), "Größe\n");
    expect(await fs().readTextFile(at("t"))).toBe("Größe\n");
    expect((await failure(fs().readTextFile(at("f")))).code).toBe("ERR_FS_NOT_TEXT");
  });

  verifies("files: a file that is there keeps its inode and mode when it is written", async () => {
    writeFileSync(at("kept"), "old and longer");
    chmodSync(at("kept"), 0o640);
    const { ino } = lstatSync(at("kept"));
    await fs().writeFile(at("kept"), "new");
    expect(readFileSync(at("kept"), "utf8")).toBe("new");
    expect(lstatSync(at("kept"))).toMatchObject({ ino, mode: 0o100640 });
  });

  verifies("files: metadata, entries and real paths", async () => {
    mkdirSync(at("d/sub"), { recursive: true });
    writeFileSync(at("d/b.txt"), "12345");
    writeFileSync(at("d/sp ace %é"), "");
    symlinkSync("b.txt", at("d/link"));
    symlinkSync("nowhere", at("d/dangling"));
    const info = await fs().stat(at("d/b.txt"));
    expect(info).toMatchObject({ isFile: true, isDirectory: false, isSymlink: false });
    expect(info.size).toBe(kind === "0.138.0" ? null : 5);
    expect(info.mode).toBe(ours ? lstatSync(at("d/b.txt")).mode & 0o7777 : null);
    expect(Math.abs(info.mtime!.getTime() - lstatSync(at("d/b.txt")).mtimeMs)).toBeLessThan(1);
    expect(await fs().stat(at("d/link"))).toMatchObject({ isFile: true, isSymlink: true });
    expect(await fs().lstat(at("d/link"))).toMatchObject({ isFile: false, isSymlink: true });
    const entries = (await fs().list(at("d"))).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(entries).toEqual(
      [
        { name: "b.txt", isFile: true, isDirectory: false, isSymlink: ours ? false : null },
        { name: "dangling", isFile: false, isDirectory: false, isSymlink: true },
        { name: "link", isFile: !ours, isDirectory: false, isSymlink: ours ? true : null },
        { name: "sp ace %é", isFile: true, isDirectory: false, isSymlink: ours ? false : null },
        { name: "sub", isFile: false, isDirectory: true, isSymlink: ours ? false : null },
      ].filter(({ name }) => ours || name !== "dangling"),
    );
    expect(await fs().realPath(at("d/../d/link"))).toBe(at("d/b.txt"));
    expect([await fs().exists(at("d")), await fs().exists(at("d/dangling"))]).toEqual([true, false]);
  });

  verifies("files: a tree is walked level by level in the order of the bytes, links aside", async () => {
    for (const name of ["w/b/deep", "w/.hidden", "w/a"]) mkdirSync(at(name), { recursive: true });
    for (const name of ["w/z", "w/b/x", "w/b/deep/y", "w/.hidden/h"]) writeFileSync(at(name), "");
    symlinkSync("..", at("w/b/up"));
    symlinkSync("z", at("w/link"));
    const walk = async (options = {}): Promise<string[]> => {
      const found: string[] = [];
      for await (const { path, kind: what } of fs().walk(at("w"), options)) {
        found.push(`${path.slice(at("w").length + 1)}${what === "directory" ? "/" : ""}`);
      }
      return found;
    };
    expect(await walk()).toEqual([".hidden/", "a/", "b/", "z", ".hidden/h", "b/deep/", "b/x", "b/deep/y"]);
    expect(await walk({ maxDepth: 0 })).toEqual([".hidden/", "a/", "b/", "z"]);
    expect(await walk({ enterHidden: false, maxDepth: 1 })).toEqual([
      ".hidden/",
      "a/",
      "b/",
      "z",
      "b/deep/",
      "b/x",
    ]);
    expect((await failure(walk().then(() => fs().walk(at("nope")).next()))).code).toBe("ENOENT");
  });

  verifies("files: directories, copies and removals", async () => {
    await fs().mkdir(at("m"));
    expect((await failure(fs().mkdir(at("m")))).code).toBe("EEXIST");
    await fs().mkdir(at("m/n/o"), { recursive: true });
    await fs().mkdir(at("m/n/o"), { recursive: true });
    writeFileSync(at("m/n/f"), "text");
    chmodSync(at("m/n/f"), 0o751);
    await fs().copy(at("m/n/f"), at("m/g"));
    expect(lstatSync(at("m/g")).mode & 0o777).toBe(0o751);
    expect((await failure(fs().copy(at("m"), at("m2")))).code).toBe("ERR_FS_REFUSED");
    await fs().copy(at("m"), at("m2"), { recursive: true });
    expect(readFileSync(at("m2/n/f"), "utf8")).toBe("text");
    expect((await failure(fs().remove(at("m2")))).code).toBe("ENOTEMPTY");
    expect((await failure(fs().remove(at("m3")))).code).toBe("ENOENT");
    await fs().remove(at("m3"), { force: true });
    symlinkSync("m", at("to-m"));
    await fs().remove(at("to-m"), { recursive: true });
    await fs().remove(at("m2"), { recursive: true });
    expect([existsSync(at("m")), existsSync(at("m2")), existsSync(at("to-m"))]).toEqual([true, false, false]);
  });

  verifies("files: an error has the system's name, the path and what was done", async () => {
    writeFileSync(at("plain"), "");
    symlinkSync("loop", at("loop"));
    const cases: [() => Promise<unknown>, string, string][] = [
      [() => fs().readFile(at("missing")), "ENOENT", at("missing")],
      [() => fs().readFile(at("plain/x")), "ENOTDIR", at("plain/x")],
      [() => fs().writeFile(folder(), "x"), "EISDIR", folder()],
      [() => fs().stat(at("loop")), "ELOOP", at("loop")],
      [() => fs().stat(at("x".repeat(300))), "ENAMETOOLONG", at("x".repeat(300))],
      [() => fs().writeFile(at("missing/x"), "x"), "ENOENT", at("missing/x")],
      [() => fs().list(at("plain")), "ENOTDIR", at("plain")],
    ];
    for (const [call, code, path] of cases) {
      const error = await failure(call());
      expect(error).toBeInstanceOf(FsError);
      expect(error).toMatchObject({ code, path });
      expect(error.message).toContain(`"${path}"`);
    }
  });

  verifies("files: a name that is not UTF-8 is that name where paths are URIs", async () => {
    const raw = Buffer.concat([Buffer.from(`${folder()}/na`), Buffer.from([0xff, 0xe9])]);
    const path = at("na\udcff\udce9");
    if (kind === "0.138.0") {
      expect((await failure(fs().writeFile(path, "x"))).code).toBe("ERR_FS_PATH");
      return;
    }
    await fs().writeFile(path, "raw");
    expect(readFileSync(raw, "utf8")).toBe("raw");
    expect(await fs().readTextFile(path)).toBe("raw");
    // The real one looks for its files by what it shows of their names.
    if (ours) {
      const found: string[] = [];
      for await (const entry of fs().walk(folder(), { maxDepth: 0 })) found.push(entry.name);
      expect(found).toContain("na\udcff\udce9");
      expect((await fs().list(folder())).map(({ name }) => name)).toContain("na\udcff\udce9");
    }
    await fs().remove(path);
    expect(existsSync(raw)).toBe(false);
  });

  verifies("files: what a server cannot do is said so, and what it can is done", async () => {
    writeFileSync(at("e"), "text");
    const calls: [string, () => Promise<unknown>][] = [
      ["rename", () => fs().rename(at("e"), at("e2"))],
      ["link", () => fs().symlink("e2", at("e3"))],
      ["chmod", () => fs().chmod(at("e2"), 0o4750)],
      ["utime", () => fs().utime(at("e2"), new Date(1000), new Date(2_000_000))],
    ];
    if (!ours) {
      for (const [, call] of calls) expect((await failure(call())).code).toBe("ERR_UNSUPPORTED");
      expect((await failure(fs().hash(at("e")))).code).toBe("ERR_UNSUPPORTED");
      return;
    }
    for (const [, call] of calls) await call();
    expect(readlinkSync(at("e3"))).toBe("e2");
    expect(await fs().readLink(at("e3"))).toBe("e2");
    expect(lstatSync(at("e2"))).toMatchObject({ mode: 0o104750, mtimeMs: 2_000_000, atimeMs: 1000 });
    expect(await fs().hash(at("e2"))).toEqual({ sha256: digest(Buffer.from("text")), length: 4, size: 4 });
    expect((await fs().hash(at("e2"), { offset: 1, length: 2 })).sha256).toBe(digest(Buffer.from("ex")));
    writeFileSync(at("e4"), "there");
    expect((await failure(fs().rename(at("e2"), at("e4"), { replace: false }))).code).toBe("EEXIST");
    const { ino } = lstatSync(at("e2"));
    await fs().writeFile(at("e2"), "whole", { atomic: true, fsync: true });
    expect(lstatSync(at("e2")).ino).not.toBe(ino);
    expect(readFileSync(at("e2"), "utf8")).toBe("whole");
    const writer = fs().writable(at("e2"), { keepBytes: 2 }).getWriter();
    await writer.write(Buffer.from("ale"));
    await writer.close();
    expect(readFileSync(at("e2"), "utf8")).toBe("whale");
  });

  verifies("files: changes are told as they happen, where the server can", async () => {
    await fs().mkdir(at("watched"));
    const watch = fs().watch(at("watched"), { recursive: true, delayMs: 10 });
    const first = watch.next();
    if (!ours) {
      expect((await failure(first)).code).toBe("ERR_UNSUPPORTED");
      return;
    }
    // The watch is there when the server has answered to what came after it.
    await fs().exists(at("watched"));
    const seen: string[] = [];
    const next = async (event: Awaited<typeof first>): Promise<void> => {
      const { kind, path } = event.value as { kind: string; path: string };
      seen.push(`${kind} ${path.slice(folder().length + 1)}`);
    };
    mkdirSync(at("watched/a b"));
    await next(await first);
    await fs().remove(at("watched/a b"));
    await next(await watch.next());
    expect(seen).toEqual(["created watched/a b", "removed watched/a b"]);
    await watch.return();
  });

  verifies("files: lines are found where they are, where the server can", async () => {
    await fs().mkdir(at("searched/deep"), { recursive: true });
    await fs().writeFile(at("searched/a.txt"), "one\nTwo needle\n");
    await fs().writeFile(at("searched/deep/b.txt"), "needle\nneedle\n");
    await fs().writeFile(at("searched/deep/c.md"), "needle\n");
    const search = async (query: string, options = {}): Promise<unknown[]> => {
      const found: unknown[] = [];
      const matches = fs().search(at("searched"), query, options);
      for (;;) {
        const { done, value } = await matches.next();
        if (done) return [...found.sort(), value.matches];
        found.push(`${value.path.slice(at("searched").length + 1)}:${value.line}:${value.text}`);
      }
    };
    if (!ours) {
      expect((await failure(search("needle"))).code).toBe("ERR_UNSUPPORTED");
      return;
    }
    expect(await search("t.o NEEDLE$", { caseSensitive: false })).toEqual(["a.txt:2:Two needle", 1]);
    expect(await search("needle", { include: ["*.txt"] })).toEqual([
      "a.txt:2:Two needle",
      "deep/b.txt:1:needle",
      "deep/b.txt:2:needle",
      3,
    ]);
    expect((await search("needle", { maxMatches: 2 })).length).toBe(3);
    expect((await failure(search("("))).code).toBe("ERR_FS_REFUSED");
  });

  verifies("files: an aborted stream ends at once and leaves what it has written", async () => {
    const controller = new AbortController();
    const stream = fs().readable(at("big"), { signal: controller.signal });
    writeFileSync(at("big"), noise(8 * MIB, 3));
    const reader = stream.getReader();
    await reader.read();
    controller.abort(new Error("enough"));
    const rest = (async () => {
      while (!(await reader.read()).done);
    })();
    expect((await failure(rest)).message).toBe("enough");
  });
}

suite("files", { transports: ["websocket"] }, (t) => {
  let environment: Environment;
  beforeAll(async () => {
    environment = configuredEnvironment(await currentRuntime(), {
      id: "there",
      initializeTimeoutMs: 10_000,
      transport: { kind: "websocket", url: t.listening.url, connectTimeoutMs: 10_000 },
    });
  });
  t.closing.push(() => environment.close());
  const kind: Kind = t.ours ? "ours" : t.id === "codex-0.138.0" ? "0.138.0" : "0.169.0";
  fileCases(
    kind,
    () => environment.fs,
    () => t.folder.work,
  );
});

suite("files over stdio", {
  transports: ["stdio"],
  servers: ({ id }) => id === "bun" || id.startsWith("codex"),
}, (t) => {
  verifies("files: what is written is read, byte for byte, in one piece and as streams", async () => {
    const [program, ...args] = t.server.command;
    await using environment = configuredEnvironment(await currentRuntime(), {
      id: "there",
      initializeTimeoutMs: 10_000,
      transport: {
        kind: "stdio",
        program: program!,
        args: [...args, "--listen", "stdio"],
        env: t.folder.env(),
        cwd: t.folder.work,
      },
    });
    const bytes = noise(3 * MIB + 1, 5);
    await environment.fs.writeFile(join(t.folder.work, "f"), bytes);
    expect(digest(await environment.fs.readFile(join(t.folder.work, "f")))).toBe(digest(bytes));
  });
});

let here: { folder: string; environment: Environment };
beforeAll(async () => {
  here = {
    folder: realpathSync(mkdtempSync(join(tmpdir(), "exec-server-files-"))),
    environment: localEnvironment(await currentRuntime()),
  };
});
afterAll(async () => {
  await here.environment.close();
  rmSync(here.folder, { recursive: true, force: true });
});
fileCases(
  "ours",
  () => here.environment.fs,
  () => here.folder,
);
