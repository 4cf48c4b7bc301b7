/** Looks a program up, as `execvp` does in the child. */

import { nodeFs, nodePath } from "./node_modules.ts";
import { errnoByName, osErrorText } from "./os_error.ts";
import { SpawnError } from "./runtime.ts";

/** What the C library searches when there is no PATH. */
const DEFAULT_PATH = "/bin:/usr/bin";

/**
 * The path to start: `name` itself when it has a slash, else the first executable of that name in `path`.
 * @throws {SpawnError} ENOENT, or EACCES when only files that may not be executed were found.
 */
export function findProgram(name: string, path: string | undefined, cwd: string): string {
  if (name.includes("/")) return name;
  let errno = errnoByName.get("ENOENT")!;
  for (const folder of name === "" ? [] : (path ?? DEFAULT_PATH).split(":")) {
    // An empty entry is the working directory of the child.
    const candidate = nodePath().resolve(cwd, folder, name);
    try {
      if (!nodeFs().statSync(candidate).isFile()) continue;
      nodeFs().accessSync(candidate, nodeFs().constants.X_OK);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EACCES") errno = errnoByName.get("EACCES")!;
    }
  }
  throw new SpawnError(errno, osErrorText(errno));
}
