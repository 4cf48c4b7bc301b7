import { expect, test } from "bun:test";
import { openLibc } from "../../../lib/runtime/bun_process.ts";
import { currentRuntime } from "../../../lib/runtime/runtime.ts";
import { within } from "../../support/deadline.ts";

test.skipIf(process.platform !== "linux")(
  "the end of a child that somebody else has waited for is known, and how it ended is not made up",
  async () => {
    const child = (await currentRuntime()).spawn({
      ...{ file: "/bin/sh", argv: ["sh", "-c", "exit 3"], env: {}, cwd: "/", stdin: "null" },
    });
    const status = new Int32Array(1);
    expect(openLibc().waitpid(child.pid, new Uint8Array(status.buffer), 0)).toBe(child.pid);
    expect(status[0]! >> 8).toBe(3);
    expect(await within(5000, "end", child.exited)).toEqual({ code: -1, signal: null });
    child.stdout.cancel();
    child.stderr!.cancel();
  },
);
