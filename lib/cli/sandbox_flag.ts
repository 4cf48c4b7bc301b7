/** The value of `--sandbox`. */

import { suggestion } from "../flags/flags.ts";
import { ExecServerError } from "../protocol/errors.ts";
import type { SandboxMode } from "../protocol/sandbox.ts";
import { sandboxModes } from "../protocol/sandbox_modes.ts";

/** @throws {ExecServerError} `ERR_USAGE` */
export function parseSandboxMode(value: string): SandboxMode {
  const mode = sandboxModes.find((known) => known === value);
  if (mode !== undefined) return mode;
  const hint = suggestion(value, sandboxModes) || `: expected one of ${sandboxModes.join(", ")}`;
  throw new ExecServerError("ERR_USAGE", `"--sandbox" has the value "${value}"${hint}`);
}
