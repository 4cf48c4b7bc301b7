/** Every requirement has a test, every declared difference is asserted, and every citation is of one that exists. */

import { expect, test } from "bun:test";
import { requirements } from "../requirements.ts";
import { differences } from "../support/differences.ts";
import { listFiles, readText } from "./source.ts";

const tests = listFiles().filter(
  (file) => /^tests\/.*\.test\.ts$/.test(file) && !file.startsWith("tests/repo/"),
);
const sources = tests.map((file) => ({ file, text: readText(file) }));

/** The ids that a text cites, also by the helpers of a file that pass one on to `verifies`. */
function cited(text: string): string[] {
  return Object.keys(requirements).filter((id) => text.includes(JSON.stringify(id)));
}

test("every requirement is cited by a test", () => {
  const covered = new Set(sources.flatMap(({ text }) => cited(text)));
  const missing = Object.keys(requirements)
    .filter((id) => !covered.has(id))
    .map((id) => `"${id}": write a test with verifies("${id}", …), or take it out of tests/requirements.ts`);
  expect(missing).toEqual([]);
});

test("every citation is of a requirement", () => {
  const wrong = sources.flatMap(({ file, text }) =>
    [...text.matchAll(/\bverifies\(\s*("(?:[^"\\]|\\.)*")/g)]
      .map((match) => JSON.parse(match[1]!) as string)
      .filter((id) => !(id in requirements))
      .map((id) => `${file} cites "${id}": add it to tests/requirements.ts with its source`),
  );
  expect(wrong).toEqual([]);
});

test("every requirement names its source", () => {
  const wrong = Object.entries(requirements)
    .filter(([, source]) => !/^(protocol|client|brief)\b/.test(source))
    .map(
      ([id, source]) => `"${id}" has the source "${source}": begin it with protocol §, client § or brief:`,
    );
  expect(wrong).toEqual([]);
});

test("every declared difference is asserted, and says why", () => {
  const all = sources.map(({ text }) => text).join("\n");
  // Some ids are put together: `${signal} listener`.
  const patterns = [...all.matchAll(/(?:same|difference)\(\s*`([^`]*)`/g)].map(
    (match) => new RegExp(`^${match[1]!.replace(/\$\{[^}]*\}/g, ".+")}$`),
  );
  const unused = Object.keys(differences)
    .filter((id) => !all.includes(JSON.stringify(id)) && !patterns.some((pattern) => pattern.test(id)))
    .map((id) => `"${id}": no test looks at it; take it out of tests/support/differences.ts`);
  const silent = Object.entries(differences)
    .filter(([, { why }]) => why.length < 10)
    .map(([id]) => `"${id}": say why`);
  expect([...unused, ...silent]).toEqual([]);
});
