/** The runtime on Bun. */

import { filesOnBun } from "./bun_files.ts";
import { kernelOnBun, spawnOnBun } from "./bun_process.ts";
import { bunOutput, bunStdin } from "./bun_stdio.ts";
import { connectOnBun, listenOnBun } from "./bun_tcp.ts";
import { nodePath } from "./node_modules.ts";
import type { Runtime } from "./runtime.ts";

export function bunRuntime(): Runtime {
  return {
    name: "bun",
    version: Bun.version,
    spawn: spawnOnBun,
    hasFiles: () => process.platform === "linux",
    files: filesOnBun,
    kernel: kernelOnBun,
    listen: listenOnBun,
    connect: connectOnBun,
    stdin: bunStdin,
    stdout: () => bunOutput(1),
    stderr: () => bunOutput(2),
    // In a compiled executable `Bun.main` lies in a virtual folder and the executable needs no script.
    selfFiles: () =>
      Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, nodePath().dirname(Bun.main)],
    selfCommand: () => (Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, Bun.main]),
  };
}
