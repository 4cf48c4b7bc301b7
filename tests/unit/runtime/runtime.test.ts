/** Holds both runtimes to the same behaviour: Bun here, Deno in a program of its own. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { bunRuntime } from "../../../lib/runtime/bun.ts";
import { cases, runCase } from "./behaviour.ts";

const CASE_TIMEOUT_MS = 90_000;
const root = join(import.meta.dirname, "../../..");
const deno = process.env.EXEC_SERVER_DENO ?? join(root, "tests/peers/node_modules/.bin/deno");

describe("bun", () => {
  const runtime = bunRuntime();
  for (const oneCase of cases) {
    test(
      oneCase.name,
      async () => {
        const skipped = await runCase(oneCase, runtime);
        if (skipped) console.log(`skipped, ${skipped}: ${oneCase.name}`);
      },
      CASE_TIMEOUT_MS,
    );
  }
});

interface Result {
  name: string;
  error?: string;
  skipped?: string;
}

/** Without Deno (`npm test -- --quick` on a fresh tree) there is nothing to hold to it. */
describe.skipIf(process.env.EXEC_SERVER_DENO === undefined && !existsSync(deno))("deno", () => {
  const results = new Map(cases.map(({ name }) => [name, Promise.withResolvers<Result>()]));
  let child: ChildProcess | undefined;

  beforeAll(() => {
    const script = join(import.meta.dirname, "deno_main.ts");
    // The check for a new version opens sockets at its own time.
    const env = { ...process.env, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
    child = spawn(deno, ["run", "-A", script], { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout! });
    lines.on("line", (line) => {
      if (!line.startsWith("{")) return;
      const result = JSON.parse(line) as Result;
      results.get(result.name)?.resolve(result);
    });
    const end = (why: string): void => {
      for (const [name, { resolve }] of results)
        resolve({ name, error: `Deno ended before this case: ${why}` });
    };
    child.on("error", (error) => end(error.message));
    lines.on("close", () => end("see its output above"));
  });

  afterAll(() => void child?.kill("SIGKILL"));

  for (const { name } of cases) {
    test(
      name,
      async () => {
        const { error, skipped } = await results.get(name)!.promise;
        if (skipped) console.log(`skipped, ${skipped}: ${name}`);
        expect(error).toBeUndefined();
      },
      CASE_TIMEOUT_MS,
    );
  }
});
