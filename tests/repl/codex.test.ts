/** The REPL on the real servers, which have none of our extensions. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Setup } from "./setup.ts";
import { missing, root } from "./tmux.ts";

setDefaultTimeout(60_000);
const peers = join(root, "tests", "peers", "node_modules");
const versions = existsSync(peers) ? readdirSync(peers).filter((name) => /^codex-\d/.test(name)) : [];
const possible = missing.length === 0 && versions.length > 0;
if (!possible)
  console.warn("Skipping the REPL on codex exec-server: tests/peers is not installed, or tmux is missing");

let setup: Setup;
beforeAll(async () => {
  setup = await Setup.open();
  for (const name of versions) {
    const args = [join(peers, name, "bin", "codex.js"), "exec-server", "--listen", "stdio"];
    appendFileSync(
      join(setup.home, "environments.toml"),
      `[[environments]]\nid = "${name.replaceAll(".", "-")}"\nprogram = "node"\nargs = ${JSON.stringify(args)}\n`,
    );
  }
});
afterAll(() => setup[Symbol.asyncDispose]());

describe.skipIf(!possible).each(versions)("on %s", (version) => {
  test("lines, input, Ctrl-C, jobs, signals and a full-screen program work", async () => {
    const id = version.replaceAll(".", "-");
    await using terminal = await setup.terminal({ environment: id, columns: 100 });
    await terminal.until(new RegExp(`\\n${id}:.*work\\$$`));
    await terminal.run("cd /tmp; export A=kept");
    expect(await terminal.run("pwd; echo $A")).toBe("/tmp\nkept");

    await terminal.line("cat");
    await terminal.line("typed");
    await terminal.until(/\ntyped\ntyped$/);
    await terminal.keys("C-d");
    await terminal.until(/This server cannot end the input of a command/);
    await terminal.keys("C-c");
    await terminal.until(/\^C\n(exit 130 \(SIGINT\)|ended without an exit status|exit 130)\n.*\/tmp\$$/);

    await terminal.line("echo begun; sleep 300");
    await terminal.until(/\nbegun$/);
    await terminal.keys("C-z");
    await terminal.until(/\[1\] in the background.*\n.*\$$/);
    await terminal.line(":kill 1 USR1");
    for (let i = 0; i < 200 && !/\[1\] (exit|ended)/.test(await terminal.screen()); i++) {
      await terminal.keys("Enter");
      await terminal.prompt();
    }
    expect(await terminal.screen()).toMatch(/\[1\] (exit 138 \(SIGUSR1\)|ended without an exit status)/);

    await terminal.line("less /etc/passwd");
    await terminal.until(/\/etc\/passwd|\(END\)/);
    await terminal.keys("q");
    await terminal.prompt();
    await terminal.line(":quit");
    await terminal.until(/ended with/);
  });
});
