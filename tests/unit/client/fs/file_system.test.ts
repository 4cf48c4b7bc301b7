/** What file operations send to which server, and what their errors are. */

import { afterEach, describe, expect, test } from "bun:test";
import type { Client } from "../../../../lib/client/client.ts";
import { fsError } from "../../../../lib/client/fs/error.ts";
import type { WatchEvent } from "../../../../lib/client/fs/watch.ts";
import { RpcError } from "../../../../lib/protocol/errors.ts";
import { until, within } from "../../../support/deadline.ts";
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
    fs.watch("/a").next(),
    fs.search("/a", "x").next(),
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

test("what changes nothing is asked again after a break", async () => {
  const disk = new FakeDisk();
  disk.put("/a", "x");
  disk.cut = (_method, _params, count) => (count < 3 ? "after" : undefined);
  const { fs } = await open(disk);
  expect((await fs.hash("/a")).size).toBe(1);
  expect(disk.calls("fs/hash").length).toBe(3);
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

describe("watching", () => {
  async function begin(): Promise<{
    disk: FakeDisk;
    events: WatchEvent[];
    reading: Promise<void>;
    controller: AbortController;
    tell: (changes: unknown[], more?: object) => void;
  }> {
    const disk = new FakeDisk();
    disk.capabilities = { fsWatch: true };
    const { fs } = await open(disk);
    const events: WatchEvent[] = [];
    const controller = new AbortController();
    const { signal } = controller;
    const reading = (async () => {
      for await (const event of fs.watch("/d", { recursive: true, delayMs: 10, signal })) events.push(event);
    })();
    reading.catch(() => {});
    await until(5000, "watch", () => disk.calls("fs/watch").length === 1);
    const tell = (changes: unknown[], more: object = {}): void => {
      const { watchId } = disk.calls("fs/watch").at(-1)!;
      disk.peer.notify("fs/changed", { watchId, changes, ...more });
    };
    return { disk, events, reading, controller, tell };
  }

  test("gives changes in order, until what is watched is gone", async () => {
    const { disk, events, reading, tell } = await begin();
    expect(disk.calls("fs/watch")).toEqual([
      { watchId: expect.any(String), path: "file:///d", recursive: true, delayMs: 10 } as never,
    ]);
    disk.peer.notify("fs/changed", { watchId: "another", changes: [{ path: "file:///x", kind: "created" }] });
    tell([{ path: "file:///d/a%20b", kind: "created" }]);
    tell([{ path: "file:///d/a%FF", kind: "modified" }], { overflow: false });
    tell([{ path: "file:///d", kind: "removed" }], { ended: true });
    await within(5000, "end of the watch", reading);
    expect(events).toEqual([
      { kind: "created", path: "/d/a b" },
      { kind: "modified", path: "/d/a\udcff" },
      { kind: "removed", path: "/d" },
    ]);
  });

  test("asks afresh after a break, and says that changes may be missing", async () => {
    const { disk, events, tell, controller, reading } = await begin();
    tell([{ path: "file:///d/a", kind: "created" }]);
    await until(5000, "event", () => events.length === 1);
    disk.peer.close({ kind: "lost", message: "cut" });
    await until(5000, "second watch", () => disk.calls("fs/watch").length === 2);
    await until(5000, "overflow", () => events.length === 2);
    tell([{ path: "file:///d/b", kind: "created" }]);
    await until(5000, "event", () => events.length === 3);
    expect(events.map(({ kind }) => kind)).toEqual(["created", "overflow", "created"]);
    controller.abort(new Error("enough"));
    await expect(within(5000, "end of the watch", reading)).rejects.toThrow("enough");
    await until(5000, "unwatch", () => disk.calls("fs/unwatch").length === 1);
  });

  test("goes on when the connection breaks again while it asks afresh", async () => {
    const { disk, events, tell } = await begin();
    disk.cut = (method) =>
      method === "fs/watch" && disk.calls("fs/watch").length < 4 ? "before" : undefined;
    disk.peer.close({ kind: "lost", message: "cut" });
    await until(5000, "overflow", () => events.length === 1);
    expect(disk.calls("fs/watch").length).toBe(4);
    tell([{ path: "file:///d/b", kind: "created" }]);
    await until(5000, "event", () => events.length === 2);
    expect(events.map(({ kind }) => kind)).toEqual(["overflow", "created"]);
  });

  test("a signal ends it at every stage", async () => {
    const disk = new FakeDisk();
    disk.capabilities = { fsWatch: true };
    const { fs } = await open(disk);
    for (let turns = 0; turns < 40; turns++) {
      const controller = new AbortController();
      const next = fs.watch("/d", { signal: controller.signal }).next();
      for (let i = 0; i < turns; i++) await null;
      controller.abort(new Error("enough"));
      await expect(within(5000, "end of the watch", next)).rejects.toThrow("enough");
    }
    await fs.exists("/d");
    // Where the answer had not come, it may have begun.
    expect(disk.calls("fs/unwatch").length).toBeGreaterThanOrEqual(disk.calls("fs/watch").length);
  });

  test("what the server has missed is one overflow in place of all that waits", async () => {
    const { events, tell } = await begin();
    tell([{ path: "file:///d/a", kind: "created" }], { overflow: true });
    await until(5000, "overflow", () => events.length === 1);
    expect(events).toEqual([{ kind: "overflow", path: "/d" }]);
  });

  test("the end of the session is an error, not the end of the changes", async () => {
    const { reading } = await begin();
    await clients.at(-1)!.close();
    await expect(within(5000, "end of the watch", reading)).rejects.toMatchObject({
      code: "ERR_DISCONNECTED",
    });
  });
});
