/** Where the servers under test are: named by the environment, else found where set-up puts them. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The top folder of the checkout. */
export const root: string = join(import.meta.dir, "..", "..");

/** A program, or why there is none. */
export type Found = { path: string } | { missing: string };

/** The Bun that runs the tests. */
export const bun: Found = { path: process.execPath };

/** Deno, of the peers. */
export const deno: Found = find("EXEC_SERVER_DENO", [
  () => join(root, "tests/peers/node_modules/deno/deno"),
  () => firstIn(join(root, "tests/peers/node_modules/@deno"), (name) => join(name, "deno")),
]);

/** A release of the real codex. */
export const codex138: Found = find("EXEC_SERVER_CODEX_138", [() => codex("0.138.0")]);
export const codex169: Found = find("EXEC_SERVER_CODEX_169", [() => codex("0.169.0")]);

/** The folder of a ripgrep: what is installed, else what the real codex brings along. */
export const ripgrepFolder: string | undefined = [
  Bun.which("rg"),
  "path" in codex169 ? join(codex169.path, "../../codex-path/rg") : null,
]
  .filter((path) => path !== null && existsSync(path))
  .map((path) => dirname(path as string))[0];

/** Our executable. One that is older than its sources would be another program than the one under test. */
export const executable: Found = process.env.EXEC_SERVER_BIN
  ? find("EXEC_SERVER_BIN", [])
  : builtAfterSources(join(root, "dist", "exec-server"));

function find(variable: string, places: (() => string | undefined)[]): Found {
  const named = process.env[variable];
  if (named) return existsSync(named) ? { path: named } : { missing: `${variable} names no file` };
  for (const place of places) {
    const path = place();
    if (path && existsSync(path) && statSync(path).size > 1_000_000) return { path };
  }
  return { missing: `${variable} is not set and tests/peers has no such program: npm test installs it` };
}

function codex(version: string): string | undefined {
  const peers = join(root, "tests", "peers", "node_modules", `codex-${version}`, "package.json");
  const name = `@openai/codex-${process.platform}-${process.arch}/package.json`;
  // Both releases have a package of this name: npm hoists one and nests the other.
  for (const folder of createRequire(peers).resolve.paths(name) ?? []) {
    const manifest = join(folder, name);
    if (!existsSync(manifest)) continue;
    if (!(require(manifest) as { version: string }).version.startsWith(`${version}-`)) continue;
    return firstIn(join(manifest, "..", "vendor"), (triple) => join(triple, "bin", "codex"));
  }
  return undefined;
}

function firstIn(folder: string, place: (name: string) => string): string | undefined {
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .map((name) => join(folder, place(name)))
    .find((path) => existsSync(path));
}

function builtAfterSources(path: string): Found {
  if (!existsSync(path)) return { missing: "dist/exec-server is not built: npm run build" };
  const built = statSync(path).mtimeMs;
  const sources = readdirSync(join(root, "lib"), { recursive: true, encoding: "utf8" }).map((name) =>
    join(root, "lib", name),
  );
  const newer = [...sources, join(root, "cli.ts")].some((source) => statSync(source).mtimeMs > built);
  return newer ? { missing: "dist/exec-server is older than its sources: npm run build" } : { path };
}
