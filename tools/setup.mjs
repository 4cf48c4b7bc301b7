/**
 * Installs what is missing: our dependencies with the pinned Bun and, with `--peers`, what the tests run
 * beside our sources (Deno, two releases of codex, the MCP SDK). Says nothing when all is there.
 *
 * It runs `npm install --no-save` in an empty node_modules, which takes the versions and checksums of the
 * lock file and leaves that file alone. `npm ci` would refuse a lock file written with a registry that lacks
 * packages for other platforms, and those are optional here.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exclusively } from "./lock.mjs";
import { bunPath, codexPath, denoPath, mcpPeers, peers, root } from "./paths.mjs";
import { isMain, progress, runMain, ToolError } from "./report.mjs";

export const codexVersions = ["0.138.0", "0.169.0"];

/** Installs the dependencies unless they are there. Returns the path of Bun. */
export function setup() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new ToolError(`Node 20 or newer is needed, this is ${process.versions.node}`);
  install(root, "dependencies (about 250 MB, once)", () => bunPath() !== undefined);
  return bunPath();
}

/** Installs what only the tests need. Returns the paths of Deno and of both releases of codex. */
export function setupPeers() {
  const found = () => ({ deno: denoPath(), codex: codexVersions.map(codexPath) });
  install(peers, "Deno and two codex releases for the tests (about 720 MB, once)", () => {
    return existsSync(join(peers, "node_modules")) && found().deno !== undefined;
  });
  install(mcpPeers, "the MCP SDK and its servers for the tests (about 40 MB, once)", () => {
    return existsSync(join(mcpPeers, "node_modules", "@modelcontextprotocol", "sdk"));
  });
  return found();
}

function install(folder, what, complete) {
  const isDone = () => read(stampOf(folder)) === state(folder) && complete();
  if (isDone()) return;
  const onWait = (pid) => process.stderr.write(`Waiting for another set-up here (process ${pid}) …\n`);
  exclusively("setup", onWait, () => isDone() || installAnew(folder, what, complete));
}

function stampOf(folder) {
  return join(folder, "node_modules", ".exec-server-setup");
}

function installAnew(folder, what, complete) {
  if (!(asLocked(folder) && complete())) {
    const done = progress(`Installing ${what} …`);
    // Not on top of what is there: npm takes a package for installed when its package.json is. One that has just been
    // interrupted may be at it still.
    rmSync(join(folder, "node_modules"), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    npmInstall(folder);
    if (!complete()) {
      throw new ToolError(
        `npm installed ${folder}, but not the programs for ${process.platform}-${process.arch}: is there a release for it, and are optional dependencies on (npm config get omit)?`,
      );
    }
    done();
  }
  writeFileSync(stampOf(folder), state(folder)); // Last, so that an interrupted install is begun again.
}

function npmInstall(folder) {
  const terminal = process.stderr.isTTY === true;
  const flags = "--no-save --no-audit --no-fund --no-update-notifier --loglevel=error".split(" ");
  const wanted = ["--include=dev", "--include=optional", `--prefix=${folder}`];
  // Ctrl-C is for npm as well, which takes a while to clear up: nobody else may begin before.
  const stay = () => {};
  process.on("SIGINT", stay);
  const result = spawnSync("npm", ["install", ...flags, ...wanted], {
    cwd: folder,
    shell: process.platform === "win32",
    stdio: terminal ? ["ignore", "ignore", "inherit"] : ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  });
  process.off("SIGINT", stay);
  if (result.status === 0) return;
  if (!terminal) process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  const why =
    result.error?.message ?? (result.signal ? `ended by ${result.signal}` : `status ${result.status}`);
  throw new ToolError(
    `Cannot install the packages of ${folder}: npm: ${why}. Mend what it says above (often the network or a full disk) and run this again`,
  );
}

/** Changes with what should be installed, with the machine, and with whatever npm does in node_modules. */
function state(folder) {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  hash.update(JSON.stringify(wantedBy(readJson(join(folder, "package.json")))));
  hash.update(read(join(folder, "package-lock.json")) ?? "");
  hash.update(read(join(folder, "node_modules", ".package-lock.json")) ?? "");
  return hash.digest("hex");
}

/**
 * Whether node_modules is what the lock file says, so that it need not be installed again after somebody's
 * `npm install`. npm writes `.package-lock.json` when it has finished.
 */
function asLocked(folder) {
  const locked = readJson(join(folder, "package-lock.json"))?.packages;
  const installed = readJson(join(folder, "node_modules", ".package-lock.json"))?.packages;
  if (locked === undefined || installed === undefined) return false;
  const wanted = JSON.stringify(wantedBy(readJson(join(folder, "package.json"))));
  if (JSON.stringify(wantedBy(locked[""])) !== wanted) return false;
  return Object.entries(locked).every(([path, entry]) => {
    if (path === "" || (entry.optional && !forThisMachine(entry))) return true;
    const there = installed[path];
    return there?.integrity === entry.integrity && existsSync(join(folder, path, "package.json"));
  });
}

function forThisMachine(entry) {
  const allows = (list, value) => list === undefined || list.includes(value);
  return (
    allows(entry.os, process.platform) &&
    allows(entry.cpu, process.arch) &&
    allows(entry.libc, existsSync("/etc/alpine-release") ? "musl" : "glibc")
  );
}

function wantedBy(manifest) {
  return ["dependencies", "devDependencies", "optionalDependencies", "overrides"].map((kind) =>
    Object.entries(manifest?.[kind] ?? {}).sort(),
  );
}

function read(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function readJson(path) {
  const text = read(path);
  return text === undefined ? undefined : JSON.parse(text);
}

if (isMain(import.meta.url)) {
  runMain(() => {
    setup();
    if (process.argv.includes("--peers")) setupPeers();
  });
}
