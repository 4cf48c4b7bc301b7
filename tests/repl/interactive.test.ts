/** The REPL at a real terminal, on the built-in environment and on others. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runtimes, Setup, shellName } from "./setup.ts";
import { missing, type TmuxTerminal } from "./tmux.ts";

setDefaultTimeout(60_000);
const possible = missing.length === 0;
if (!possible) console.warn(`Skipping the REPL at a terminal: without ${missing.join(", ")}`);

let setup: Setup;
beforeAll(async () => {
  setup = await Setup.open({ server: true });
});
afterAll(() => setup[Symbol.asyncDispose]());

describe.skipIf(!possible).each(Object.keys(runtimes))("at a terminal on %s", (runtime) => {
  test("lines, Ctrl-C, a full-screen program, and the terminal as it was", async () => {
    await using terminal = await setup.terminal({ runtime });
    const banner = new RegExp(`^exec-server .* · local · ${shellName} · :help for help\nlocal:~/work\\$`);
    await terminal.until(banner);
    expect(await terminal.run("cd /tmp; export A=kept")).toBe("");
    expect(await terminal.run("echo $A; pwd")).toBe("kept\n/tmp");
    expect(await terminal.run("(exit 3)")).toBe("exit 3");
    expect(await terminal.run("sh -c 'kill -9 $$'")).toContain("exit 137 (SIGKILL)");

    await terminal.line("echo begun; sleep 300");
    await terminal.until(/\nbegun$/);
    await terminal.keys("C-c");
    await terminal.until(/\^C\nexit 130 \(SIGINT\)\nlocal:\/tmp\$$/);

    const file = join(setup.folder, `vim-${runtime}.txt`);
    await terminal.line(`vim -u NONE ${file}`);
    await terminal.until(/^~$/m);
    await terminal.type("ityped in vim");
    await terminal.keys("Escape");
    await terminal.line(":wq");
    await terminal.until((screen) => screen.includes("exit 137") && screen.endsWith("local:/tmp$"));
    expect(readFileSync(file, "utf8")).toBe("typed in vim\n");

    await terminal.keys("C-d");
    const screen = await terminal.until(/ended with 0(\n\S+){3}$/);
    expect(screen.slice(screen.indexOf("ended with 0")).split("\n").sort()).toEqual([
      "echo",
      "ended with 0",
      "icanon",
      "opost",
    ]);
  });

  test("a large paste, Tab and a second program after the first", async () => {
    await using terminal = await setup.terminal({ runtime });
    await terminal.prompt();
    await terminal.paste("echo 'one\ntwo'\necho three");
    await terminal.until(/> two'\n> echo three$/);
    await terminal.keys("Enter");
    await terminal.until(/\none\ntwo\nthree\nlocal:.*\$$/);
    await terminal.type(":att");
    await terminal.keys("Tab");
    await terminal.until(/:attach$/);
    await terminal.keys("C-c");
    for (let i = 0; i < 2; i++) {
      await terminal.line("less /etc/passwd");
      await terminal.until(/\/etc\/passwd|\(END\)/);
      await terminal.keys("q");
      await terminal.prompt();
    }
  });
});

describe.skipIf(!possible)("at a terminal", () => {
  let terminal: TmuxTerminal;
  beforeAll(async () => {
    terminal = await setup.terminal({ columns: 90, rows: 30 });
    await terminal.prompt();
  });
  afterAll(() => terminal?.[Symbol.asyncDispose]());
  const clear = async (): Promise<void> => {
    await terminal.prompt();
    await terminal.keys("C-l");
    await terminal.until((screen) => screen.split("\n").length === 1);
  };

  /** What happened is told before a prompt. */
  const entersUntil = async (text: string): Promise<void> => {
    const deadline = performance.now() + 15_000;
    while (!(await terminal.screen()).includes(text) && performance.now() < deadline) {
      await terminal.keys("Enter");
      await terminal.until(/\$$/);
    }
    expect(await terminal.screen()).toContain(text);
  };

  test("standard error has a colour of its own", async () => {
    await clear();
    await terminal.line("echo err >&2; sleep 0.1; echo out2");
    const screen = await terminal.until(/out2\n.*\$/, { colours: true });
    expect(screen).toMatch(/\n\x1b\[31merr/);
    expect(screen).toMatch(/\n(\x1b\[39m)?out2/);
  });

  test("output without a newline is marked, and the prompt is on its own line", async () => {
    await clear();
    await terminal.line("printf abc");
    await terminal.until(/abc⏎\nlocal:.*\$$/);
    await clear();
    await terminal.line("printf '\\000\\001\\377\\200'; printf '\\033[1mbold\\n'");
    const screen = await terminal.until(/bold\nlocal:.*\$$/);
    expect(screen).toContain("bold");
  });

  test("a line may have 64 KiB", async () => {
    await clear();
    await terminal.type("printf %s '");
    for (let i = 0; i < 8; i++) await terminal.paste("y".repeat(8192));
    await terminal.type("' | wc -c");
    await terminal.keys("Enter");
    await terminal.until(/\n65536\nlocal:.*\$$/);
  });

  test("what is typed goes to the command, and Ctrl-D ends its input", async () => {
    await clear();
    await terminal.line("cat; echo over");
    await terminal.type("wrongg");
    await terminal.keys("BSpace");
    await terminal.line("");
    await terminal.until(/\nwrong\nwrong$/);
    await terminal.keys("C-d");
    await terminal.until(/\nwrong\nwrong\nover\nlocal:.*\$$/);
  });

  test("a second Ctrl-C kills what ignores the first", async () => {
    await clear();
    await terminal.line("sh -c 'trap \"echo no\" INT; echo ready; while :; do sleep 1; done'");
    await terminal.until(/\nready$/);
    await terminal.keys("C-c");
    await terminal.until(/\^C\n(no\n)?/);
    await terminal.until(/still running/);
    await terminal.keys("C-c");
    await terminal.until(/killed\nexit 137 \(SIGKILL\)\nlocal:.*\$$/);
  });

  test("Ctrl-C gives a line up, and an unfinished text goes on", async () => {
    await clear();
    await terminal.type("echo lost");
    await terminal.keys("C-c");
    await terminal.until(/lost\nlocal:.*\$$/);
    await terminal.line("if true");
    await terminal.until(/\n>$/);
    await terminal.line("then echo yes; fi");
    await terminal.until(/\nyes\nlocal:.*\$$/);
  });

  test("the size of the terminal reaches the program, and so does its change", async () => {
    await clear();
    await terminal.line("stty size");
    await terminal.until(/\n30 90\n/);
    await terminal.line(":tty sh -c 'trap \"stty size\" WINCH; echo ready; while :; do sleep 0.1; done'");
    await terminal.until(/\nready$/);
    await terminal.resize(100, 25);
    await terminal.until(/\n25 100$/);
    await terminal.keys("C-c");
    await terminal.prompt();
    await terminal.resize(90, 30);
  });

  test("folder and variables carry over from a terminal program, TERM does not", async () => {
    await clear();
    await terminal.line(":tty cd /usr; export FROM_TTY=1; echo $TERM");
    await terminal.until(/\nscreen\nlocal:\/usr\$$|\ntmux-256color\nlocal:\/usr\$$/);
    expect(await terminal.run("pwd; echo $FROM_TTY")).toBe("/usr\n1");
    await terminal.run("cd -");
  });

  test("a command goes to the background and comes back", async () => {
    await clear();
    await terminal.line("for i in 1 2 3; do echo line $i; sleep 0.4; done; sleep 300");
    await terminal.until(/\nline 1/);
    await terminal.keys("C-z");
    await terminal.until(/\[1\] in the background: for i in 1 2 3/);
    await terminal.line(":jobs");
    await terminal.until(/\n1 +running +local +\d+ s +\d+ B +pipe +for i in/);
    await terminal.until(/\$$/);
    await clear();
    await terminal.line(":attach 1");
    await terminal.until(/line 2\nline 3$/);
    await terminal.line(":bg");
    await terminal.until(/\[1\] in the background/);
    await terminal.line(":kill 1 TERM");
    await terminal.line("");
    await entersUntil("[1] exit 143 (SIGTERM)");
    // It may have said something at its end.
    await terminal.line(":end 1");
  });

  test("a terminal program is left with Ctrl-], and drawn anew when it comes back", async () => {
    await clear();
    const file = join(setup.folder, "attach.txt");
    writeFileSync(file, "first line of the file\n");
    await terminal.line(`vim -u NONE ${file}`);
    await terminal.until(/^first line of the file\n~/);
    await terminal.keys("C-]");
    await terminal.until(/\[1\] in the background: vim.*\nlocal:.*\$$/);
    expect(await terminal.run("echo between")).toBe("between");
    await terminal.line(":attach");
    await terminal.until(/^first line of the file\n~/);
    await terminal.line(":q!");
    await terminal.until(/between\nlocal:.*\$ :attach\n.*\nlocal:.*\$$/);
  });

  test("what a line leaves behind goes on, is told of, and can be ended", async () => {
    await clear();
    await terminal.line("(sleep 1; echo late; sleep 300) & echo started");
    await terminal.until(/started\n\[1\] goes on in the background/);
    await terminal.prompt();
    await entersUntil("[1] has written 5 B (:attach 1)");
    await terminal.line(":end 1");
    await entersUntil("[1] done");
    await terminal.line(":attach 1");
    await terminal.until(/\nlate\n/);
    await clear();
    await terminal.line(":jobs");
    await terminal.until(/No jobs/);
  });

  test("a watch of files goes on until Ctrl-C", async () => {
    await clear();
    await terminal.run("cd; mkdir -p work/watched; cd work");
    await terminal.line(":watch watched");
    // It says nothing when it begins, so something happens until it is seen.
    let made = 0;
    const making = setInterval(() => writeFileSync(join(setup.folder, `watched/${made++}`), ""), 50);
    try {
      await terminal.until(/\ncreated +local:\S*\/work\/watched\/\d+$/);
    } finally {
      clearInterval(making);
    }
    await terminal.keys("C-c");
    await terminal.prompt();
    expect(await terminal.run("echo goes on")).toContain("goes on");
  });

  test("Tab completes commands, environments, programs and paths", async () => {
    await clear();
    await terminal.type(":use bo");
    await terminal.keys("Tab");
    await terminal.until(/:use box$/);
    await terminal.keys("C-u");
    await terminal.type(":use ");
    await terminal.keys("Tab");
    await terminal.until(/^local +box +pipe +down$/m);
    await terminal.keys("C-u");
    await terminal.type("whoa");
    await terminal.keys("Tab");
    await terminal.until(/\$ whoami$/);
    await terminal.keys("C-u");
    await terminal.run("cd ~/work; mkdir -p 'with space/deep'; touch 'with space/deep/file'");
    await terminal.type("ls wi");
    await terminal.keys("Tab");
    await terminal.until(/ls with\\ space\/$/);
    await terminal.keys("Tab");
    await terminal.until(/ls with\\ space\/deep\/$/);
    await terminal.keys("Tab", "Enter");
    await terminal.until(/\nwith space\/deep\/file\nlocal/);
  });

  test("Ctrl-R finds a line of before", async () => {
    await clear();
    await terminal.run("echo find-me-again");
    await terminal.run("true");
    await terminal.keys("C-r");
    await terminal.type("find-me");
    await terminal.until(/history “find-me”: echo find-me-again$/);
    await terminal.keys("Enter");
    await terminal.until(/\$ echo find-me-again\nfind-me-again\nlocal/);
  });

  test(":use goes to other environments, and stays where it is when that fails", async () => {
    await clear();
    await terminal.line(":use box");
    await terminal.until(/\nbox:.*\$$/);
    await terminal.run("cd /; export ON=box");
    await terminal.line(":use pipe");
    await terminal.until(/\npipe:.*\$$/);
    expect(await terminal.run("echo [$ON]")).toBe("[]");
    await terminal.line(":use down");
    await terminal.until(/Cannot connect to "ws:\/\/127\.0\.0\.1:1".*\npipe:.*\$$/);
    await terminal.line(":use nowhere");
    await terminal.until(/There is no environment "nowhere"/);
    await terminal.line(":use box");
    await terminal.until(/\nbox:\/\$$/);
    expect(await terminal.run("echo $ON")).toBe("box");
    await clear();
    await terminal.line(":env");
    await terminal.until(/^\* box +connected +ws:/m);
    await terminal.line(":use local");
    await terminal.until(/\nlocal:.*\$$/);
  });

  test("unknown commands get a suggestion, and a colon in front can be run", async () => {
    await clear();
    await terminal.line(":jbos");
    await terminal.until(/did you mean ":jobs"\?/);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
    await terminal.line("\\: ${X:=set}; echo $X");
    await terminal.until(/\nset\nlocal/);
    await terminal.line(":help");
    await terminal.until(/:quit \[STATUS\] .*\n.*:help keys/);
  });

  test("the history is its owner's only, and holds what was typed", () => {
    expect((statSync(setup.history).mode & 0o777).toString(8)).toBe("600");
    const lines = readFileSync(setup.history, "utf8").split("\n");
    expect(lines).toContain("printf abc");
    expect(lines).toContain(":use box");
  });
});

