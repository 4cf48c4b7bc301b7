/** package.json, deno.json and the lock files say the same. */

import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readText, root } from "./source.ts";

interface Manifest {
  version?: string;
  scripts: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}
interface DenoConfig {
  version: string;
  tasks: Record<string, string>;
  imports: Record<string, string>;
}
interface Lock {
  version?: string;
  packages: Record<
    string,
    Manifest & { resolved?: string; integrity?: string; optional?: boolean; link?: boolean }
  >;
}

/** Tasks that only one of the two can have, or that differ, with the reason. */
const differing: Record<string, string> = {
  compile: "deno compile has no counterpart: npm's is build",
  dev: "each runs cli.ts on its own runtime",
};

const manifest = JSON.parse(readText("package.json")) as Manifest;
const deno = JSON.parse(readText("deno.json")) as DenoConfig;

test("package.json and deno.json have the same version", () => {
  expect(deno.version, "write the same version into package.json and deno.json").toBe(manifest.version!);
});

test("package.json and deno.json have the same tasks", () => {
  const same = (tasks: Record<string, string>) =>
    Object.entries(tasks)
      .filter(([name]) => !(name in differing))
      .sort();
  expect(
    same(deno.tasks),
    "`tasks` of deno.json and `scripts` of package.json must have the same names and commands; what cannot goes into `differing` of this test with a reason",
  ).toEqual(same(manifest.scripts));
});

test("deno.json imports the deno-std that package.json pins", () => {
  const pinned = manifest.dependencies?.["deno-std"];
  const wrong = Object.entries(deno.imports)
    .filter(
      ([, target]) => target.startsWith("npm:deno-std@") && !target.startsWith(`npm:deno-std@${pinned}/`),
    )
    .map(([name, target]) => `imports["${name}"] is ${target}: write npm:deno-std@${pinned}/…`);
  expect(wrong).toEqual([]);
});

test("tsconfig.json and deno.json map the same names", () => {
  const { compilerOptions } = JSON.parse(readText("tsconfig.json")) as {
    compilerOptions: { paths: Record<string, string[]> };
  };
  const byDeno = Object.entries(deno.imports).map(([name, target]) => [
    name,
    target.replace(/^npm:([^@]+)@[^/]+/, "./node_modules/$1"),
  ]);
  const byTsc = Object.entries(compilerOptions.paths).map(([name, [target]]) => [name, target]);
  expect(
    byTsc.sort(),
    "`paths` of tsconfig.json and `imports` of deno.json must name the same files",
  ).toEqual(byDeno.sort() as string[][]);
});

test("every dependency is pinned to one version", () => {
  const peers = JSON.parse(readText("tests/peers/package.json")) as Manifest;
  const mcp = JSON.parse(readText("tests/peers/mcp/package.json")) as Manifest;
  const loose = [manifest, peers, mcp]
    .flatMap((each) => [each.dependencies, each.devDependencies, each.optionalDependencies])
    .flatMap((kind) => Object.entries(kind ?? {}))
    .filter(([, version]) => !/^(npm:.+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name}: "${version}": write one exact version`);
  expect(loose).toEqual([]);
});

describe.each([".", "tests/peers", "tests/peers/mcp"])("the lock file of %s", (folder) => {
  const path = `${folder}/package-lock.json`;
  const again = `run \`npm install --package-lock-only\` in ${folder} and commit package-lock.json`;
  const read = () => JSON.parse(readText(path)) as Lock;

  test("is there", () => {
    expect(existsSync(join(root, path)), again).toBe(true);
  });

  test("is of this package.json", () => {
    const wanted = JSON.parse(readText(`${folder}/package.json`)) as Manifest;
    const locked = read().packages[""]!;
    const kinds = (of: Manifest) => [
      of.version,
      of.dependencies,
      of.devDependencies,
      of.optionalDependencies,
    ];
    expect(kinds(locked), again).toEqual(kinds(wanted));
  });

  test("names no registry and has a checksum for each package", () => {
    const wrong = Object.entries(read().packages)
      .filter(
        ([name, entry]) => name !== "" && (entry.resolved !== undefined || entry.integrity === undefined),
      )
      .map(([name]) => name);
    expect(wrong, `keep omit-lockfile-registry-resolved=true in ${folder}/.npmrc, then ${again}`).toEqual([]);
    expect(readText(path), "no path or address belongs in here").not.toMatch(
      /"(\/|file:|https?:\/\/[^"]*\.tgz)/,
    );
  });
});
