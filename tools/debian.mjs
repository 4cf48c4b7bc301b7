/** The programs some tests drive (tmux, vim, …): installed on Debian when we are root, else only reported. */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { onPath } from "./paths.mjs";
import { progress } from "./report.mjs";

/** A program, the Debian package that has it, and what is skipped without it. */
const programs = [
  { name: "tmux", from: "tmux", tests: "the REPL tests in a real terminal" },
  { name: "vim", from: "vim", tests: "the full-screen editor tests" },
  { name: "less", from: "less", tests: "the pager tests" },
  { name: "top", from: "procps", tests: "the full-screen refresh tests" },
  { name: "bwrap", from: "bubblewrap", tests: "the sandbox tests" },
  { name: "git", from: "git", tests: "nothing: the repo tests list the folder instead" },
];

/** Installs what is missing if it can; says what will be skipped otherwise. Never fails. */
export function setupDebian() {
  const missing = () => programs.filter((program) => onPath(program.name) === undefined);
  const before = missing();
  if (before.length === 0) return;
  let why = "not Debian, or not root";
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version") && onPath("apt-get") !== undefined) {
    why = aptInstall(before.map((program) => program.from)) || "apt-get did, but it is not on the PATH";
  }
  for (const { name, from, tests } of missing()) {
    process.stderr.write(
      `Skipped without ${name} (Debian package ${from}): ${tests}. Not installed: ${why}\n`,
    );
  }
}

function aptInstall(packages) {
  const done = progress(`Installing Debian packages for the tests (${packages.join(", ")}) …`);
  const lists = "/var/lib/apt/lists";
  const known = existsSync(lists) && readdirSync(lists).some((name) => name.includes("_Packages"));
  const install = () => apt(["install", "-y", "--no-install-recommends", ...packages]);
  // Lists may be missing, or name files that have gone since.
  const error = (known ? install() : "no lists") && (apt(["update"]) || install());
  done();
  return error;
}

/** Runs apt-get. Returns the last line of its complaint, or "". */
function apt(args) {
  const result = spawnSync("apt-get", ["-q", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    timeout: 300_000,
  });
  if (result.status === 0) return "";
  return (
    result.stderr?.trim().split("\n").at(-1) || result.error?.message || `apt-get ended by ${result.signal}`
  );
}
