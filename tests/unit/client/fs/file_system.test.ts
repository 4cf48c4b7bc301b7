/** What file operations send to which server, and what their errors are. */

import { afterEach, describe, expect, test } from "bun:test";
import type { Client } from "../../../../lib/client/client.ts";
import { fsError } from "../../../../lib/client/fs/error.ts";
import { RpcError } from "../../../../lib/protocol/errors.ts";
import { within } from "../../../support/deadline.ts";
import { FakeDisk } from "./fake_disk.ts";

const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await within(5000, "end of the client", client.close());
});

async function open(disk: FakeDisk): Promise<Client> {
  const client = await disk.client();
  clients.push(client);
  return client;
}

function old(): FakeDisk {
  const disk = new FakeDisk();
  disk.version = undefined;
  return disk;
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await within(
    5000,
    "rejection",
    promise.then(
      () => expect.unreachable(),
      (error) => error.code,
    ),
  );
}

describe("errors have the system's name", () => {
  const cases: [what: string, error: RpcError, code: string][] = [
    ["from the data", new RpcError(-32603, "Odd words", { errno: "ENOTEMPTY", path: "/x" }), "ENOTEMPTY"],
    ["from the number in the text", new RpcError(-32603, "Symbolic link loop (os error 40)"), "ELOOP"],
    ["from the code", new RpcError(-32004, "gone"), "ENOENT"],
    ["not a file", new RpcError(-32600, "path `/p` is not a file"), "ERR_FS_REFUSED"],
    ["wrong parameters", new RpcError(-32602, "invalid URI"), "ERR_FS_REFUSED"],
    ["an unknown number", new RpcError(-32603, "What (os error 9999)"), "E9999"],
    ["data that is something else", new RpcError(-32603, "x", { errno: 2 }), "ERR_FS_FAILED"],
  ];
  test.each(cases)("%s", (_what, cause, code) => {
    const error = fsError(cause, { path: "/x", operation: "fs/readFile" });
    expect(error.code as string).toBe(code);
    expect(error.message).toBe(`Cannot read "/x": ${cause.message}`);
    expect(error.cause).toBe(cause);
  });

  test("both paths are told where there are two", () => {
    const error = fsError(new RpcError(-32603, "File exists (os error 17)"), {
      path: "/a",
      destination: "/b",
      operation: "fs/rename",
    });
    expect(error.message).toBe('Cannot rename "/a" to "/b": File exists (os error 17)');
    expect([error.code as string, error.path, error.destination]).toEqual(["EEXIST", "/a", "/b"]);
  });
});

describe("a server without open files", () => {
  test("gives files and takes them as a whole, by native paths", async () => {
    const disk = old();
    const { fs } = await open(disk);
    await fs.writeFile("/a b", "text");
    expect(await fs.readTextFile("/a b")).toBe("text");
    expect(await fs.stat("/a b")).toMatchObject({ isFile: true, size: null, mode: null });
    expect(await fs.readFile("/a b", { offset: 1, length: 2 })).toEqual(new Uint8Array(Buffer.from("ex")));
    const big = Buffer.alloc(3_000_000, "x");
    const stream = new Blob([big]).stream();
    await stream.pipeTo(fs.writable("/big"));
    expect(disk.get("/big")!.equals(big)).toBe(true);
    let size = 0;
    for await (const bytes of fs.readable("/big")) size += bytes.length;
    expect(size).toBe(3_000_000);
    expect(new Set(disk.requests.map(({ method }) => method))).toEqual(
      new Set(["fs/writeFile", "fs/readFile", "fs/getMetadata"]),
    );
  });

  test("is not sent what it cannot take", async () => {
    const disk = old();
    const { fs } = await open(disk);
    const writer = fs.writable("/big").getWriter();
    const block = new Uint8Array(16 * 1024 * 1024);
    await writer.write(block);
    await writer.write(block);
    expect(await codeOf(writer.write(block))).toBe("ERR_UNSUPPORTED");
    expect(disk.requests).toEqual([]);
  });
});

test("what a server does not advertise is not asked of it", async () => {
  const disk = new FakeDisk();
  disk.capabilities = {};
  const { fs } = await open(disk);
  const calls: Promise<unknown>[] = [
    fs.rename("/a", "/b"),
    fs.chmod("/a", 0o644),
    fs.utime("/a", null, new Date(0)),
    fs.symlink("a", "/b"),
    fs.readLink("/a"),
    fs.hash("/a"),
    fs.writeFile("/a", "x", { atomic: true }),
    fs.writeFile("/a", "x", { fsync: true }),
  ];
  expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "ERR_UNSUPPORTED"));
  expect(disk.requests).toEqual([]);
});

test("a method that the server does not know is unsupported, not a failure of the file", async () => {
  const disk = new FakeDisk();
  const { fs } = await open(disk);
  expect(await codeOf(fs.realPath("/a"))).toBe("ERR_UNSUPPORTED");
});

test("a path that cannot be sent is told, and nothing is sent", async () => {
  const disk = new FakeDisk();
  const { fs } = await open(disk);
  for (const path of ["a/b", "", "/a\0b"]) expect(await codeOf(fs.readFile(path))).toBe("ERR_FS_PATH");
  expect(disk.requests).toEqual([]);
});

test("text that is not UTF-8 is an error, and a byte order mark is kept", async () => {
  const disk = new FakeDisk();
  disk.put("/latin1", Buffer.from([0x61, 0xe9]));
  disk.put("/mark", "\ufeffa");
  const { fs } = await open(disk);
  expect(await codeOf(fs.readTextFile("/latin1"))).toBe("ERR_FS_NOT_TEXT");
  expect(await fs.readTextFile("/mark")).toBe("\ufeffa");
});

test("exists is false for what is missing only", async () => {
  const disk = new FakeDisk();
  disk.put("/a", "");
  const { fs } = await open(disk);
  expect([await fs.exists("/a"), await fs.exists("/b")]).toEqual([true, false]);
  disk.cut = () => "before";
  expect(await codeOf(fs.exists("/a"))).toBe("ERR_DISCONNECTED");
});

test("writes that break are not sent again", async () => {
  const disk = new FakeDisk();
  disk.cut = (method) => (method === "fs/writeFile" ? "after" : undefined);
  const { fs } = await open(disk);
  expect(await codeOf(fs.writeFile("/a", "x"))).toBe("ERR_DISCONNECTED");
  expect(disk.calls("fs/writeFile").length).toBe(1);
});

test("a stream that fails on its way leaves the error to its writer and closes the file", async () => {
  const disk = new FakeDisk();
  const { fs } = await open(disk);
  const broken = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(10)),
    pull: () => {
      throw new Error("source broke");
    },
  });
  await expect(fs.writeFile("/a", broken)).rejects.toThrow("source broke");
  await fs.exists("/a");
  expect(disk.calls("fs/close").length).toBe(1);
});
