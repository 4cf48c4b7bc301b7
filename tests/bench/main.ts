/**
 * `npm run bench`: ours and the real server side by side, started alternately and asked the same by the same client.
 * Needs `npm run build` and the Codex release that `npm test` installs.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../support/programs.ts";
import { findContenders } from "./contenders.ts";
import { families } from "./families.ts";
import { runFamilies } from "./harness.ts";
import { describeMachine, load } from "./machine.ts";
import { report } from "./report.ts";
import type { Result } from "./result.ts";
import { stopServers } from "./server_process.ts";
import { linesOf, plainTable } from "./table.ts";

const help = `Usage: npm run bench -- [options]

  --quick          small sizes, one round: under a minute
  --rounds N       how often each server is measured (3; quick: 1)
  --only PATTERN   only figures whose id contains it, or matches it as a regular expression
  --list           says what there is to measure
  --json FILE      writes every value of every round
  --from FILE      takes the values of such a file in place of measuring
  --write-docs     writes docs/performance.md

Prints medians with the spread of the rounds, and ours divided by codex 0.169.0.
The column "control" is a server that does nothing: what this client and Bun allow.
Ends with status 1 when a case broke; no time is judged.
`;

const performanceDocs = join(root, "docs", "performance.md");

class UsageError extends Error {}

function parseFlags() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        only: { type: "string", default: "" },
        list: { type: "boolean", default: false },
        json: { type: "string" },
        from: { type: "string" },
        "write-docs": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${help}`);
  }
}

type Flags = ReturnType<typeof parseFlags>;

async function main(): Promise<number> {
  const flags = parseFlags();
  if (flags.help) {
    console.log(help);
    return 0;
  }
  const pattern = patternOf(flags.only);
  if (flags.list) {
    for (const { figures } of families.flatMap(({ cases }) => cases))
      for (const { id, title } of figures) if (pattern.test(id)) console.log(`${id.padEnd(28)} ${title}`);
    return 0;
  }
  const result: Result =
    flags.from === undefined ? await measure(flags, pattern) : JSON.parse(readFileSync(flags.from, "utf8"));
  console.log(plainTable(result.figures));
  for (const { family, why } of result.skipped) console.log(`Not run: ${family}: ${why}`);
  for (const text of result.failures) console.log(`FAILED: ${text}`);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
  if (flags["write-docs"]) writeFileSync(performanceDocs, report(result));
  return result.failures.length > 0 ? 1 : 0;
}

async function measure(flags: Flags, pattern: RegExp): Promise<Result> {
  const rounds = flags.rounds === undefined ? (flags.quick ? 1 : 3) : Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new UsageError(`Cannot use --rounds "${flags.rounds}": wanted a whole number from 1`);
  // The peer sets up no sandbox when its home is below the folder for temporary files.
  const folder = mkdtempSync(join(existsSync("/var/tmp") ? "/var/tmp" : tmpdir(), "exec-server-bench-"));
  // A disk's file system can take sixty times as long for a new file for minutes after many have been removed: ext4
  // without a journal keeps their numbers out of use that long. In memory it is the servers that are compared.
  const memory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : folder, "exec-server-bench-"));
  const removeFolders = (): void => {
    for (const path of [memory, folder]) rmSync(path, { recursive: true, force: true });
  };
  // The servers are sessions of their own and do not get what the terminal sends us.
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, async () => {
      await stopServers();
      removeFolders();
      process.exit(status);
    });
  }
  try {
    const loadBefore = load();
    const from = performance.now();
    const { rows, skipped, failures } = await runFamilies(families, findContenders(folder), {
      rounds,
      quick: flags.quick,
      wanted: (id) => pattern.test(id),
      home: folder,
      memory,
      progress: (text) => console.error(text),
    });
    if (rows.length === 0 && skipped.length === 0)
      throw new UsageError(`No figure is like "${flags.only}": --list shows all`);
    const seconds = (performance.now() - from) / 1000;
    const machine = describeMachine(loadBefore);
    return { machine, rounds, quick: flags.quick, seconds, figures: linesOf(rows), skipped, failures };
  } finally {
    removeFolders();
  }
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`Cannot use --only "${text}": ${(error as Error).message}`);
  }
}

main().then(
  (status) => process.exit(status),
  (error: Error) => {
    console.error(error instanceof UsageError ? error.message : error.stack);
    process.exit(2);
  },
);
