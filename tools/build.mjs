/**
 * Builds the single executable, dist/exec-server, when a source has changed. `--target bun-linux-arm64` (any
 * target of `bun build --compile`) builds dist/exec-server-linux-arm64 instead.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { isAlive } from "./lock.mjs";
import { builtPath, root } from "./paths.mjs";
import { isMain, runMain, seconds, ToolError } from "./report.mjs";
import { setup } from "./setup.mjs";

const flags = [
  ...["--compile", "--bytecode", "--format=esm", "--sourcemap=inline"],
  // A command loads its own chunks, and of the modules of Node only those that they name.
  "--splitting",
  // Names go too, those of functions and classes: nothing asks for them (`tests/repo`), a trace has the places in the
  // sources, and a start takes a twentieth less.
  "--minify",
  // Otherwise the executable takes settings from whatever folder it is started in, and hands them to children.
  ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
];

/** Builds unless the executable is newer than its sources in all but name. Returns its path. */
export function build(bun, target) {
  const entry = join(root, "cli.ts");
  if (!existsSync(entry)) throw new ToolError("Cannot build: cli.ts is missing");
  const windows = /\bwin(32|dows)/.test(target ?? process.platform);
  const suffix = target === undefined ? "" : `-${target.replace(/^bun-/, "")}${windows ? ".exe" : ""}`;
  const path = target === undefined ? builtPath : join(root, "dist", `exec-server${suffix}`);
  const stamp = join(root, "dist", `.${basename(path)}.built`);
  const state = hashSources(target);
  if (existsSync(path) && existsSync(stamp) && readFileSync(stamp, "utf8") === state) {
    markGood(path);
    return path;
  }

  const from = performance.now();
  clearAbandoned();
  // Beside its place under its own name, which Bun writes into it; then renamed, as a running executable
  // cannot be written to.
  const work = join(root, "dist", `.build-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const made = join(work, basename(path));
    const args = ["build", entry, ...flags, ...(target ? [`--target=${target}`] : []), `--outfile=${made}`];
    // Only Windows has its terminals from there; it would bring its libraries along for each C library.
    if (!windows) args.push("--external=bun-pty");
    const result = spawnSync(bun, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
    if (result.status !== 0 || !existsSync(made)) {
      process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
      throw new ToolError(
        `Cannot build dist/${basename(path)}: bun build: ${result.error?.message ?? "see above"}`,
      );
    }
    renameSync(made, path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  writeFileSync(stamp, state);
  const size = `${Math.round(statSync(path).size / 1_000_000)} MB`;
  process.stderr.write(`Built ${relative(root, path)}: ${size} in ${seconds(from)}\n`);
  return path;
}

/** Who goes by times alone sees that it is. */
function markGood(path) {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // Somebody else's, or on a disk that is read-only: it is good all the same.
  }
}

/** Everything the executable is made from: the sources, what they may import at the root, and how it is built. */
function hashSources(target) {
  const hash = createHash("sha256").update(JSON.stringify([flags, target ?? null, process.arch]));
  const atRoot = readdirSync(root).filter((name) => /\.(ts|json|toml)$/.test(name));
  const inLib = readdirSync(join(root, "lib"), { recursive: true }).map((name) => join("lib", name));
  for (const name of [...atRoot, ...inLib].sort()) {
    if (!statSync(join(root, name)).isFile()) continue;
    hash.update(`\0${name}\0`).update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}

/** Removes what a killed build left. */
function clearAbandoned() {
  const dist = join(root, "dist");
  for (const name of existsSync(dist) ? readdirSync(dist) : []) {
    const pid = /^\.build-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(dist, name), { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) {
  runMain(() => {
    const { values } = parseArgs({ options: { target: { type: "string" } } });
    build(setup(), values.target);
  });
}
