/** Flags of `serve` about the HTTP requests that clients may have made. */

import type { FlagSpec } from "../flags/flags.ts";
import type { HttpOptions } from "../http/handlers.ts";
import { HttpPolicy, type PolicyRule, parseRule } from "../http/policy.ts";
import { ExecServerError } from "../protocol/errors.ts";

export const httpPolicyFlags = {
  "http-allow": {
    type: "list",
    value: "RULE",
    help: 'Let clients have HTTP requests made to nothing else: a name,\n"*.NAME", address, ADDRESS/BITS or "*", also with :PORT\n(repeatable; default: all but link-local addresses and\nthe metadata services of clouds)',
  },
  "http-deny": { type: "list", value: "RULE", help: "No HTTP requests to these (repeatable; comes first)" },
  "http-env": {
    type: "list",
    value: "NAME",
    help: "A variable that clients may send as a header without\nseeing it (repeatable)",
  },
} as const satisfies Record<string, FlagSpec>;

/** @throws {ExecServerError} `ERR_USAGE`: a rule or a name that is none. */
export function httpOptions(flags: { [K in keyof typeof httpPolicyFlags]: string[] }): HttpOptions {
  const wrong = flags["http-env"].find((name) => !/^[^=\0\s]+$/.test(name));
  if (wrong !== undefined) {
    throw new ExecServerError(
      "ERR_USAGE",
      `"--http-env" has the value "${wrong}": expected the name of a variable`,
    );
  }
  return {
    policy: new HttpPolicy(rules("http-allow", flags["http-allow"]), rules("http-deny", flags["http-deny"])),
    lentVariables: flags["http-env"],
  };
}

function rules(flag: string, texts: readonly string[]): PolicyRule[] {
  return texts.map((text) => {
    const rule = parseRule(text);
    if (rule) return rule;
    throw new ExecServerError(
      "ERR_USAGE",
      `"--${flag}" has the value "${text}": expected a name, "*.NAME", an address, ADDRESS/BITS or "*", with :PORT or without`,
    );
  });
}
