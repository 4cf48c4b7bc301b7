import { afterEach, expect, jest, spyOn, test } from "bun:test";
import { openLibc } from "../../../lib/runtime/bun_process.ts";
import type { Reactor } from "../../../lib/runtime/epoll.ts";
import { FdSource } from "../../../lib/runtime/fd_source.ts";
import type { Libc } from "../../../lib/runtime/libc.ts";

afterEach(() => {
  jest.restoreAllMocks();
});

test.skipIf(process.platform !== "linux")(
  "a pipe that floods is looked at once after each rest, unless it has more than is read at a time",
  async () => {
    const all = 256 * 1024;
    const counts = [40_000, 40_000, 40_000, 40_000, -1, 20_000, 30_000, all, 20_000, 0];
    const looks: (number | "rest")[] = [];
    const { setTimeout } = globalThis;
    // However slow the machine is: a flood is what comes within 3 ms.
    spyOn(performance, "now").mockReturnValue(0);
    spyOn(globalThis, "setTimeout").mockImplementation(((callback: () => void, ms: number) => {
      looks.push("rest");
      return setTimeout(callback, ms);
    }) as typeof setTimeout);
    const read = (): number => {
      const count = counts.shift()!;
      looks.push(count);
      return count;
    };
    // Where the memory is counts for the other sources of this program, too.
    const { addressOf } = openLibc();
    const libc = { read, fcntl: () => 1, addressOf } as unknown as Libc;
    const reactor = { cancel: () => {} } as unknown as Reactor;
    const source = new FdSource(libc, reactor, 7, { release: () => {} });
    const taken: number[] = [];
    await source.lendAll((bytes) => {
      taken.push(bytes.length);
      return undefined;
    });
    expect(taken).toEqual([40_000, 40_000, 40_000, 40_000, 20_000, 30_000, all, 20_000]);
    const atOnce = [40_000, 40_000, 40_000, 40_000, -1];
    expect(looks).toEqual([...atOnce, "rest", 20_000, "rest", 30_000, "rest", all, 20_000, "rest", 0]);
  },
);
