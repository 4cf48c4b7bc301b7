/** What children write arrives: every byte, at the reader's pace, and whatever the others do. */

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Runtime, SpawnOptions } from "../../../lib/runtime/runtime.ts";
import {
  type Case,
  DEADLINE_MS,
  dispose,
  inFolder,
  ioOf,
  MIB,
  noise,
  openFds,
  output,
  readUntil,
  run,
  sameBytes,
  settled,
  shell,
  terminal,
  until,
  within,
} from "./support.ts";

const MAX_GAP_MS = 250;

export const outputCases: Case[] = [
  {
    name: "output by pipe: 1 MB with all 256 byte values arrives unchanged",
    run: (runtime) => bytesOut(runtime, 'cat "$1"', {}),
  },
  {
    name: "output by terminal: 1 MB with all 256 byte values arrives unchanged",
    run: (runtime) => bytesOut(runtime, 'stty raw -echo; cat "$1"', { terminal }),
  },
  {
    name: "output by pipe: invalid UTF-8 is not repaired",
    run: async (runtime) => {
      const { stdout } = await output(
        shell(runtime, "printf '\\377\\303\\050\\200\\355\\240\\200\\360\\050'"),
      );
      deepStrictEqual([...stdout], [0xff, 0xc3, 0x28, 0x80, 0xed, 0xa0, 0x80, 0xf0, 0x28]);
    },
  },
  { name: "output by pipe: 64 MiB in one burst", run: burst },
  {
    name: "output by pipe: arrays belong to the caller",
    run: async (runtime) => {
      const child = shell(runtime, "echo one; read x; echo two; read x", { stdin: "pipe" });
      const first = (await within(child.stdout.read(), "first"))!;
      await child.stdin!.write(new Uint8Array([10]));
      const second = (await within(child.stdout.read(), "second"))!;
      deepStrictEqual([...first], [...new TextEncoder().encode("one\n")]);
      deepStrictEqual([...second], [...new TextEncoder().encode("two\n")]);
      strictEqual(first.buffer.byteLength, 4, "a small read keeps a large buffer alive");
      await dispose(child);
    },
  },
  {
    name: "output by pipe: what is lent piece by piece is all there, and waits for its taker",
    run: async (runtime) => {
      const child = run(runtime, ["/usr/bin/head", "-c", String(MIB), "/dev/zero"]);
      // Only some sources lend.
      if (!child.stdout.lendAll) return dispose(child);
      let busy = 0;
      let most = 0;
      let received = 0;
      await within(
        child.stdout.lendAll((bytes) => {
          most = Math.max(most, ++busy);
          received += bytes.length;
          if (received % 3 === 0) return void busy--;
          return new Promise<void>((resolve) => setImmediate(() => resolve(void busy--)));
        }),
        "the end",
      );
      deepStrictEqual([received, most, busy], [MIB, 1, 0]);
      await child.exited;
      await dispose(child);
    },
  },
  { name: "output by pipe: stdout and stderr are apart", run: apart },
  {
    name: "output by pipe: /dev/stdout and /dev/stderr can be opened by the child",
    run: async (runtime) => {
      const result = await output(shell(runtime, "echo out > /dev/stdout; echo err > /dev/stderr"));
      deepStrictEqual([result.text, result.stderr, result.code], ["out\n", "err\n", 0]);
    },
  },
  { name: "output by pipe: nothing is lost in 100 fast exits", run: (runtime) => fastExits(runtime, {}) },
  {
    name: "output by terminal: nothing is lost in 100 fast exits",
    run: (runtime) => fastExits(runtime, { terminal }),
  },
  {
    name: "exit while a grandchild holds the pipe: exited settles, later output is kept",
    run: (runtime) => grandchild(runtime, {}),
  },
  {
    name: "exit while a grandchild holds the terminal: exited settles, later output is kept",
    run: (runtime) => grandchild(runtime, { terminal }),
  },
  {
    name: "cancel() while a grandchild holds the pipe frees the descriptor at once",
    run: (runtime) => cancelEarly(runtime, {}),
  },
  {
    name: "cancel() while a grandchild holds the terminal frees the descriptor at once",
    run: (runtime) => cancelEarly(runtime, { terminal }),
  },
  { name: "a child whose pipe is not read is held back", run: (runtime) => heldBack(runtime, {}) },
  {
    name: "a child whose terminal is not read is held back",
    run: (runtime) => heldBack(runtime, { terminal }),
  },
  { name: "timers go on while a child floods a pipe", run: (runtime) => timersGoOn(runtime, {}) },
  {
    name: "timers go on while a child floods a terminal",
    run: (runtime) => timersGoOn(runtime, { terminal }),
  },
];

function bytesOut(runtime: Runtime, script: string, more: Partial<SpawnOptions>): Promise<void> {
  return inFolder(async (folder) => {
    const expected = noise(MIB);
    const file = join(folder, "bytes");
    writeFileSync(file, expected);
    const { stdout, code } = await output(shell(runtime, script, more, file));
    strictEqual(code, 0);
    sameBytes(stdout, expected, script);
  });
}

