/**
 * What it costs on Bun to wait for a descriptor: through asynchronous IO and an `eventfd`, and by watching the epoll set
 * as a file. A byte is written to a pipe and its other end waited for, alternately. Run: `bun tests/bench/epoll_wait.ts`.
 */

import process from "node:process";
import { waitOnBun } from "../../lib/runtime/bun_epoll.ts";
import { openLibc } from "../../lib/runtime/bun_process.ts";
import { type EpollWait, Reactor } from "../../lib/runtime/epoll.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../../lib/runtime/libc.ts";

const ROUNDS = 3;
const WAITS = 10_000;

const libc = openLibc();
/** As on a system without asynchronous IO: its set-up fails. */
const without = { ...libc, syscall: () => -1 };
const reactors: [string, Reactor][] = (
  [
    ["asynchronous IO", waitOnBun(libc)],
    ["the set as a file", waitOnBun(without)],
  ] as [string, EpollWait][]
).map(([name, wait]) => [name, new Reactor(libc, wait)]);

const ends = new Int32Array(2);
libc.pipe2(new Uint8Array(ends.buffer), O_CLOEXEC | O_NONBLOCK);
const [reads, writes] = [ends[0]!, ends[1]!];
const byte = new Uint8Array(1);
const byteAt = Number(libc.addressOf(byte));

for (let round = 0; round < ROUNDS; round++) {
  for (const [name, reactor] of reactors) {
    // Another wait, without an end, so that the waiting goes on between ours.
    const other = reactor.writable(reads);
    const cpu = process.cpuUsage();
    const start = performance.now();
    for (let i = 0; i < WAITS; i++) {
      const ready = reactor.readable(reads);
      libc.write(writes, byte, 1);
      await ready;
      libc.read(reads, byteAt, 1);
    }
    const us = ((performance.now() - start) * 1000) / WAITS;
    const { user, system } = process.cpuUsage(cpu);
    console.log(
      `${name.padEnd(18)} ${us.toFixed(1)} us a wait, ${((user + system) / WAITS).toFixed(1)} us of CPU`,
    );
    reactor.forget(reads);
    await other;
  }
}
process.exit(0);
