/** Our program as a user calls it. */

import { join } from "node:path";
import { executable, root } from "./programs.ts";

/** What a call has left behind. */
export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

export interface CallOptions {
  env?: Record<string, string | undefined>;
  stdin?: Uint8Array | string;
  cwd?: string;
}

/** The executable where there is one that is not older than its sources, else the sources. */
export const program: readonly string[] =
  "path" in executable ? [executable.path] : [process.execPath, "--no-env-file", join(root, "cli.ts")];

/** Calls the program and waits for its end, 30 s at the most. */
export async function call(args: readonly string[], options: CallOptions = {}): Promise<Outcome> {
  const child = Bun.spawn([...program, ...args], {
    env: { ...process.env, NO_COLOR: undefined, ...options.env },
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin as string]),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 30_000,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}
