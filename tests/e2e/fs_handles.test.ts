/** Files block by block: `fs/open`, `readBlock`, `writeBlock`, `close`. */

import { expect } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { until } from "../support/deadline.ts";
import { base64, FileClient, folderOfAll } from "../support/fs_client.ts";
import { suite, verifies } from "../support/harness.ts";
import { descriptorsOf } from "../support/proc.ts";

const MIB = 1024 * 1024;
const recent = (server: { id: string }): boolean => server.id !== "codex-0.138.0";

suite("fs handles", { servers: recent, transports: ["websocket"] }, (t) => {
  const fresh = async (): Promise<FileClient> => new FileClient(t, await t.fresh());

  verifies("fs/open: an id of the client, for a regular file", async () => {
    const path = folderOfAll(t);
    const fs = await fresh();
    const open = (name: string, more: object = {}): Promise<unknown> =>
      fs.outcome("open", { handleId: "h", path: name.startsWith("/") ? name : path(name), ...more });
    const replace = { mode: "replace" };
    expect(await open("d")).toBe(`-32600 path \`${path("d")}\` is not a file`);
    expect(await open("fifo")).toBe(`-32600 path \`${path("fifo")}\` is not a file`);
    expect(await open("/dev/null")).toBe("-32600 path `/dev/null` is not a file");
    expect(await open("no")).toBe("-32004 os 2");
    expect(await open("d", replace)).toBe("-32603 os 21");
    expect(await open("fifo", replace)).toBe("-32603 os 6");
    expect(await open("/dev/null", replace)).toBe("-32600 path `/dev/null` is not a file");
    expect(await open("no/x", replace)).toBe("-32004 os 2");
    expect(await open("f", { mode: "append" })).toStartWith("-32602 ");
    expect(await open("f", { mode: null })).toStartWith("-32602 ");
    expect(await open("f", { handleId: "é".repeat(16) })).toMatchObject({ handleId: "é".repeat(16) });
    expect(await open("f", { handleId: "é".repeat(17) })).toBe(
      "-32600 file handle ID must not exceed 32 bytes",
    );
    expect(await open("f", { handleId: "" })).toMatchObject({ handleId: "" });
    expect(await open("f")).toMatchObject({ handleId: "h" });
    expect(await open("f")).toBe("-32600 file handle `h` already exists");
    expect(await fs.outcome("close", { handleId: "h" })).toEqual({});
    expect(await fs.outcome("close", { handleId: "h" })).toEqual({});
    expect(await open("lf")).toMatchObject({ handleId: "h" });
  });

  verifies("fs/open: at most 128 handles of a connection", async () => {
    const path = folderOfAll(t);
    const fs = await fresh();
    for (let i = 0; i < 128; i++) await fs.call("open", { handleId: `h${i}`, path: path("f") });
    const more = { handleId: "more", path: path("f") };
    expect(await fs.outcome("open", more)).toBe("-32600 at most 128 file handles may be open per connection");
    await fs.call("close", { handleId: "h5" });
    expect(await fs.outcome("open", more)).toMatchObject({ handleId: "more" });
    expect(await (await fresh()).outcome("readBlock", { handleId: "h1", offset: 0, len: 1 })).toBe(
      "-32004 unknown file handle `h1`",
    );
  });

  verifies("fs/readBlock: up to 1 MiB from anywhere", async () => {
    const path = folderOfAll(t);
    const fs = await fresh();
    await fs.call("open", { handleId: "h", path: path("f") });
    const read = (offset: unknown, len: unknown): Promise<unknown> =>
      fs.outcome("readBlock", { handleId: "h", offset, len });
    expect(await read(0, 5)).toEqual({ chunk: base64("hello"), eof: false });
    expect(await read(1, 5)).toEqual({ chunk: base64("ello"), eof: true });
    expect(await read(5, 1)).toEqual({ chunk: "", eof: true });
    expect(await read(2 ** 40, 1)).toEqual({ chunk: "", eof: true });
    const length = "-32600 file read block length must be between 1 and 1048576";
    expect(await read(0, 0)).toBe(length);
    expect(await read(0, MIB + 1)).toBe(length);
    expect(await read(-1, 1)).toStartWith("-32602 ");
    expect(await read(0.5, 1)).toStartWith("-32602 ");
    unlinkSync(path("f"));
    expect(await read(0, 1)).toEqual({ chunk: base64("h"), eof: false });
    const write = { handleId: "h", offset: 0, chunk: base64("x") };
    expect(await fs.outcome("writeBlock", write)).toBe("-32603 os 9");
    expect(await fs.outcome("readBlock", { handleId: "none", offset: 0, len: 1 })).toBe(
      "-32004 unknown file handle `none`",
    );
  });

  verifies("fs/readBlock: offsets have 64 bits", async () => {
    const path = folderOfAll(t);
    const fs = await fresh();
    const read = async (offset: string): Promise<unknown> => {
      const handleId = `h${offset}`.slice(-32);
      await fs.call("open", { handleId, path: path("f") });
      const id = JSON.stringify(handleId);
      fs.client.send(
        `{"id":${id},"method":"fs/readBlock","params":{"handleId":${id},"offset":${offset},"len":1}}`,
      );
      const { result, error } = await fs.client.answer(handleId);
      return result ?? error.code;
    };
    expect(await read("9223372036854775806")).toEqual({ chunk: "", eof: true });
    expect(await read("9223372036854775807")).toBe(-32600);
    expect(await read("18446744073709551615")).toBe(-32600);
    expect(await read("18446744073709551616")).toBe(-32602);
  });

  verifies("fs/writeBlock: writes anywhere, and may leave holes", async () => {
    const path = folderOfAll(t);
    const fs = await fresh();
    const before = statSync(path("f"));
    await fs.call("open", { handleId: "h", path: path("f"), mode: "replace" });
    expect(statSync(path("f"))).toMatchObject({ size: 0, ino: before.ino, mode: before.mode });
    const write = (offset: unknown, chunk: unknown): Promise<unknown> =>
      fs.outcome("writeBlock", { handleId: "h", offset, chunk });
    expect(await write(3, base64("def"))).toEqual({});
    expect(await write(0, base64("ab"))).toEqual({});
    expect(readFileSync(path("f"), "utf8")).toBe("ab\0def");
    const length = "-32600 file write block length must be between 1 and 1048576";
    expect(await write(0, "")).toBe(length);
    expect(await write(0, "A".repeat(4 * 349_526))).toBe(length);
    expect(await write(0, "YQ")).toBe("-32602 Invalid padding");
    await fs.call("open", { handleId: "far", path: path("far"), mode: "replace" });
    const far = { handleId: "far", offset: 2 ** 62, chunk: base64("x") };
    expect(await fs.outcome("writeBlock", far)).toBe("-32603 os 27");
    expect(await fs.outcome("writeBlock", { ...far, offset: 0 })).toEqual({});
    expect(await fs.outcome("readBlock", { handleId: "h", offset: 0, len: 1 })).toBe("-32603 os 9");
    t.same("fs: after a failed read", await write(0, base64("AB")), {});
    await fs.call("open", { handleId: "new", path: path("new"), mode: "replace" });
    expect(statSync(path("new")).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  verifies("fs/writeBlock: a range beyond 64 signed bits is refused", async () => {
    const path = folderOfAll(t);
    const fs = await fresh();
    await fs.call("open", { handleId: "h", path: path("f"), mode: "replace" });
    fs.client.send(
      '{"id":"w","method":"fs/writeBlock","params":{"handleId":"h","offset":9223372036854775807,"chunk":"YQ=="}}',
    );
    expect((await fs.client.answer("w")).error.message).toBe(
      "file write range exceeds the signed 64-bit file offset limit",
    );
  });

  verifies("fs: 24 MB go up and down in blocks that are sent without waiting", async () => {
    const path = folderOfAll(t);
    const fs = await fresh();
    const bytes = randomBytes(24 * MIB + 5);
    await fs.call("open", { handleId: "up", path: path("up"), mode: "replace" });
    const blocks = Array.from({ length: 25 }, (_, i) => i * MIB);
    const sent = blocks.map((offset) =>
      fs.client.post("fs/writeBlock", {
        handleId: "up",
        offset,
        chunk: bytes.subarray(offset, offset + MIB).toString("base64"),
      }),
    );
    for (const id of sent) expect((await fs.client.answer(id, 20_000)).result).toEqual({});
    await fs.call("close", { handleId: "up" });
    expect(readFileSync(path("up")).equals(bytes)).toBe(true);
    await fs.call("open", { handleId: "down", path: path("up") });
    const asked = blocks.map((offset) =>
      fs.client.post("fs/readBlock", { handleId: "down", offset, len: MIB }),
    );
    const hash = createHash("sha256");
    for (const [i, id] of asked.entries()) {
      const { chunk, eof } = (await fs.client.answer(id, 20_000)).result;
      hash.update(Buffer.from(chunk, "base64"));
      expect(eof).toBe(i === 24);
    }
    expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  verifies("fs: handles end with their connection", async () => {
    const path = folderOfAll(t);
    mkdirSync(path("held"));
    writeFileSync(path("held/x"), "");
    const first = await fresh();
    await first.call("open", { handleId: "h", path: path("held/x") });
    const held = (): number => descriptorsOf(t.pid).filter((name) => name === path("held/x")).length;
    expect(held()).toBe(1);
    await first.client.close();
    await until(3000, "end of the handle", () => held() === 0);
    const second = new FileClient(t, await t.fresh({ resume: first.client.sessionId }));
    expect(await second.outcome("readBlock", { handleId: "h", offset: 0, len: 1 })).toBe(
      "-32004 unknown file handle `h`",
    );
  });
});
