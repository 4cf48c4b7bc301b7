/** Files as streams: what is open at the server is closed, whenever they are given up. */

import { afterEach, describe, expect, test } from "bun:test";
import type { Client } from "../../../../lib/client/client.ts";
import { until, within } from "../../../support/deadline.ts";
import { FakeDisk } from "./fake_disk.ts";

const WAIT_MS = 5000;
const MIB = 1024 * 1024;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await within(WAIT_MS, "end of the client", client.close());
});

async function open(disk: FakeDisk): Promise<Client> {
  const client = await disk.client();
  clients.push(client);
  return client;
}

/** All that was opened has been closed. */
async function allClosed(disk: FakeDisk): Promise<void> {
  const counts = (): number[] => [disk.calls("fs/open").length, disk.calls("fs/close").length];
  await until(WAIT_MS, "the end of all files", () => counts()[0] === counts()[1]);
}

describe("a stream that is read", () => {
  test("and cancelled while it is being opened has no file open", async () => {
    const disk = new FakeDisk();
    disk.put("/f", Buffer.alloc(3 * MIB));
    const { fs } = await open(disk);
    // At each stage: before the file is asked for, on its way, and after it.
    for (let turns = 0; turns < 60; turns++) {
      const reader = fs.readable("/f").getReader();
      const read = reader.read();
      for (let i = 0; i < turns; i++) await null;
      await reader.cancel();
      await within(WAIT_MS, "the read", read);
      await fs.stat("/f");
      await allClosed(disk);
    }
    expect(disk.calls("fs/open").length).toBeGreaterThan(0);
  });
});

describe("a stream that is written", () => {
  test.each<[string, (writer: WritableStreamDefaultWriter<Uint8Array>) => Promise<void>]>([
    ["and fails", (writer) => writer.write(new Uint8Array(10 * MIB))],
    ["and fails in its last block", (writer) => writer.close()],
  ])("%s has no file open", async (_, last) => {
    const disk = new FakeDisk();
    const { fs } = await open(disk);
    const controller = new AbortController();
    const writer = fs.writable("/g", { signal: controller.signal }).getWriter();
    writer.closed.catch(() => {});
    await writer.write(Buffer.from("x"));
    controller.abort(new Error("enough"));
    await expect(within(WAIT_MS, "rejection", last(writer))).rejects.toThrow("enough");
    expect(disk.calls("fs/open").length).toBe(1);
    await allClosed(disk);
  });
});

test.each([
  ["read", undefined],
  ["written", new Uint8Array(9 * MIB)],
] as const)("a file that is %s and given up while it is being opened is closed", async (_, bytes) => {
  const disk = new FakeDisk();
  disk.put("/f", Buffer.alloc(3 * MIB));
  const { fs } = await open(disk);
  for (let turns = 0; turns < 60; turns++) {
    const controller = new AbortController();
    const { signal } = controller;
    const done: Promise<unknown> = bytes
      ? fs.writeFile("/f", bytes, { signal })
      : fs.readFile("/f", { signal });
    const failure = within(WAIT_MS, "rejection", done).catch((error: Error) => error.message);
    for (let i = 0; i < turns; i++) await null;
    controller.abort(new Error("enough"));
    expect(await failure).toBe("enough");
    await fs.exists("/f");
    await allClosed(disk);
  }
  expect(disk.calls("fs/open").length).toBeGreaterThan(0);
});
