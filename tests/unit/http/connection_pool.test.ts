/** Connections that wait for the next request, on a clock that is set by hand. */

import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { Cancellation } from "../../../lib/http/cancellation.ts";
import { ConnectionPool, type PoolClock } from "../../../lib/http/connection_pool.ts";
import { OriginConnection } from "../../../lib/http/origin_connection.ts";
import type { ByteStream } from "../../../lib/runtime/runtime.ts";

/** Time that passes only when it is told to. */
class HandClock implements PoolClock {
  #now = 1000;
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get timers(): number {
    return this.#timers.length;
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
  }
}

function setUp() {
  const clock = new HandClock();
  const pool = new ConnectionPool(clock);
  const dial = (key = "a", pending = { bytes: 0 }): OriginConnection => {
    let isClosed = false;
    const stream: ByteStream = {
      localAddress: "",
      remoteAddress: "",
      remotePort: 0,
      get pendingBytes() {
        return pending.bytes;
      },
      write: () => {},
      writeBorrowed: () => {},
      pause: () => {},
      resume: () => {},
      keepAwake: () => {},
      end: () => {},
      destroy: () => {
        if (isClosed) return;
        isClosed = true;
        connection.close();
      },
    };
    const connection = new OriginConnection(stream);
    pool.adopt(key, connection);
    return connection;
  };
  return { clock, pool, dial };
}

test("a connection that nobody takes for four seconds is closed, each by its own time", () => {
  const { clock, pool, dial } = setUp();
  const [first, second] = [dial(), dial()];
  first.onFree!();
  clock.pass(2500);
  second.onFree!();
  clock.pass(1499);
  expect([first.isOver, second.isOver]).toEqual([false, false]);
  clock.pass(1);
  expect([first.isOver, second.isOver]).toEqual([true, false]);
  clock.pass(2499);
  expect(second.isOver).toBe(false);
  clock.pass(1);
  expect(second.isOver).toBe(true);
  expect(pool.take("a")).toBeUndefined();
  expect(clock.timers).toBe(0);
});

test("a connection that is taken is not closed, and has all of its time when it is free again", () => {
  const { clock, pool, dial } = setUp();
  const connection = dial();
  connection.onFree!();
  clock.pass(3000);
  expect(pool.take("a")).toBe(connection);
  expect(pool.take("a")).toBeUndefined();
  clock.pass(60_000);
  expect(connection.isOver).toBe(false);
  expect(clock.timers).toBe(0);
  connection.onFree!();
  clock.pass(3900);
  expect(connection.isOver).toBe(false);
  clock.pass(100);
  expect(connection.isOver).toBe(true);
});

test("the connection that was used last is taken first, and none of another way or that is over", () => {
  const { pool, dial } = setUp();
  const [first, second, third, other] = [dial(), dial(), dial(), dial("b")];
  for (const connection of [first, second, third, other]) connection.onFree!();
  third.destroy();
  expect([pool.take("a"), pool.take("a"), pool.take("a")]).toEqual([second, first, undefined]);
  expect(pool.take("b")).toBe(other);
});

test("256 wait at most, and the one that has waited longest goes", () => {
  const { pool, dial } = setUp();
  const all = Array.from({ length: 257 }, () => dial());
  for (const connection of all) connection.onFree!();
  expect(all.map(({ isOver }) => isOver)).toEqual([true, ...Array<boolean>(256).fill(false)]);
  pool.destroy();
});

test("the end closes what waits and what is on its way, and nothing is kept after it", () => {
  const { clock, pool, dial } = setUp();
  const [idle, busy] = [dial(), dial()];
  idle.onFree!();
  pool.destroy();
  expect([idle.isOver, busy.isOver, clock.timers]).toEqual([true, true, 0]);
  const late = dial();
  late.onFree!();
  expect(late.isOver).toBe(true);
  expect(pool.take("a")).toBeUndefined();
});

test("a connection whose origin neither takes the rest of a request nor ends is closed", async () => {
  const { clock, dial } = setUp();
  const pending = { bytes: 300 };
  const connection = dial("a", pending);
  let isOver = false;
  const { onOver } = connection;
  connection.onOver = () => {
    isOver = true;
    onOver?.();
  };
  const answer = connection.ask(
    { method: "POST", head: "", body: undefined, isLast: true },
    new Cancellation(),
  );
  connection.data(Buffer.from("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"));
  expect((await answer).status).toBe(413);
  for (pending.bytes = 200; pending.bytes >= 0; pending.bytes -= 100) {
    clock.pass(30_000);
    expect(isOver).toBe(false);
  }
  pending.bytes = 0;
  clock.pass(30_000);
  expect([isOver, clock.timers]).toEqual([true, 0]);
});

test("a connection that ends in time leaves no timer", async () => {
  const { clock, dial } = setUp();
  const connection = dial();
  const answer = connection.ask(
    { method: "GET", head: "", body: undefined, isLast: true },
    new Cancellation(),
  );
  connection.data(Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
  await answer;
  expect(clock.timers).toBe(1);
  connection.close();
  expect(clock.timers).toBe(0);
});
