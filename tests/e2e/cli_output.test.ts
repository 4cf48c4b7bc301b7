/** What commands do when their output cannot be written: say so and fail, or end as a reader that goes wants. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../support/cli.ts";

setDefaultTimeout(30_000);

let home = "";
let large = "";

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "exec-server-test-"));
  large = join(home, "large");
  writeFileSync(large, "a line of it\n".repeat(200_000));
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Runs a line of shell, in which `"$@"` is the command. */
async function shell(
  line: string,
  command: readonly string[],
): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = Bun.spawn(["bash", "-c", line, "bash", ...program, ...command], {
    env: { ...process.env, CODEX_HOME: home },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, stdout, stderr };
}

const noRoom = (what: string): string =>
  `exec-server: Cannot write standard ${what}: ENOSPC: no space left on device, write\n`;

describe("no room for the output", () => {
  const commands: [status: number, ...command: string[]][] = [
    [1, "--version"],
    [1, "--help"],
    [1, "cp", "--help"],
    [1, "env", "list", "--json"],
    [1, "env", "check"],
    [1, "ls", "/"],
    [1, "stat", "/"],
    [1, "cat", "/etc/passwd"],
    [1, "search", "root", "/etc/passwd"],
    [255, "run", "--", "echo", "text"],
    [255, "run", "--", "yes"],
    [1, "serve"],
  ];
  for (const [status, ...command] of commands) {
    test(`${command.join(" ")} fails with ${status} and says why`, async () => {
      // One that does not fail would serve for ever.
      const found = await shell('timeout 20 "$@" > /dev/full', command);
      expect([found.status, found.stdout]).toEqual([status, ""]);
      expect(found.stderr).toEndWith(noRoom("output"));
    });
  }

  test("run: the errors of the command are results, too", async () => {
    const command = ["run", "--", "sh", "-c", "echo text >&2; exit 3"];
    expect((await shell('"$@" 2> /dev/full', command)).status).toBe(255);
  });

  const script = (lines: string, to: string) =>
    shell(`printf '${lines}\\n' | "$@" ${to}; echo "\${PIPESTATUS[1]}" >&2`, ["repl"]);

  test("a script of the prompt ends with 255 and says why", async () => {
    for (const line of ["echo text", "yes", ":cat /etc/passwd", ":help"]) {
      const { stdout, stderr } = await script(`${line}\\necho second >&2`, "> /dev/full");
      expect([line, stdout, stderr]).toEqual([line, "", `${noRoom("output")}255\n`]);
    }
  });

  test("a script of the prompt: the errors of its commands are results, too", async () => {
    const { stdout, stderr } = await script("echo text >&2\\necho second", "2> /dev/full");
    expect([stdout, stderr]).toEqual(["", "255\n"]);
  });

  test("where standard error has no room, the status tells", async () => {
    expect((await shell('"$@" 2> /dev/full', ["ls", "/nothing/there"])).status).toBe(1);
    expect((await shell('"$@" > /dev/full 2>&1', ["ls", "/"])).status).toBe(1);
  });
});

describe("a reader that goes ends a command as SIGPIPE would, without a word", () => {
  const commands = [
    ["ls", "-l", "/usr/bin", "/usr/bin", "/usr/bin", "/usr/bin"],
    ["search", "line"],
    ["cat"],
    ["run", "--", "yes"],
  ];
  test("serve, before anybody was told its address", async () => {
    const line = `exec 3> >(:); wait $!; timeout 20 "$@" >&3; echo $?`;
    expect((await shell(line, ["serve"])).stdout).toBe("141\n");
  });

  for (const command of commands) {
    test(command.join(" "), async () => {
      const path = ["search", "cat"].includes(command[0]!) ? [large] : [];
      const line = `"$@" | head -c 5 > /dev/null; echo "\${PIPESTATUS[0]}"`;
      expect(await shell(line, [...command, ...path])).toEqual({ status: 0, stdout: "141\n", stderr: "" });
    });
  }
});
