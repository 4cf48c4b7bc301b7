/** How a shell is told to run a command line. */

/** What is needed to know of a shell. */
export interface Shell {
  /** `bash`, `zsh`, `sh`, `powershell` or `cmd`; others are taken for one like `sh`. */
  name: string;
  path: string;
}

/** Program and arguments that run a command line, in a login shell or not. */
export function shellCommand(shell: Shell, command: string, login: boolean): string[] {
  switch (shell.name) {
    case "powershell":
    case "pwsh":
      return [shell.path, ...(login ? [] : ["-NoProfile"]), "-Command", command];
    case "cmd":
      return [shell.path, "/c", command];
    default:
      return [shell.path, login ? "-lc" : "-c", command];
  }
}

/** A shell by the path of its program. */
export function shellAt(path: string): Shell {
  const file = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  return { name: file.toLowerCase().replace(/\.exe$/, ""), path };
}
