/** `--env NAME=VALUE`. */

import { ExecServerError } from "../protocol/errors.ts";

/** @throws {ExecServerError} `ERR_USAGE`, without the value. */
export function parseVariables(pairs: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals <= 0) throw new ExecServerError("ERR_USAGE", '"--env" has a wrong value: expected NAME=VALUE');
    env[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return env;
}
