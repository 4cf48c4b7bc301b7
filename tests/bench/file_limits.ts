/**
 * What a MiB on its way from a socket to a file costs a thread of Bun at least, in CPU: received, out of base64, into
 * the page cache. `node tools/run.mjs bun tests/bench/file_limits.ts [FOLDER]`
 */

import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseLongMessage } from "../../lib/jsonrpc/long_message.ts";
import { giveBack } from "../../lib/jsonrpc/reusable_memory.ts";
import { median } from "./statistics.ts";

const MIB = 1024 * 1024;
const COUNT = 256;
const ROUNDS = 5;

const [first = tmpdir(), port] = process.argv.slice(2);
if (first === "send") await send(Number(port));
else await measure(first);

async function measure(folder: string): Promise<void> {
  const work = mkdtempSync(join(folder, "exec-server-limits-"));
  const bytes = Buffer.alloc(MIB, "new bytes of it ");
  const text = `{"id":1,"method":"fs/writeBlock","params":{"chunk":"${bytes.toString("base64")}"}}`;
  const message = Buffer.from(text);
  try {
    await tell("received", receive);
    await tell("out of base64", () => {
      for (let i = 0; i < COUNT; i++) {
        const parsed = parseLongMessage(message) as unknown as { params: { chunk: Uint8Array } };
        giveBack(parsed.params.chunk);
      }
    });
    await tell("into the page cache", () => {
      const path = join(work, "file");
      const fd = openSync(path, "w");
      for (let i = 0; i < COUNT; i++) writeSync(fd, bytes, 0, MIB, i * MIB);
      closeSync(fd);
      rmSync(path);
    });
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function tell(what: string, work: () => void | Promise<void>): Promise<void> {
  const found: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    found.push((user + system) / 1000 / COUNT);
  }
  const all = found.map((ms) => ms.toFixed(3)).join(" ");
  console.log(`${what.padEnd(20)} ${median(found).toFixed(3)} ms of CPU for 1 MiB (${all})`);
}

/** What another process sends. */
async function receive(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = COUNT * MIB;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data: (_socket, bytes) => {
        left -= bytes.length;
        if (left === 0) resolve();
      },
    },
  });
  const sender = spawn(process.execPath, [import.meta.path, "send", String(server.port)], {
    stdio: "inherit",
  });
  await promise;
  server.stop(true);
  await new Promise((ended) => sender.once("exit", ended));
}

async function send(port: number): Promise<void> {
  const piece = Buffer.alloc(MIB);
  let left = COUNT * MIB;
  const write = (socket: { write(bytes: Uint8Array): number; end(): void }): void => {
    while (left > 0) {
      const wanted = Math.min(left, MIB);
      const count = socket.write(piece.subarray(0, wanted));
      left -= Math.max(0, count);
      if (count < wanted) return;
    }
    socket.end();
  };
  await Bun.connect({ hostname: "127.0.0.1", port, socket: { open: write, drain: write, data: () => {} } });
}
