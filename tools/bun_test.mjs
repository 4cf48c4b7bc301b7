/** Runs `bun test` with its output streaming through, and counts from its junit report. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./paths.mjs";

const isTest = (name) => /\.(test|spec)\.tsx?$/.test(name);
/** These come first, as they are quick; what else there is follows by name. */
const firstFolders = ["unit", "repo"];

/** The test files by folder of tests/, in the order they are run. */
export function testGroups() {
  const tests = join(root, "tests");
  const files = readdirSync(tests, { recursive: true })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => isTest(path) && !path.includes("node_modules/"))
    .sort();
  const groups = new Map(firstFolders.map((folder) => [folder, []]));
  for (const file of files) {
    const folder = file.includes("/") ? file.slice(0, file.indexOf("/")) : "";
    groups.set(folder, [...(groups.get(folder) ?? []), `tests/${file}`]);
  }
  return [...groups].filter(([, files]) => files.length > 0).map(([folder, files]) => ({ folder, files }));
}

/**
 * Runs `bun test args`. `run` starts a command and gives its exit status. When `files` is given, each of them
 * must be in the report: a file that did not load, and all of them when the runner crashed, are not.
 */
export async function bunTest(bun, args, { run, files = [] }) {
  const folder = mkdtempSync(join(tmpdir(), "exec-server-junit-"));
  const report = join(folder, "report.xml");
  try {
    const junit = ["--reporter=junit", `--reporter-outfile=${report}`];
    // Bun's own limit for one test, 5 s, is short for starting several servers on a busy machine.
    const status = await run([bun, "test", "--timeout=30000", ...junit, ...args]);
    const counts = readReport(report);
    const missing = files.filter((file) => !counts.files.has(file));
    counts.failed += missing.length;
    if (status !== 0 && counts.failed === 0) counts.failed = 1;
    return { ...counts, missing };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(path) {
  let xml = "";
  try {
    xml = readFileSync(path, "utf8");
  } catch {
    // Bun writes none when no file loaded or when it crashed.
  }
  const head = /<testsuites [^>]*>/.exec(xml)?.[0] ?? "";
  const number = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures");
  const skipped = number("skipped"); // `todo` tests too
  const files = new Set([...xml.matchAll(/<testsuite [^>]*\bfile="([^"]+)"/g)].map((match) => match[1]));
  return { passed: number("tests") - failed - skipped, failed, skipped, files };
}
