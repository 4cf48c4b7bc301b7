import { describe, expect, test } from "bun:test";
import { defaultProcessLimits, ProcessTable } from "../../../lib/process/handlers.ts";
import type { ReadResult } from "../../../lib/protocol/process.ts";
import { until, within } from "../../support/deadline.ts";
import { WAIT_MS } from "../transport/support.ts";
import { FakeRuntime } from "./fake_runtime.ts";

/** A process that has said something, and a client that takes answers when the test says so. */
async function talkingTo(client: { full: PromiseWithResolvers<void> | undefined }): Promise<{
  table: ProcessTable;
  read(waitMs?: number): ReadResult | Promise<ReadResult>;
}> {
  const fake = new FakeRuntime();
  const observer = { event: () => {}, ready: () => client.full?.promise, attached: () => 1 };
  const table = new ProcessTable(fake.runtime, observer, defaultProcessLimits);
  const read = (waitMs = 0): ReadResult | Promise<ReadResult> =>
    table["process/read"]({ processId: "p", waitMs });
  table["process/start"]({ processId: "p", argv: ["/bin/x"], cwd: "/", env: {}, tty: false });
  fake.last.stdout.push("said");
  await until(WAIT_MS, "output", () => (read() as ReadResult).chunks.length > 0);
  return { table, read };
}

describe("answers of a client that has not taken those before", () => {
  test("are made when it takes them, one by one, and all else goes on", async () => {
    const client = { full: undefined as PromiseWithResolvers<void> | undefined };
    const { table, read } = await talkingTo(client);
    client.full = Promise.withResolvers<void>();
    const answered: number[] = [];
    const answers = [0, 60_000, 0].map(async (waitMs, i) => {
      const { chunks } = await read(waitMs);
      answered.push(i);
      // As an answer does that is too long to be taken at once.
      client.full = Promise.withResolvers<void>();
      return chunks.length;
    });
    expect(table["process/terminate"]({ processId: "none" })).toEqual({ running: false });
    for (const made of [[], [0], [0, 1]]) {
      await Bun.sleep(0);
      expect(answered).toEqual(made);
      const { full } = client;
      client.full = undefined;
      full!.resolve();
    }
    expect(await within(WAIT_MS, "answers", Promise.all(answers))).toEqual([1, 1, 1]);
    client.full = undefined;
    await Bun.sleep(0);
    expect(read()).not.toBeInstanceOf(Promise);
  });

  test("are not made any more when it has gone, and the next one does not wait for them", async () => {
    const client = { full: undefined as PromiseWithResolvers<void> | undefined };
    const { table, read } = await talkingTo(client);
    for (const error of [undefined, new Error("somebody else has come")]) {
      const full = Promise.withResolvers<void>();
      client.full = full;
      const answers = [read(), read(60_000)].map((answer) => Promise.resolve(answer));
      // The end of a connection settles what its readiness was waited for with.
      table.detach(error);
      client.full = undefined;
      expect(read()).not.toBeInstanceOf(Promise);
      full.resolve();
      for (const { status, reason } of (await Promise.allSettled(answers)) as PromiseRejectedResult[]) {
        expect([status, reason.message]).toEqual(["rejected", error?.message ?? "the client has gone"]);
      }
    }
  });
});
