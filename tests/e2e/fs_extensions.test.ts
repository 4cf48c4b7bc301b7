/** What our server does with files beyond the peer. */

import { expect } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { base64, FileClient, folderOfAll } from "../support/fs_client.ts";
import { ours, suite, verifies } from "../support/harness.ts";
import type { Json } from "../support/raw_client.ts";

const MIB = 1024 * 1024;

suite("fs extensions", { servers: ours }, (t) => {
  const files = async (): Promise<FileClient> => new FileClient(t, await t.client());

  verifies("fs: what is ours is advertised, raw bytes only where they can be sent", async () => {
    const { capabilities } = (await t.client()).info;
    expect(capabilities).toMatchObject({
      fileWriteStreaming: true,
      fsRename: true,
      fsChmod: true,
      fsSymlink: true,
      fsHash: true,
      fsResume: true,
      fsAtomicWrite: true,
      fsListLinks: true,
    });
    expect(capabilities.fsRawBytes).toBe(t.transport === "websocket" ? true : undefined);
  });

  verifies("fs/rename: with or without replacing", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const rename = (from: string, to: string, more: object = {}): Promise<unknown> =>
      fs.outcome("rename", { sourcePath: path(from), destinationPath: path(to), ...more });
    writeFileSync(path("g"), "g");
    expect(await rename("f", "g", { replace: false })).toBe("-32603 os 17");
    expect(await rename("f", "h", { replace: false })).toEqual({});
    expect(await rename("h", "g")).toEqual({});
    expect(readFileSync(path("g"), "utf8")).toBe("hello");
    expect(await rename("d", "e")).toEqual({});
    expect(await rename("e", "e/in")).toBe("-32600 os 22");
    expect(await rename("lf", "lg")).toEqual({});
    expect(lstatSync(path("lg")).isSymbolicLink()).toBe(true);
    expect(await rename("no", "x")).toBe("-32004 os 2");
  });

  verifies("fs/chmod and fs/setTimes", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const ask = (method: string, params: object): Promise<unknown> => fs.outcome(method, { ...params });
    expect(await ask("chmod", { path: path("lf"), mode: 0o4711 })).toEqual({});
    expect(statSync(path("f")).mode & 0o7777).toBe(0o4711);
    expect(await ask("chmod", { path: path("lf"), mode: 0o600, followSymlinks: false })).toBe(
      "-32600 path contains a symbolic link",
    );
    expect(await ask("chmod", { path: path("f"), mode: 0o10000 })).toBe(
      "-32600 mode is 4096: expected permission bits, 0 to 4095",
    );
    expect(await ask("chmod", { path: path("no"), mode: 0o600 })).toBe("-32004 os 2");
    const { atimeMs } = statSync(path("f"));
    expect(await ask("setTimes", { path: path("f"), modifiedAtMs: 1_234_567_890_123.5 })).toEqual({});
    expect(statSync(path("f")).mtimeMs).toBeCloseTo(1_234_567_890_123.5, 1);
    expect(statSync(path("f")).atimeMs).toBe(atimeMs);
    expect(await ask("setTimes", { path: path("f"), modifiedAtMs: -1000.5, accessedAtMs: 0 })).toEqual({});
    expect([statSync(path("f")).mtimeMs, statSync(path("f")).atimeMs]).toEqual([-1000.5, 0]);
  });

  verifies("fs/symlink and fs/readLink", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    expect(await fs.outcome("symlink", { path: path("new"), target: "../any where" })).toEqual({});
    expect(readlinkSync(path("new"))).toBe("../any where");
    expect(await fs.outcome("readLink", { path: path("new") })).toEqual({ target: "../any where" });
    expect(await fs.outcome("symlink", { path: path("new"), target: "x" })).toBe("-32603 os 17");
    expect(await fs.outcome("symlink", { path: path("n2"), target: "a\0b" })).toStartWith("-32600 ");
    expect(await fs.outcome("symlink", { path: path("n2"), target: "" })).toBe("-32004 os 2");
    expect(await fs.outcome("readLink", { path: path("f") })).toBe("-32600 os 22");
  });

  verifies("fs/readDirectory: listLinks tells what entries are themselves", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const { entries } = await fs.call("readDirectory", { path: path(), listLinks: true });
    expect(entries).toEqual([
      { fileName: "d", isDirectory: true, isFile: false },
      { fileName: "dangling", isDirectory: false, isFile: false, isSymlink: true },
      { fileName: "f", isDirectory: false, isFile: true },
      { fileName: "fifo", isDirectory: false, isFile: false },
      { fileName: "ld", isDirectory: false, isFile: false, isSymlink: true },
      { fileName: "lf", isDirectory: false, isFile: false, isSymlink: true },
      { fileName: "loop", isDirectory: false, isFile: false, isSymlink: true },
    ]);
  });

  verifies("fs/hash: of a file or a part of it", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const bytes = randomBytes(3 * MIB + 7);
    writeFileSync(path("large"), bytes);
    const sha256 = (part: Uint8Array): string => createHash("sha256").update(part).digest("hex");
    const size = bytes.length;
    const hash = (params: object): Promise<unknown> => fs.outcome("hash", { path: path("large"), ...params });
    expect(await hash({})).toEqual({ sha256: sha256(bytes), length: size, size });
    expect(await hash({ offset: 5, length: MIB })).toEqual({
      sha256: sha256(bytes.subarray(5, 5 + MIB)),
      length: MIB,
      size,
    });
    expect(await hash({ offset: size - 1, length: 10 })).toMatchObject({ length: 1 });
    expect(await hash({ offset: size + 1 })).toMatchObject({ sha256: sha256(Buffer.alloc(0)), length: 0 });
    expect(await hash({ path: path("d") })).toStartWith("-32600 ");
    expect(await hash({ path: path("no") })).toBe("-32004 os 2");
  });

  verifies("fs/writeFile: atomic replaces the file, fsync waits for the disk", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const before = statSync(path("f"));
    const params = { path: path("lf"), dataBase64: base64("other"), atomic: true, fsync: true };
    expect(await fs.outcome("writeFile", params)).toEqual({});
    const after = statSync(path("f"));
    expect(readFileSync(path("f"), "utf8")).toBe("other");
    expect([after.ino === before.ino, after.mode]).toEqual([false, before.mode]);
    expect(lstatSync(path("lf")).isSymbolicLink()).toBe(true);
    expect(await fs.outcome("writeFile", { ...params, path: path("new") })).toEqual({});
    expect(readdirSync(path()).toSorted()).toEqual(["d", "dangling", "f", "fifo", "ld", "lf", "loop", "new"]);
  });

  verifies("fs/writeFile: nobody sees half of a new file", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const bytes = randomBytes(8 * MIB);
    const id = fs.client.post("fs/writeFile", {
      path: path("appearing"),
      dataBase64: bytes.toString("base64"),
    });
    const sizes = new Set<number>();
    const answered = fs.client.answer(id, 20_000);
    let done = false;
    answered.then(() => (done = true));
    while (!done) {
      const { size } = statSync(path("appearing"), { throwIfNoEntry: false }) ?? {};
      if (size !== undefined) sizes.add(size);
      await new Promise(setImmediate);
    }
    expect((await answered).result).toEqual({});
    sizes.delete(bytes.length);
    expect([...sizes]).toEqual([]);
    expect(readFileSync(path("appearing")).equals(bytes)).toBe(true);
  });

  verifies("fs/open: resume goes on where a transfer was cut", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    writeFileSync(path("part"), "0123456789");
    const open = { handleId: "r", path: path("part"), mode: "resume" };
    expect(await fs.outcome("open", { ...open, keepBytes: 11 })).toBe(
      "-32600 keepBytes is 11, and the file has 10 bytes only",
    );
    expect(await fs.outcome("open", { ...open, keepBytes: 6 })).toEqual({ handleId: "r", size: 6 });
    expect(await fs.outcome("readBlock", { handleId: "r", offset: 0, len: 10 })).toEqual({
      chunk: base64("012345"),
      eof: true,
    });
    await fs.call("writeBlock", { handleId: "r", offset: 6, chunk: base64("abc") });
    expect(await fs.outcome("close", { handleId: "r", fsync: true })).toEqual({});
    expect(readFileSync(path("part"), "utf8")).toBe("012345abc");
    expect(await fs.outcome("open", open)).toEqual({ handleId: "r", size: 9 });
    await fs.call("close", { handleId: "r" });
    expect(await fs.outcome("open", { ...open, path: path("fresh") })).toEqual({ handleId: "r", size: 0 });
    await fs.call("close", { handleId: "r" });
    expect(await fs.outcome("open", { ...open, path: path("fifo") })).toStartWith("-32600 ");
  });

  verifies("fs: requests that are sent without waiting see each other's work in order", async () => {
    const path = folderOfAll(t);
    const { client } = await files();
    const bytes = randomBytes(4 * MIB).toString("base64");
    mkdirSync(path("o"));
    const ids = [
      client.post("fs/writeFile", { path: path("o/a"), dataBase64: bytes }),
      client.post("fs/copy", { sourcePath: path("o"), destinationPath: path("p"), recursive: true }),
      client.post("fs/writeFile", { path: path("o/a"), dataBase64: base64("small") }),
      client.post("fs/rename", { sourcePath: path("o/a"), destinationPath: path("o/b") }),
      client.post("fs/getMetadata", { path: path("o/b") }),
      client.post("fs/remove", { path: path("o") }),
      client.post("fs/getMetadata", { path: path("p/a") }),
    ];
    const answers: Json[] = [];
    for (const id of ids) answers.push(await client.answer(id, 20_000));
    expect(answers.map(({ error }) => error?.message)).toEqual(ids.map(() => undefined));
    expect(answers.map(({ result }) => result.size)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      5,
      undefined,
      4 * MIB,
    ]);
  });

  verifies("fs: a request under a sandbox that is none is carried out, any other refused", async () => {
    const path = folderOfAll(t);
    const fs = await files();
    const ask = (sandbox: unknown): Promise<unknown> => fs.outcome("readFile", { path: path("f"), sandbox });
    const read = { dataBase64: base64("hello") };
    expect(await ask(null)).toEqual(read);
    expect(await ask({ permissions: { type: "disabled" }, windowsSandboxLevel: "disabled" })).toEqual(read);
    expect(await ask({ permissions: { type: "external", network: "restricted" } })).toEqual(read);
    const unrestricted = { type: "managed", file_system: { type: "unrestricted" }, network: "restricted" };
    expect(await ask({ permissions: unrestricted })).toEqual(read);
  });

  verifies("fs: bytes go raw both ways, in binary messages", async () => {
    if (t.transport === "stdio") return;
    const path = folderOfAll(t);
    const socket = new WebSocket(t.listening.url);
    socket.binaryType = "arraybuffer";
    const answers = new Map<number, (answer: Json) => void>();
    socket.onmessage = ({ data }) => {
      const raw = typeof data === "string" ? undefined : Buffer.from(data as ArrayBuffer);
      const end = raw ? 5 + raw.readUInt32BE(1) : 0;
      const answer = JSON.parse(raw ? raw.toString("utf8", 5, end) : String(data));
      answers.get(answer.id)?.({ ...answer, bytes: raw?.subarray(end), first: raw?.[0] });
    };
    await new Promise((resolve) => (socket.onopen = resolve));
    let lastId = 0;
    const ask = (method: string, params: object, bytes?: Uint8Array, member?: string): Promise<Json> => {
      const id = ++lastId;
      const { promise, resolve } = Promise.withResolvers<Json>();
      answers.set(id, resolve);
      const head = Buffer.from(JSON.stringify({ id, method, params, ...(member ? { raw: member } : {}) }));
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(head.length, 1);
      socket.send(bytes ? Buffer.concat([prefix, head, bytes]) : head.toString());
      return promise;
    };
    await ask("initialize", { clientName: "raw" });
    socket.send('{"method":"initialized"}');
    const block = randomBytes(MIB);
    const small = Buffer.from([0, 1, 255]);
    await ask("fs/open", { handleId: "h", path: path("raw"), mode: "resume" });
    const wrote = await ask("fs/writeBlock", { handleId: "h", offset: 3 }, block, "chunk");
    expect(wrote.result).toEqual({});
    await ask("fs/writeBlock", { handleId: "h", offset: 0 }, small, "chunk");
    expect(readFileSync(path("raw")).equals(Buffer.concat([small, block]))).toBe(true);
    const read = { handleId: "h", offset: 3, len: MIB, raw: true };
    // Asked for without waiting, so that no answer can be written over by the next.
    const both = await Promise.all([ask("fs/readBlock", read), ask("fs/readBlock", { ...read, offset: 0 })]);
    for (const [i, answer] of both.entries()) {
      expect([answer.first, answer.raw, answer.result]).toEqual([0, "chunk", { eof: false }]);
      const expected = i === 0 ? block : Buffer.concat([small, block]).subarray(0, MIB);
      expect(answer.bytes.equals(expected)).toBe(true);
    }
    const whole = await ask("fs/readFile", { path: path("raw"), raw: true });
    expect(whole.bytes.length).toBe(MIB + 3);
    const large = Buffer.alloc(20 * MIB, block);
    expect((await ask("fs/writeFile", { path: path("large") }, large, "dataBase64")).result).toEqual({});
    expect((await ask("fs/readFile", { path: path("large"), raw: true })).bytes.equals(large)).toBe(true);
    const failed = await ask("fs/readBlock", { ...read, handleId: "none" });
    expect([failed.bytes, failed.error.code]).toEqual([undefined, -32004]);
    // What says not what its bytes are is malformed, and no more.
    const malformed = Promise.withResolvers<Json>();
    answers.set(-1, malformed.resolve);
    socket.send(Buffer.from([0, 0, 0, 0, 2, 123, 125]));
    expect((await malformed.promise).error.code).toBe(-32600);
    expect((await ask("environment/status", null as never)).result).toEqual({ status: "ready" });
    const closed = new Promise((resolve) => (socket.onclose = resolve));
    socket.close();
    await closed;
  });
});
