/**
 * `npm test`: installs and builds what is missing, then runs every check and every test. The last line on
 * stdout is `N passed, N failed` (`, N skipped` when some were), each check counted as one test.
 *
 *   npm test -- --quick              no executable, no peers: checks, tests/unit and tests/repo
 *   npm test -- tests/e2e -t "cat"   no checks: what follows is given to `bun test`
 */

import { build } from "./build.mjs";
import { bunTest, testGroups } from "./bun_test.mjs";
import { checks } from "./checks.mjs";
import { setupDebian } from "./debian.mjs";
import { builtPath } from "./paths.mjs";
import { explain, runMain, seconds, ToolError } from "./report.mjs";
import { setup, setupPeers } from "./setup.mjs";
import { Interrupted, runStreaming } from "./streaming.mjs";

const quickFolders = ["unit", "repo"];

const quick = process.argv.includes("--quick");
const filters = process.argv.slice(2).filter((arg) => arg !== "--quick");
const total = { passed: 0, failed: 0, skipped: 0 };
const toMend = [];
let testsRun = 0;

await runMain(async () => {
  try {
    await main();
  } catch (error) {
    if (error instanceof Interrupted) {
      console.log(error.message);
      process.exit(error.status);
    }
    fail("set-up", explain(error));
  }
});
if (testsRun === 0) fail("tests", "no test ran: see the reason above, or widen the filter");
finish();

async function main() {
  const bun = setup();
  const { deno, codex = [] } = quick ? {} : peersOrFailure();
  if (!quick) setupDebian();
  // When it cannot be built, tests must not take the one of an earlier time.
  let built = false;
  if (!quick) {
    await step(
      "the executable builds",
      () => (built = attempt(() => build(bun))),
      "mend what bun build names",
    );
  }

  // Tests look at the modes of what programs make, whatever this user has set.
  process.umask(0o022);
  const env = {
    ...process.env,
    DENO_NO_UPDATE_CHECK: "1",
    ...(deno && { EXEC_SERVER_DENO: deno }),
    ...(codex[0] && { EXEC_SERVER_CODEX_138: codex[0] }),
    ...(codex[1] && { EXEC_SERVER_CODEX_169: codex[1] }),
    ...(built && { EXEC_SERVER_BIN: builtPath }),
  };
  // Settings of the developer's own codex must not reach the tests.
  for (const name of ["CODEX_HOME", "CODEX_EXEC_SERVER_URL"]) delete env[name];
  const run = (command) => runStreaming(command, env);

  if (filters.length > 0) {
    await group("bun test", () => bunTest(bun, filters, { run }));
    return;
  }
  const plain = process.stdout.isTTY ? env : { ...env, NO_COLOR: "1" };
  for (const { name, command, skip, mend } of checks({ deno })) {
    if (skip === undefined) await step(name, async () => (await runStreaming(command, plain)) === 0, mend);
    else skipStep(name, skip);
  }
  for (const { folder, files } of testGroups()) {
    if (quick && !quickFolders.includes(folder)) continue;
    const paths = files.map((file) => `./${file}`);
    await group(`tests/${folder}`, () => bunTest(bun, paths, { run, files }));
  }
}

/** The peers; without them the rest can still be tested. */
function peersOrFailure() {
  try {
    return setupPeers();
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    fail("test peers", error.message);
    return {};
  }
}

/** Runs a check, which counts as one test. */
async function step(name, action, mend) {
  const from = performance.now();
  if (await action()) {
    total.passed++;
    console.log(`ok    ${name} (${seconds(from)})`);
  } else {
    console.log(`FAIL  ${name} (${seconds(from)})\n      To mend: ${mend}`);
    fail(name, mend);
  }
}

function skipStep(name, why) {
  total.skipped++;
  console.log(`skip  ${name}: ${why}`);
}

/** Runs a folder's tests and adds up what they count. */
async function group(name, action) {
  const from = performance.now();
  console.log(`\n===== ${name}`);
  const { passed, failed, skipped, missing } = await action();
  testsRun += passed + failed - missing.length;
  total.passed += passed;
  total.skipped += skipped;
  total.failed += failed;
  console.log(
    `${failed === 0 ? "ok  " : "FAIL"}  ${name}: ${passed} passed, ${failed} failed (${seconds(from)})`,
  );
  if (missing.length > 0)
    toMend.push(`${name}: not in the report: ${missing.join(", ")}: mend the error it ends with`);
  if (failed > missing.length)
    toMend.push(`${name}: again alone: \`npm test -- ${filters.join(" ") || `./${name}/`}\``);
}

function attempt(action) {
  try {
    return action() !== undefined;
  } catch (error) {
    console.log(explain(error));
    return false;
  }
}

function fail(name, how) {
  total.failed++;
  toMend.push(`${name}: ${how}`);
}

/** Prints what failed, then the counts as the very last line, and ends. */
function finish() {
  const { passed, failed, skipped } = total;
  if (toMend.length > 0) console.log(`\nTo mend:\n${toMend.map((line) => `- ${line}`).join("\n")}`);
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exitCode = failed > 0 ? 1 : 0;
}
