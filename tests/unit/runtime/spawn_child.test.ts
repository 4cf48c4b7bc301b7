import { describe, expect, test } from "bun:test";
import { waitOnBun } from "../../../lib/runtime/bun_epoll.ts";
import { openLibc } from "../../../lib/runtime/bun_process.ts";
import type { Libc } from "../../../lib/runtime/libc.ts";
import { currentRuntime, type SpawnOptions } from "../../../lib/runtime/runtime.ts";
import { createSpawner, spawnChild } from "../../../lib/runtime/spawn_child.ts";
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

const SIGKILL = 9;
const program: SpawnOptions = { file: "/bin/sh", argv: ["sh"], env: {}, cwd: "/", stdin: "null" };

/** The system's library, with some calls in place of its own. */
function spawnWith(calls: Partial<Libc>, options: Partial<SpawnOptions> = {}): ReturnType<typeof spawnChild> {
  const libc = { ...openLibc(), ...calls };
  return spawnChild(createSpawner(libc, waitOnBun(libc)), { ...program, ...options });
}

test.skipIf(process.platform !== "linux")(
  "a child that was waited for has no group any more when its number is in use again",
  async () => {
    const stranger = (await currentRuntime()).spawn({ ...program, argv: ["sh", "-c", "echo; sleep 60"] });
    await within(5000, "start", stranger.stdout.read());
    const child = spawnWith({
      // As if it had ended, and the stranger had been given its number at once.
      posix_spawn: (pid) => {
        new DataView(pid.buffer).setInt32(0, stranger.pid, true);
        return 0;
      },
      waitpid: () => stranger.pid,
      syscall: () => -1,
    });
    await within(5000, "end", child.exited);
    expect(child.signalGroup(SIGKILL)).toBe(false);
    expect(stranger.signalGroup(SIGKILL)).toBe(true);
    expect(await within(5000, "end of the stranger", stranger.exited)).toEqual({
      code: null,
      signal: SIGKILL,
    });
    for (const { stdout, stderr } of [child, stranger]) {
      stdout.cancel();
      stderr!.cancel();
    }
  },
);

describe.skipIf(process.platform !== "linux")("what the system says of pipes and terminals is told", () => {
  /** Descriptors of which every call fails with EBADF. */
  const none = -1;

  test("a terminal that cannot be opened", () => {
    const failing = { posix_openpt: () => openLibc().fcntl(none, 0, 0) };
    const terminal = { columns: 80, rows: 24 };
    expect(() => spawnWith(failing, { terminal })).toThrow("Bad file descriptor (os error 9)");
  });

  test("a pipe that cannot be made", () => {
    const calls: Partial<Libc> = { pipe2: () => openLibc().fcntl(none, 0, 0) };
    expect(() => spawnWith(calls)).toThrow("Bad file descriptor (os error 9)");
  });
});
