import { describe, expect, test } from "bun:test";
import type { Reactor } from "../../../lib/runtime/epoll.ts";
import { FdSink } from "../../../lib/runtime/fd_sink.ts";
import type { Libc } from "../../../lib/runtime/libc.ts";

/** A descriptor that takes as much as there is room for, and a reactor that says so when it is told to. */
class Pipe {
  room: number;
  written = "";
  /** Waits that have begun and not ended. */
  waits: ((hungUp: boolean) => void)[] = [];
  readonly sink: FdSink;

  constructor(room: number) {
    this.room = room;
    const write = (_fd: number, bytes: Uint8Array, most: number): number => {
      const count = Math.min(this.room, most);
      this.room -= count;
      this.written += new TextDecoder().decode(bytes.subarray(0, count));
      return count === 0 ? -1 : count;
    };
    const writable = (): Promise<boolean> => new Promise((resolve) => this.waits.push(resolve));
    const libc = { write } as unknown as Libc;
    const reactor = { writable, cancel: () => {} } as unknown as Reactor;
    this.sink = new FdSink(
      libc,
      reactor,
      7,
      () => {},
      () => {},
    );
  }

  write(text: string): Promise<void> {
    return this.sink.write(new TextEncoder().encode(text));
  }

  /** Its waits end. */
  tell(): void {
    for (const resolve of this.waits.splice(0)) resolve(false);
  }
}

describe("a sink that is full", () => {
  test("goes on with what waits when more comes and there is room by then", async () => {
    const pipe = new Pipe(4);
    const first = pipe.write("abcdef");
    expect(pipe.written).toBe("abcd");
    pipe.room = 10;
    const second = pipe.write("ghi");
    expect(pipe.written).toBe("abcdefghi");
    expect(pipe.sink.pendingBytes).toBe(0);
    await Promise.all([first, second]);
  });

  test("keeps the order where there is room for a part of what waits", async () => {
    const pipe = new Pipe(1);
    const writes = [pipe.write("abc"), pipe.write("def")];
    pipe.room = 1;
    writes.push(pipe.write("ghi"));
    expect(pipe.written).toBe("ab");
    expect(pipe.sink.pendingBytes).toBe(7);
    pipe.room = 100;
    pipe.tell();
    await Promise.all(writes);
    expect(pipe.written).toBe("abcdefghi");
  });

  test("waits once at a time, though it has been empty meanwhile", async () => {
    const pipe = new Pipe(1);
    const first = pipe.write("ab");
    expect(pipe.waits).toHaveLength(1);
    pipe.room = 2;
    await Promise.all([first, pipe.write("c")]);
    const last = pipe.write("de");
    expect(pipe.waits).toHaveLength(1);
    pipe.room = 2;
    pipe.tell();
    await last;
    expect(pipe.written).toBe("abcde");
  });
});
