import { expect, test } from "bun:test";
import { signalName } from "../../../lib/runtime/signal_name.ts";

test("a signal has the name that kill -l gives it, or its number", () => {
  const names = [1, 2, 6, 9, 15, 64, 200].map(signalName);
  expect(names).toEqual(["SIGHUP", "SIGINT", "SIGABRT", "SIGKILL", "SIGTERM", "SIG64", "SIG200"]);
});
