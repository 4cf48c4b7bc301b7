import { expect, spyOn, test } from "bun:test";
import { onSessionEnd } from "../../../../lib/client/fs/subscription.ts";
import type { CloseReason } from "../../../../lib/jsonrpc/channel.ts";
import { within } from "../../../support/deadline.ts";
import { FakeDisk } from "./fake_disk.ts";

const reason: CloseReason = { kind: "lost", message: "cut" };

test("the end of a session is told to all who still want to know, and to who asks later", async () => {
  const { promise, resolve } = Promise.withResolvers<CloseReason>();
  const told: string[] = [];
  onSessionEnd(promise, ({ message }) => told.push(`a ${message}`));
  const off = onSessionEnd(promise, () => told.push("b"));
  off();
  resolve(reason);
  await promise;
  expect(told).toEqual(["a cut"]);
  onSessionEnd(promise, () => told.push("c"));
  await promise;
  expect(told).toEqual(["a cut", "c"]);
});

test("watches that are over leave nothing behind that waits for the end of the session", async () => {
  const disk = new FakeDisk();
  disk.capabilities = { fsWatch: true };
  await using client = await disk.client();
  const then = spyOn(client.closed, "then");
  for (let i = 0; i < 3; i++) {
    const watch = client.fs.watch("/d", { signal: AbortSignal.abort(new Error("enough")) });
    await expect(within(5000, "end of the watch", watch.next())).rejects.toThrow("enough");
    const controller = new AbortController();
    const other = client.fs.watch("/d", { signal: controller.signal });
    const next = other.next();
    controller.abort(new Error("enough"));
    await expect(within(5000, "end of the watch", next)).rejects.toThrow("enough");
  }
  expect(then.mock.calls.length).toBeLessThanOrEqual(1);
});