describe.skipIf(!possible)("a terminal session", () => {
  test("says at once that a server was lost, and the prompt comes back", async () => {
    await using own = await Setup.open({ server: true });
    await using terminal = await own.terminal({ environment: "box", columns: 120 });
    await terminal.prompt();
    await terminal.run("cd /tmp");
    await own.killServer();
    await terminal.until(/\nConnection to "box" lost: .*\nbox:\/tmp\$$/);
    await terminal.line("echo x");
    await terminal.until(/Cannot connect to "ws:.*\nbox:\/tmp\$$/);
    await own.startServer();
    expect(await terminal.run("pwd")).toBe("/tmp");
    await terminal.line("echo running; sleep 300");
    await terminal.until(/\nrunning$/);
    await own.killServer();
    await terminal.until(/lost: .*\n\[1\] in the background: echo running; sleep 300\nbox:\/tmp\$$/);
    await terminal.line(":use local");
    await terminal.until(/\nlocal:.*\$$/);
    expect(await terminal.run("echo alive")).toContain("alive");
    await terminal.line(":quit 9");
    await terminal.until(/ended with 9/);
  });

  test("says that a program was lost, and :use starts it again", async () => {
    await using own = await Setup.open();
    await using terminal = await own.terminal({ environment: "pipe", columns: 120 });
    await terminal.prompt();
    await terminal.line("kill -9 $PPID");
    await terminal.until(/Connection to "pipe" lost: .*\(:use pipe starts it again\)/);
    await terminal.line("echo x");
    await terminal.until(/has ended: .*\npipe:.*\$$/);
    await terminal.line(":use pipe");
    await terminal.until((screen) => /:use pipe\npipe:.*\$$/.test(screen));
    expect(await terminal.run("echo again")).toBe("again");
  });

  test("asks before Ctrl-D ends jobs, and ends them", async () => {
    await using terminal = await setup.terminal({ columns: 100 });
    await terminal.prompt();
    await terminal.line("sleep 876");
    await terminal.until((screen) => screen.endsWith("sleep 876"));
    await terminal.keys("C-z");
    await terminal.prompt();
    await terminal.keys("C-d");
    await terminal.until(/Still running: \[1\] sleep 876\. Ctrl-D again ends it and leaves\nlocal/);
    await terminal.keys("C-d");
    await terminal.until(/ending \[1\] sleep 876\nended with 0/);
    const { stdout } = await setup.script("pgrep -f '^sleep 876' || echo none\n");
    expect(stdout.toString()).toBe("none\n");
  });

  test("NO_COLOR and a dumb terminal have no colours", async () => {
    await using plain = await setup.terminal({ env: { NO_COLOR: "1" } });
    await plain.prompt();
    await plain.line("echo err >&2; false");
    await plain.until(/exit 1\n/);
    expect(await plain.screen({ colours: true })).not.toMatch(/\x1b\[3\dm/);
  });

  test("on a dumb terminal prompts and echoes without moving the cursor", async () => {
    await using terminal = await setup.terminal({ env: { TERM: "dumb" } });
    await terminal.prompt();
    await terminal.line("echo 'a");
    await terminal.until(/echo 'a\n>$/);
    await terminal.line("b'; cd /tmp");
    await terminal.until(/\na\nb\nlocal:\/tmp\$$/);
    expect(await terminal.screen({ colours: true })).not.toContain("\x1b[");
    await terminal.keys("C-d");
    await terminal.until(/ended with 0/);
  });

  test("told to end restores the terminal and ends what runs", async () => {
    await using terminal = await setup.terminal();
    await terminal.prompt();
    await terminal.line("echo $PPID; sleep 765");
    const pid = Number(/\n(\d+)\n?$/.exec(await terminal.until(/\n\d+$/))![1]);
    process.kill(pid, "SIGTERM");
    const screen = await terminal.until(/ended with 143\n[^$]*icanon/);
    expect(screen).toContain("ending [1] echo $PPID; sleep 765");
    const { stdout } = await setup.script("pgrep -f '^sleep 765' || echo none\n");
    expect(stdout.toString()).toBe("none\n");
  });
});