function burst(runtime: Runtime): Promise<void> {
  return inFolder(async (folder) => {
    const part = noise(MIB);
    const file = join(folder, "bytes");
    writeFileSync(file, part);
    const expected = createHash("sha256");
    for (let i = 0; i < 64; i++) expected.update(part);
    const child = run(runtime, ["/bin/cat", ...Array<string>(64).fill(file)]);
    const actual = createHash("sha256");
    let length = 0;
    for (let bytes = await child.stdout.read(); bytes; bytes = await child.stdout.read()) {
      actual.update(bytes);
      length += bytes.length;
    }
    strictEqual(length, 64 * MIB);
    strictEqual(actual.digest("hex"), expected.digest("hex"));
    await output(child);
  });
}

async function apart(runtime: Runtime): Promise<void> {
  const child = shell(runtime, "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done");
  const { text, stderr } = await output(child);
  strictEqual(text, "o1\no2\no3\no4\no5\n");
  strictEqual(stderr, "e1\ne2\ne3\ne4\ne5\n");
}

async function fastExits(runtime: Runtime, more: Partial<SpawnOptions>): Promise<void> {
  let left = 100;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const { text, code } = await output(shell(runtime, "printf 'some output'; exit 3", more));
      deepStrictEqual([text, code], ["some output", 3]);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
}

/** A terminal's foreground group gets SIGHUP when the leader ends, which the grandchild must survive. */
const LEAVE_GRANDCHILD =
  "trap '' HUP; (while [ ! -e \"$1\" ]; do sleep 0.02; done; echo later) & echo first; exit 5";

function grandchild(runtime: Runtime, more: Partial<SpawnOptions>): Promise<void> {
  return inFolder(async (folder) => {
    const flag = join(folder, "go on");
    const child = shell(runtime, LEAVE_GRANDCHILD, more, flag);
    await readUntil(child.stdout, "first");
    deepStrictEqual(await within(child.exited, "the exit"), { code: 5, signal: null });
    ok(child.signalGroup(0), "the grandchild is in the group");
    writeFileSync(flag, "");
    await readUntil(child.stdout, "later");
    strictEqual(await within(child.stdout.read(), "the end"), null);
    await dispose(child);
  });
}

function cancelEarly(runtime: Runtime, more: Partial<SpawnOptions>): Promise<void> {
  return inFolder(async (folder) => {
    const before = openFds();
    const child = shell(runtime, LEAVE_GRANDCHILD, more, join(folder, "never"));
    await readUntil(child.stdout, "first");
    await within(child.exited, "the exit");
    const pending = child.stdout.read();
    // Long enough for the read to be waiting for more.
    await new Promise((resolve) => setTimeout(resolve, 20));
    child.stdout.cancel();
    child.stderr?.cancel();
    child.stdin?.destroy();
    deepStrictEqual(openFds(), before, "descriptors after cancel()");
    strictEqual(await within(pending, "the pending read"), null);
    strictEqual(await within(child.stdout.read(), "a read after cancel()"), null);
    child.stdout.cancel();
    deepStrictEqual(openFds(), before, "descriptors after a second cancel()");
    await dispose(child);
  });
}

async function heldBack(runtime: Runtime, more: Partial<SpawnOptions>): Promise<void> {
  const child = run(runtime, ["/bin/dd", "if=/dev/zero", "bs=512"], more);
  const rss = process.memoryUsage().rss;
  ok((await within(child.stdout.read(), "the first bytes"))!.length > 0);
  await until(() => ioOf(child.pid, "wchar") > 0, "the child writes");
  const written = await settled(() => ioOf(child.pid, "wchar"));
  ok(written < 2 * MIB, `the child wrote ${written} bytes that nobody read`);
  ok(process.memoryUsage().rss - rss < 100 * MIB, "memory grows");
  let length = 0;
  while (length < 4 * MIB) length += (await within(child.stdout.read(), "more bytes"))!.length;
  ok(ioOf(child.pid, "wchar") > written, "the child goes on");
  await dispose(child);
}

async function timersGoOn(runtime: Runtime, more: Partial<SpawnOptions>): Promise<void> {
  const child = run(runtime, ["/usr/bin/yes"], more);
  let worst = 0;
  let ticks = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    ticks++;
  }, 5);
  let bytes = 0;
  const end = performance.now() + DEADLINE_MS;
  while ((ticks < 100 || bytes <= MIB) && performance.now() < end) {
    bytes += (await child.stdout.read())!.length;
    // Work with each part, so that there is always more to read.
    for (const until = performance.now() + 0.3; performance.now() < until; );
  }
  clearInterval(timer);
  ok(ticks >= 100, `a timer of 5 ms fired ${ticks} times`);
  ok(bytes > MIB, `only ${bytes} bytes came`);
  ok(worst < MAX_GAP_MS, `a timer was ${worst.toFixed(0)} ms late`);
  await dispose(child);
}
