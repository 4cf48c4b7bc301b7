/** What is written reaches the child: every byte, without blocking anybody, and a failure is told. */

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert";
import type { Child, Runtime } from "../../../lib/runtime/runtime.ts";
import {
  type Case,
  dispose,
  encode,
  MIB,
  noise,
  openFds,
  output,
  readUntil,
  run,
  sha256,
  shell,
  terminal,
  within,
} from "./support.ts";

const allBytes = Uint8Array.from({ length: 256 }, (_, i) => i);

export const inputCases: Case[] = [
  { name: "input by pipe: 256 byte values", run: (runtime) => bytesIn(runtime, [allBytes], false) },
  { name: "input by pipe: 4 MB", run: (runtime) => bytesIn(runtime, [noise(4 * MIB)], false) },
  {
    name: "input by pipe: 2000 writes at once keep their order",
    run: (runtime) =>
      bytesIn(
        runtime,
        Array.from({ length: 2000 }, (_, i) => noise(1 + ((i * 37) % 500))),
        false,
      ),
  },
  { name: "input by terminal: 256 byte values", run: (runtime) => bytesIn(runtime, [allBytes], true) },
  { name: "input by terminal: 4 MB", run: (runtime) => bytesIn(runtime, [noise(4 * MIB)], true) },
  {
    name: "close(): the child sees the end once what is pending has been taken",
    run: async (runtime) => {
      const child = run(runtime, ["/usr/bin/wc", "-c"], { stdin: "pipe" });
      const written = child.stdin!.write(noise(3 * MIB));
      child.stdin!.close();
      child.stdin!.close();
      await rejects(child.stdin!.write(encode("too late")), Error);
      await within(written, "the write");
      strictEqual((await output(child)).text.trim(), String(3 * MIB));
    },
  },
  {
    name: "stdin without a pipe is /dev/null",
    run: async (runtime) => {
      const child = shell(runtime, "readlink /proc/self/fd/0; cat");
      strictEqual(child.stdin, null);
      strictEqual((await output(child)).text, "/dev/null\n");
    },
  },
  {
    name: "a child that does not read its pipe blocks nobody, and destroy() frees it",
    run: (runtime) => stuck(runtime, shell(runtime, "echo ready; exec sleep 1000", { stdin: "pipe" })),
  },
  {
    name: "a child that does not read its terminal blocks nobody, and destroy() frees it",
    run: (runtime) =>
      stuck(runtime, shell(runtime, "stty raw -echo; echo ready; exec sleep 1000", { terminal })),
  },
  {
    name: "write() rejects when the child has closed its stdin",
    run: async (runtime) => {
      const child = shell(runtime, "exec 0<&-; echo closed; exec sleep 1000", { stdin: "pipe" });
      await readUntil(child.stdout, "closed");
      await rejects(within(child.stdin!.write(encode("hello")), "the write"), { code: "EPIPE" });
      await rejects(within(child.stdin!.write(encode("again")), "the second write"), { code: "EPIPE" });
      strictEqual(child.stdin!.pendingBytes, 0);
      await dispose(child);
    },
  },
  {
    name: "a pending write() rejects when the child ends",
    run: async (runtime) => {
      const child = shell(runtime, "echo ready; exec sleep 1000", { stdin: "pipe" });
      await readUntil(child.stdout, "ready");
      const rejected = rejects(child.stdin!.write(noise(4 * MIB)), { code: "EPIPE" });
      child.signalGroup(9);
      await within(rejected, "the rejection");
      await dispose(child);
    },
  },
  {
    name: "write() to the terminal of a child that has ended rejects",
    run: async (runtime) => {
      const child = shell(runtime, "exit 0", { terminal });
      await within(child.exited, "the exit");
      // Linux still takes what fits the terminal's buffer.
      await rejects(within(child.stdin!.write(noise(MIB)), "the write"), { code: "EPIPE" });
      await dispose(child);
    },
  },
  {
    name: "closed with bytes pending, the descriptor is freed when the child ends",
    run: async (runtime) => {
      const child = shell(runtime, "echo ready; exec sleep 1000", { stdin: "pipe" });
      await readUntil(child.stdout, "ready");
      const rejected = rejects(child.stdin!.write(noise(4 * MIB)), Error);
      child.stdin!.close();
      strictEqual(child.stdin!.pendingBytes > 0, true);
      child.signalGroup(9);
      await within(rejected, "the rejection");
      await output(child);
    },
  },
];

async function bytesIn(runtime: Runtime, parts: Uint8Array[], byTerminal: boolean): Promise<void> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const script = `${byTerminal ? "stty raw -echo; " : ""}echo ready; head -c ${length} | sha256sum`;
  const child = shell(runtime, script, byTerminal ? { terminal } : { stdin: "pipe" });
  await readUntil(child.stdout, "ready");
  await within(Promise.all(parts.map((part) => child.stdin!.write(part))), "all writes");
  strictEqual(child.stdin!.pendingBytes, 0);
  const expected = sha256(Uint8Array.from(parts.flatMap((part) => [...part])));
  strictEqual((await output(child)).text.trim().split(" ")[0], expected);
}

async function stuck(runtime: Runtime, child: Child): Promise<void> {
  await readUntil(child.stdout, "ready");
  const settledWrites: string[] = [];
  const write = (bytes: Uint8Array, name: string): Promise<void> =>
    child.stdin!.write(bytes).then(
      () => void settledWrites.push(`${name} resolved`),
      () => void settledWrites.push(`${name} rejected`),
    );
  const first = write(noise(4 * MIB), "first");
  const pending = child.stdin!.pendingBytes;
  ok(pending > 3 * MIB && pending < 4 * MIB, `${pending} bytes are pending`);
  const second = write(encode("more"), "second");
  // The pipe has been made larger by now, and is filled up.
  const left = child.stdin!.pendingBytes;
  ok(left >= 3 * MIB && left <= pending + 4, `${left} bytes are pending behind the second`);
  strictEqual((await output(run(runtime, ["/bin/echo", "alive"]))).text, "alive\n");
  deepStrictEqual(settledWrites, []);
  const before = openFds().length;
  child.stdin!.destroy();
  child.stdin!.destroy();
  strictEqual(child.stdin!.pendingBytes, 0);
  await within(Promise.all([first, second]), "the writes");
  deepStrictEqual(settledWrites, ["first rejected", "second rejected"]);
  // The master of a terminal is the reader's, too.
  if (child.stderr) ok(openFds().length < before, "the descriptor is freed");
  await rejects(child.stdin!.write(encode("x")), Error);
  await dispose(child);
}
