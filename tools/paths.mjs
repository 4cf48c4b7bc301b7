/**
 * Where things are: the checkout, and the executables npm brought (Bun, Deno, the real codex), wherever it
 * put them.
 */

import { accessSync, chmodSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const peers = join(root, "tests", "peers");
/** The MCP SDK and its servers. */
export const mcpPeers = join(peers, "mcp");
const exe = process.platform === "win32" ? ".exe" : "";

/** The executable the build leaves. */
export const builtPath = join(root, "dist", `exec-server${exe}`);

/** The pinned Bun, or undefined. */
export function bunPath() {
  // An npm that does not run install scripts leaves a text file at the first place and the program at the
  // second; the script moves it from the second to the first.
  return firstProgram([
    join(root, "node_modules", "bun", "bin", "bun.exe"),
    ...platformFolders(join(root, "node_modules", "@oven"), "bun-").map((at) => join(at, "bin", `bun${exe}`)),
  ]);
}

/** The pinned Deno, or undefined. */
export function denoPath() {
  const modules = join(peers, "node_modules");
  return firstProgram([
    join(modules, "deno", `deno${exe}`),
    ...platformFolders(join(modules, "@deno"), "").map((at) => join(at, `deno${exe}`)),
  ]);
}

/** The native program of one release of the real codex, or undefined. */
export function codexPath(version) {
  const require = createRequire(join(peers, "node_modules", `codex-${version}`, "package.json"));
  const name = `@openai/codex-${process.platform}-${process.arch}/package.json`;
  // Both releases have a package of this name: npm hoists one and nests the other, so look at the version.
  for (const folder of require.resolve.paths(name) ?? []) {
    const manifest = join(folder, name);
    if (!existsSync(manifest)) continue;
    if (!JSON.parse(readFileSync(manifest, "utf8")).version.startsWith(`${version}-`)) continue;
    const vendor = join(dirname(manifest), "vendor");
    return firstProgram(readdirSync(vendor).map((triple) => join(vendor, triple, "bin", `codex${exe}`)));
  }
  return undefined;
}

/** A program's place on the PATH, or undefined. */
export function onPath(name) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name + exe)).find((path) => existsSync(path));
}

function platformFolders(scope, prefix) {
  if (!existsSync(scope)) return [];
  const musl = existsSync("/etc/alpine-release");
  const names = readdirSync(scope).filter((name) => name.startsWith(prefix));
  // An npm that knows no `libc` field installs the glibc and the musl package.
  names.sort((a, b) => Number(b.endsWith("musl") === musl) - Number(a.endsWith("musl") === musl));
  return names.map((name) => join(scope, name));
}

function firstProgram(paths) {
  for (const path of paths) {
    if (!existsSync(path) || statSync(path).size < 1_000_000) continue;
    try {
      accessSync(path, constants.X_OK);
    } catch {
      chmodSync(path, 0o755);
    }
    return path;
  }
  return undefined;
}
