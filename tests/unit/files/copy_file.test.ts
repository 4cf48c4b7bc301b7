import { describe, expect, test } from "bun:test";
import { commonBytes } from "../../../lib/files/copy_file.ts";
import { Pool } from "../../../lib/files/pool.ts";

const MIB = 1024 * 1024;

describe("how far two files are the same", () => {
  /** Compares as if they differed from this byte on. */
  const differsAt = (
    first: number,
  ): { asked: number; same(offset: number, length: number): Promise<boolean> } => ({
    asked: 0,
    async same(offset: number, length: number) {
      this.asked += length;
      return offset + length <= first;
    },
  });

  test("all of it where nothing differs", async () => {
    for (const size of [1, MIB, 200 * MIB + 7]) {
      const files = differsAt(Number.POSITIVE_INFINITY);
      expect(await commonBytes(size, (offset, length) => files.same(offset, length))).toBe(size);
      expect(files.asked).toBe(size);
    }
  });

  test("the whole blocks before the first difference", async () => {
    for (const first of [0, 5, MIB, 3 * MIB + 1, 64 * MIB, 100 * MIB - 1, 199 * MIB]) {
      const files = differsAt(first);
      const good = await commonBytes(200 * MIB + 7, (offset, length) => files.same(offset, length));
      expect(good).toBe(Math.floor(first / MIB) * MIB);
      // Hardly more than once over it all.
      expect(files.asked).toBeLessThan(350 * MIB);
    }
  });
});

describe("a pool", () => {
  test("runs no more than its size side by side, and all of them", async () => {
    const pool = new Pool(3);
    let running = 0;
    let most = 0;
    let done = 0;
    for (let i = 0; i < 20; i++) {
      await pool.start(async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
        done++;
      });
    }
    await pool.end();
    expect([most, done]).toEqual([3, 20]);
  });

  test("an error stops what has not begun, and is told once all have ended", async () => {
    const pool = new Pool(2);
    let isOver = false;
    await pool.start(async () => {
      await new Promise(setImmediate);
      isOver = true;
    });
    await pool.start(async () => {
      throw new Error("first");
    });
    await expect(pool.start(async () => expect.unreachable())).rejects.toThrow("first");
    await expect(pool.end()).rejects.toThrow("first");
    expect(isOver).toBe(true);
  });
});
