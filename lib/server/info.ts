/** What `environment/info` says of this machine. */

import process from "node:process";
import type { Capabilities, EnvironmentInfo, ShellInfo } from "../protocol/environment.ts";
import { pathToUri } from "../protocol/path_uri.ts";
import { version } from "../protocol/version.ts";
import { digest } from "../runtime/digest.ts";
import { nodeOs, nodePath } from "../runtime/node_modules.ts";
import { fileExists, fileText } from "../runtime/small_files.ts";

/** What this server implements of what a client may ask for. */
export const serverCapabilities: Readonly<Capabilities> = {
  processCloseStdin: true,
  processResize: true,
  processSignals: true,
  processOutputWindow: true,
  processSandbox: true,
  processTerminateGrace: true,
  processList: true,
  processStartOnce: true,
  sessionAttach: true,
  processLimits: true,
};

const knownShells = new Set(["zsh", "bash", "sh"]);

/** Computed at each call, as folders and variables change; what is sent is kept for a moment (`info_texts.ts`). */
export function environmentInfo(): EnvironmentInfo {
  const home = homeDir();
  const temporary = process.env.TMPDIR;
  const cwd = workingDir();
  return {
    shell: defaultShell(),
    executorVersion: version,
    providerId: providerId(),
    cwd: cwd === null ? null : pathToUri(cwd),
    ...(home === undefined ? {} : { userHomeDir: pathToUri(home) }),
    platformOs:
      process.platform === "darwin" ? "macos" : process.platform === "win32" ? "windows" : process.platform,
    prependPathDirs: [],
    temporaryDirectories: temporary ? [pathToUri(temporary)] : [],
    // Not `tmpdir()` alone, which looks at TMP and TEMP too; the peer does so on Windows only.
    tempDir: pathToUri(process.platform === "win32" ? nodeOs().tmpdir() : temporary || "/tmp"),
    capabilities: serverCapabilities,
  };
}

/** The login shell of the user that runs us; the variable SHELL does not count. */
export function defaultShell(login: string | undefined = loginShell()): ShellInfo {
  const base = login?.slice(login.lastIndexOf("/") + 1);
  if (login && base && knownShells.has(base) && fileExists(login)) return { name: base, path: login };
  const order = process.platform === "darwin" ? ["zsh", "bash"] : ["bash", "zsh"];
  const { delimiter, join } = nodePath();
  for (const name of order) {
    const folders = [...(process.env.PATH ?? "").split(delimiter), "/bin", "/usr/bin", "/usr/local/bin"];
    const path = folders
      .map((folder) => join(folder, name))
      .find((file) => file.startsWith("/") && fileExists(file));
    if (path) return { name, path };
  }
  return { name: "sh", path: "/bin/sh" };
}

function loginShell(): string | undefined {
  const uid = process.geteuid?.();
  try {
    // Not `userInfo().shell`: Bun takes that from the variable SHELL.
    for (const line of fileText("/etc/passwd").split("\n")) {
      const fields = line.split(":");
      if (fields.length >= 7 && Number(fields[2]) === uid && fields[2] !== "") return fields[6];
    }
  } catch {
    // No such file, as on Windows.
  }
  try {
    return nodeOs().userInfo().shell ?? undefined;
  } catch {
    return undefined;
  }
}

function homeDir(): string | undefined {
  try {
    // What Node answers too, without its module.
    const home = (process.platform !== "win32" && process.env.HOME) || nodeOs().homedir();
    return home === "" ? undefined : home;
  } catch {
    return undefined;
  }
}

/** The start directory; null when it is gone. */
export function workingDir(): string | null {
  try {
    const cwd = process.cwd();
    // Bun answers from its memory when the folder is gone.
    return fileExists(cwd) ? cwd : null;
  } catch {
    return null;
  }
}

let provider: string | undefined;

/** Stable for a machine, and says nothing about it. */
function providerId(): string {
  provider ??= `sha256:${digest("sha256", `exec-server\0${machineId()}`).toHex()}`;
  return provider;
}

function machineId(): string {
  try {
    return fileText("/etc/machine-id").trim();
  } catch {
    return nodeOs().hostname();
  }
}
