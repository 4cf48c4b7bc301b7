/** Files in blocks: many on their way, in order, and over breaks of the connection. */

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import type { Client } from "../../../../lib/client/client.ts";
import { BlockReader } from "../../../../lib/client/fs/block_reader.ts";
import { BlockWriter } from "../../../../lib/client/fs/block_writer.ts";
import { FsError } from "../../../../lib/client/fs/error.ts";
import { ExecServerError } from "../../../../lib/protocol/errors.ts";
import { within } from "../../../support/deadline.ts";
import { randomFrom } from "../../../support/random.ts";
import { FakeDisk } from "./fake_disk.ts";

// Connections that break at once are opened again with pauses.
setDefaultTimeout(30_000);

const MIB = 1024 * 1024;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await within(5000, "end of the client", client.close());
});

async function open(disk: FakeDisk): Promise<Client> {
  const client = await disk.client();
  clients.push(client);
  return client;
}

/** Bytes of which no two blocks are the same. */
function pattern(length: number, seed = 1): Buffer {
  const random = randomFrom(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1021) bytes[at] = Math.floor(random() * 256);
  return bytes;
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function readAll(reader: BlockReader): Promise<Buffer> {
  const blocks: Uint8Array[] = [];
  for (let block = await reader.next(); block; block = await reader.next()) blocks.push(block);
  return Buffer.concat(blocks);
}

async function failure(promise: Promise<unknown>): Promise<FsError | ExecServerError> {
  return await within(
    5000,
    "rejection",
    promise.then(
      () => expect.unreachable(),
      (error) => error,
    ),
  );
}

describe("reading in blocks", () => {
  test.each([0, 1, MIB - 1, MIB, MIB + 1, 12 * MIB + 5])(
    "gives all of %i bytes, and closes the file",
    async (size) => {
      const disk = new FakeDisk();
      disk.put("/f", pattern(size));
      const { fs } = await open(disk);
      const reader = (await fs.openReader("/f"))!;
      expect(digest(await readAll(reader))).toBe(digest(disk.get("/f")!));
      expect(await reader.next()).toBeNull();
      const blocks = disk.calls("fs/readBlock");
      expect(Math.max(...blocks.map(({ len }) => Number(len)))).toBe(MIB);
      // No more than one block beyond the end is asked for.
      expect(blocks.length).toBeLessThanOrEqual(Math.ceil(size / MIB) + 8);
      await fs.stat("/f");
      expect(disk.calls("fs/close").length).toBe(1);
    },
  );

  test("a part is that part", async () => {
    const disk = new FakeDisk();
    disk.put("/f", pattern(3 * MIB));
    const { fs } = await open(disk);
    const part = await fs.readFile("/f", { offset: MIB - 1, length: MIB + 2 });
    expect(Buffer.compare(part, disk.get("/f")!.subarray(MIB - 1, 2 * MIB + 1))).toBe(0);
    expect((await fs.readFile("/f", { offset: 3 * MIB })).length).toBe(0);
    expect((await fs.readFile("/f", { offset: 9 * MIB, length: 1 })).length).toBe(0);
    expect(() => fs.readable("/f", { offset: -1 })).toThrow('"offset" is -1');
    await expect(fs.readFile("/f", { length: 0.5 })).rejects.toThrow('"length" is 0.5');
  });

  test("at most eight blocks are ahead of a reader that takes none", async () => {
    const disk = new FakeDisk();
    disk.put("/f", pattern(40 * MIB));
    const { fs } = await open(disk);
    const stream = fs.readable("/f").getReader();
    await stream.read();
    await fs.stat("/f");
    expect(disk.calls("fs/readBlock").length).toBeLessThanOrEqual(9);
    await stream.cancel();
    await fs.stat("/f");
    expect(disk.calls("fs/close").length).toBe(1);
  });

  test("breaks of the connection lose nothing and repeat nothing", async () => {
    for (const seed of [1, 2, 3]) {
      const disk = new FakeDisk();
      disk.put("/f", pattern(20 * MIB, seed));
      const random = randomFrom(seed);
      disk.cut = (method) =>
        method === "fs/readBlock" && random() < 0.15 && disk.connections < 4
          ? random() < 0.5
            ? "before"
            : "after"
          : undefined;
      const { fs } = await open(disk);
      const reader = (await fs.openReader("/f"))!;
      expect(digest(await readAll(reader))).toBe(digest(disk.get("/f")!));
      expect(reader.cuts).toBeGreaterThan(0);
      expect(disk.connections).toBeGreaterThan(1);
    }
  });

  test("a file that is another one after a break is told, not mixed", async () => {
    for (const change of ["time", "bytes"]) {
      const disk = new FakeDisk();
      disk.put("/f", pattern(20 * MIB));
      disk.cut = (method, params) => {
        if (method !== "fs/readBlock" || Number(params.offset) !== 9 * MIB || disk.connections > 1)
          return undefined;
        if (change === "time") disk.put("/f", disk.get("/f")!, 3000);
        else disk.put("/f", pattern(20 * MIB, 7));
        return "before";
      };
      const { fs } = await open(disk);
      const error = await failure(readAll((await fs.openReader("/f"))!));
      expect(error).toBeInstanceOf(FsError);
      expect(error.code).toBe("ERR_FS_CHANGED");
    }
  });

  test("a connection that breaks again and again without a block between is given up", async () => {
    const disk = new FakeDisk();
    disk.put("/f", pattern(4 * MIB));
    disk.cut = (method) => (method === "fs/readBlock" ? "before" : undefined);
    const { fs } = await open(disk);
    const error = await failure(readAll((await fs.openReader("/f"))!));
    expect(error.code).toBe("ERR_DISCONNECTED");
  });

  test("a signal ends it", async () => {
    const disk = new FakeDisk();
    disk.put("/f", pattern(40 * MIB));
    const { fs } = await open(disk);
    const controller = new AbortController();
    const reader = (await fs.openReader("/f", { signal: controller.signal }))!;
    await reader.next();
    controller.abort(new Error("enough"));
    expect((await failure(readAll(reader))).message).toBe("enough");
  });
});

describe("writing in blocks", () => {
  test.each([0, 1, MIB, 9 * MIB + 3])("writes all of %i bytes in whole blocks", async (size) => {
    const disk = new FakeDisk();
    const bytes = pattern(size);
    const { fs } = await open(disk);
    const writer = (await fs.openWriter("/f"))!;
    for (let at = 0; at < size; at += 700_001) await writer.write(bytes.subarray(at, at + 700_001));
    await writer.close();
    expect(digest(disk.get("/f")!)).toBe(digest(bytes));
    expect(disk.calls("fs/writeBlock").length).toBe(Math.ceil(size / MIB));
    expect(disk.calls("fs/close").length).toBe(1);
  });

  test("the caller's bytes are its own again at once", async () => {
    const disk = new FakeDisk();
    const { fs } = await open(disk);
    const writer = (await fs.openWriter("/f"))!;
    const bytes = Buffer.alloc(MIB, "a");
    await writer.write(bytes);
    bytes.fill("b");
    await writer.write(bytes);
    bytes.fill("c");
    await writer.close();
    expect(disk.get("/f")!.equals(Buffer.concat([Buffer.alloc(MIB, "a"), Buffer.alloc(MIB, "b")]))).toBe(
      true,
    );
  });

  test("goes on behind the last good block after a break, whether the server had carried it out or not", async () => {
    for (const seed of [1, 2, 3]) {
      const disk = new FakeDisk();
      const bytes = pattern(14 * MIB + 17, seed);
      const random = randomFrom(seed);
      disk.cut = (method) =>
        ["fs/writeBlock", "fs/close", "fs/open", "fs/hash"].includes(method) &&
        random() < 0.15 &&
        disk.connections < 4
          ? random() < 0.5
            ? "before"
            : "after"
          : undefined;
      const { fs } = await open(disk);
      const writer = (await fs.openWriter("/f"))!;
      for (let at = 0; at < bytes.length; at += MIB / 2) await writer.write(bytes.subarray(at, at + MIB / 2));
      await writer.close();
      expect(digest(disk.get("/f")!)).toBe(digest(bytes));
      expect(writer.cuts).toBeGreaterThan(0);
      // What was answered is not written again: it is compared.
      for (const { keepBytes } of disk.calls("fs/open").filter(({ mode }) => mode === "resume")) {
        expect(Number(keepBytes)).toBeGreaterThan(0);
      }
    }
  });

  test("a file that is not what was written is told after a break", async () => {
    const disk = new FakeDisk();
    disk.cut = (method, params) => {
      if (method !== "fs/writeBlock" || Number(params.offset) !== 12 * MIB || disk.connections > 1)
        return undefined;
      disk.files.get("/f")!.bytes.fill(7);
      return "before";
    };
    const { fs } = await open(disk);
    const writer = (await fs.openWriter("/f"))!;
    const bytes = pattern(20 * MIB);
    const error = await failure(writer.write(bytes).then(() => writer.close()));
    expect(error.code).toBe("ERR_FS_CHANGED");
  });

  test("a server that cannot go on in the middle is not written to again", async () => {
    const disk = new FakeDisk();
    disk.capabilities = { fileWriteStreaming: true };
    disk.cut = (method, params) =>
      method === "fs/writeBlock" && Number(params.offset) === 10 * MIB ? "after" : undefined;
    const { fs } = await open(disk);
    const writer = (await fs.openWriter("/f"))!;
    const error = await failure(writer.write(pattern(20 * MIB)).then(() => writer.close()));
    expect(error).toBeInstanceOf(ExecServerError);
    expect(error.code).toBe("ERR_DISCONNECTED");
    expect(disk.calls("fs/open").length).toBe(1);
  });

  test("begins behind the bytes that are kept", async () => {
    const disk = new FakeDisk();
    disk.put("/f", "0123456789");
    const { fs } = await open(disk);
    const stream = fs.writable("/f", { keepBytes: 4 }).getWriter();
    await stream.write(Buffer.from("abc"));
    await stream.close();
    expect(disk.get("/f")!.toString()).toBe("0123abc");
    disk.capabilities = { fileWriteStreaming: true };
    const plain = await open(disk);
    const error = await failure(
      plain.fs.writable("/f", { keepBytes: 4 }).getWriter().write(Buffer.from("x")),
    );
    expect(error.code).toBe("ERR_UNSUPPORTED");
  });
});

test("both ends of a copy hold a bounded number of blocks", async () => {
  const disk = new FakeDisk();
  disk.put("/f", pattern(32 * MIB));
  const { fs } = await open(disk);
  let ahead = 0;
  let most = 0;
  disk.cut = (method) => {
    if (method === "fs/readBlock") most = Math.max(most, ++ahead);
    if (method === "fs/writeBlock") ahead--;
    return undefined;
  };
  await fs.readable("/f").pipeTo(fs.writable("/g"));
  expect(digest(disk.get("/g")!)).toBe(digest(disk.get("/f")!));
  expect(most).toBeLessThanOrEqual(20);
});

test("a reader and a writer can be made of any connection", () => {
  expect(new BlockReader(async () => expect.unreachable(), "/f").position).toBe(0);
  expect(new BlockWriter(async () => expect.unreachable(), "/f", { keepBytes: 5 }).written).toBe(5);
});
