/**
 * `npm run bench`: ours and the real server side by side, started alternately and asked the same by the same client.
 * Needs `npm run build` and the Codex release that `npm test` installs.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findContenders } from "./contenders.ts";
import { families } from "./families.ts";
import { runFamilies } from "./harness.ts";
import { describeMachine, load } from "./machine.ts";
import { linesOf, plainTable } from "./table.ts";

const help = `Usage: npm run bench -- [options]

  --quick          small sizes, one round: under a minute
  --rounds N       how often each server is measured (3; quick: 1)
  --only PATTERN   only figures whose id contains it, or matches it as a regular expression
  --json FILE      writes every value of every round
  --list           says what there is to measure

Prints medians with the spread of the rounds, and ours divided by codex 0.169.0.
The column "control" is a server that does nothing: what this client and Bun allow.
Ends with status 1 when a case broke; no time is judged.
`;

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string" },
    json: { type: "string" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

async function main(): Promise<number> {
  if (flags.help) {
    console.log(help);
    return 0;
  }
  const rounds = flags.rounds === undefined ? (flags.quick ? 1 : 3) : Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`Cannot use --rounds "${flags.rounds}": wanted a whole number from 1`);
  const pattern = new RegExp(flags.only ?? "");
  if (flags.list) {
    for (const { figures } of families.flatMap(({ cases }) => cases))
      for (const { id, title } of figures) if (pattern.test(id)) console.log(`${id.padEnd(28)} ${title}`);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), "exec-server-bench-"));
  try {
    const loadBefore = load();
    const { rows, skipped, failures } = await runFamilies(families, findContenders(folder), {
      rounds,
      quick: flags.quick,
      wanted: (id) => pattern.test(id),
      home: folder,
      progress: (text) => console.error(text),
    });
    const lines = linesOf(rows);
    const machine = describeMachine(loadBefore);
    console.log(plainTable(lines));
    for (const { family, why } of skipped) console.log(`Not run: ${family}: ${why}`);
    for (const text of failures) console.log(`FAILED: ${text}`);
    if (flags.json !== undefined) {
      const result = { machine, rounds, quick: flags.quick, figures: lines, skipped, failures };
      writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
    }
    if (rows.length === 0 && skipped.length === 0) throw new Error(`No figure is named like "${flags.only}"`);
    return failures.length > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main().then(
  (status) => process.exit(status),
  (error: Error) => {
    console.error(error.message);
    process.exit(2);
  },
);
