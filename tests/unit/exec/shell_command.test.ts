import { expect, test } from "bun:test";
import { shellAt, shellCommand } from "../../../lib/exec/shell_command.ts";

test("a shell is told to run a command line as it understands it", () => {
  const argv = (path: string, login: boolean): string[] => shellCommand(shellAt(path), "ls", login);
  expect(argv("/bin/bash", true)).toEqual(["/bin/bash", "-lc", "ls"]);
  expect(argv("/bin/zsh", false)).toEqual(["/bin/zsh", "-c", "ls"]);
  expect(argv("C:\\Windows\\PowerShell.exe", true)).toEqual([
    "C:\\Windows\\PowerShell.exe",
    "-Command",
    "ls",
  ]);
  expect(argv("pwsh", false)).toEqual(["pwsh", "-NoProfile", "-Command", "ls"]);
  expect(argv("C:\\Windows\\cmd.exe", true)).toEqual(["C:\\Windows\\cmd.exe", "/c", "ls"]);
});
