import { expect, test } from "bun:test";
import { OneByOne } from "../../../lib/jsonrpc/one_by_one.ts";

test("one by one is one at a time, whatever becomes of the one before", async () => {
  const queue = new OneByOne();
  let running = 0;
  const run = (fails: boolean): Promise<number> =>
    queue.run(async () => {
      expect(++running).toBe(1);
      await new Promise(setImmediate);
      running--;
      if (fails) throw new Error("no");
      return 1;
    });
  const all = await Promise.allSettled([run(false), run(true), run(false)]);
  expect(all.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});
