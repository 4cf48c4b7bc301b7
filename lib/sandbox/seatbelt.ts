/** The profile for `sandbox-exec` of macOS. Made by the documented rules of the language and not run by our tests. */

import { hasAllFiles, type Policy } from "./policy.ts";

/** What every program needs to begin. */
const begin = `(version 1)
(deny default)
(allow process-exec process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow file-read-metadata)
(allow file-ioctl (regex #"^/dev/(tty|ttys[0-9]+|ptmx)$"))
(allow file-read* file-write* (regex #"^/dev/(tty|ttys[0-9]+|ptmx|null|zero|random|urandom)$"))
(allow pseudo-tty)
(allow ipc-posix-sem)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
`;

const network = `(allow network*)
(allow system-socket)
(allow mach-lookup (global-name "com.apple.SystemConfiguration.configd") (global-name "com.apple.trustd.agent"))
`;

/** Words behind `sandbox-exec` and before the command. */
export function seatbeltArguments(policy: Policy): string[] {
  const lines: string[] = [];
  const parameters: string[] = [];
  // The last line that matches decides, and the rules have a folder before what is in it.
  for (const [i, { path, access }] of policy.rules.entries()) {
    const name = `RULE_${i}`;
    parameters.push(`-D${name}=${path}`);
    const place = `(subpath (param "${name}"))`;
    if (access === "write" && !policy.looksOnly) lines.push(`(allow file-read* file-write* ${place})`);
    else if (access !== "deny") lines.push(`(allow file-read* ${place})`, `(deny file-write* ${place})`);
    else lines.push(`(deny file-read* file-write* ${place})`);
  }
  for (const pattern of policy.denyGlobs) {
    lines.push(`(deny file-read* file-write* (regex #"${globRegex(pattern)}"))`);
  }
  if (hasAllFiles(policy)) lines.push("(allow file*)");
  const profile = `${begin}${policy.network ? network : ""}${lines.join("\n")}\n`;
  return ["-p", profile, ...parameters];
}

/** The pattern itself and what is beneath a match. Sets and alternatives are the same in both languages. */
function globRegex(pattern: string): string {
  const source = pattern.replace(/\*\*\/|\*+|\?|\{|\}|,|[.+^$()|\\"]/g, (piece) => {
    if (piece === "**/") return "(.*/)?";
    if (piece.startsWith("**")) return ".*";
    if (piece === "*") return "[^/]*";
    if (piece === "?") return "[^/]";
    if (piece === "{") return "(";
    if (piece === "}") return ")";
    return piece === "," ? "|" : `[${piece === "\\" || piece === "^" ? `\\${piece}` : piece}]`;
  });
  return `^${source}(/.*)?$`;
}
