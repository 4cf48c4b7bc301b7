/** The runtime on Deno. */

import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesOnDeno } from "./deno_files.ts";
import { kernelOnDeno, spawnOnDeno } from "./deno_process.ts";
import { denoOutput, denoStdin } from "./deno_stdio.ts";
import { connectOnDeno, listenOnDeno } from "./deno_tcp.ts";
import type { Runtime } from "./runtime.ts";

export function denoRuntime(): Runtime {
  return {
    name: "deno",
    version: Deno.version.deno,
    spawn: spawnOnDeno,
    hasFiles: () =>
      Deno.build.os === "linux" && Deno.permissions.querySync({ name: "ffi" }).state === "granted",
    files: filesOnDeno,
    kernel: kernelOnDeno,
    listen: listenOnDeno,
    connect: connectOnDeno,
    stdin: denoStdin,
    stdout: () => denoOutput(1),
    stderr: () => denoOutput(2),
    selfCommand,
    selfFiles,
  };
}

function selfFiles(): string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  const main = Deno.mainModule;
  const sources = main.startsWith("file:") ? [dirname(fileURLToPath(main))] : [];
  return [Deno.execPath(), ...sources, Deno.env.get("DENO_DIR") ?? join(homedir(), ".cache", "deno")];
}

function selfCommand(): string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  const main = Deno.mainModule;
  return [Deno.execPath(), "run", "-A", main.startsWith("file:") ? fileURLToPath(main) : main];
}
