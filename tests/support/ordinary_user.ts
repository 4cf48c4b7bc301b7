/** Servers without the rights of root, also where the tests have them. */

import { chmodSync, chownSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { LaunchOptions } from "./servers.ts";

export const isRoot: boolean = process.getuid?.() === 0;
export const NOBODY = 65534;

/** Deno keeps its cache where only root can read; those who are no root are ordinary users anyway. */
export const startable = (server: { id: string }): boolean => !isRoot || server.id !== "deno";

export const asNobody: LaunchOptions = {
  through: (folder) => {
    if (!isRoot) return [];
    for (const name of readdirSync(folder.path)) chownSync(join(folder.path, name), NOBODY, NOBODY);
    chmodSync(folder.path, 0o755);
    const setpriv = Bun.which("setpriv") ?? "setpriv";
    return [setpriv, `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"];
  },
};
