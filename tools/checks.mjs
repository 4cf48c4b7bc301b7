/** What is checked besides the tests: each a command that must succeed, and how to mend what it finds. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { commandOf } from "./run.mjs";

/**
 * The checks in order: `name`, `command` (program and arguments), `mend`, and `skip`, the reason why it cannot
 * be run.
 */
export function checks({ deno }) {
  const entries = ["mod.ts", "mcp.ts", "cli.ts"].filter((name) => existsSync(join(root, name)));
  const generator = join("docs", "generate.ts");
  return [
    {
      name: "format, lint and import order (biome)",
      command: [...commandOf("biome"), "ci", "--diagnostic-level=warn", "."],
      mend: "`npm run format` rewrites what it can; `npm run lint` shows the rest",
    },
    {
      name: "types for Bun (tsc)",
      command: [...commandOf("tsc"), "--noEmit"],
      mend: "mend the types it names; again alone: `npm run check`",
    },
    {
      name: "types for Deno (deno check)",
      command: [deno, "check", ...entries],
      skip:
        deno === undefined
          ? "Deno is not installed"
          : entries.length === 0
            ? "no mod.ts or cli.ts"
            : undefined,
      mend: "mend the types it names (what only Bun has belongs in lib/runtime/); again alone: `npm run check`",
    },
    {
      name: "docs are current",
      command: [...commandOf("bun"), generator, "--check"],
      skip: existsSync(join(root, generator)) ? undefined : `no ${generator}`,
      mend: "`npm run docs` writes them again; commit the result",
    },
  ];
}
