/** What a child finds: descriptors, session, terminal, signals, environment. */

import { expect } from "bun:test";
import { suite, verifies } from "../support/harness.ts";
import { loginOf, statOf } from "../support/proc.ts";
import { RawProcess } from "../support/raw_process.ts";

const lines = (text: string): string[] => text.replaceAll("\r", "").trimEnd().split("\n");

suite("child", { peerTransports: ["stdio"] }, (t) => {
  verifies("child: with pipes, its environment is exactly what was given", async () => {
    const env = { B: "2", "odd name": "x=y", EMPTY: "", É: "ü", "A-B": "line\nline" };
    const told = await t.run(["/usr/bin/env", "-0"], { env });
    const found = told.stdout.split("\0").slice(0, -1).sort();
    expect(found).toEqual(
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}`)
        .sort(),
    );
    expect((await t.run(["/usr/bin/env"], { env: {} })).stdout).toBe("");
  });

  verifies("child: in a terminal its environment is exactly what was given, too", async () => {
    const told = await t.run(["/usr/bin/env"], { env: { A: "1" }, tty: true });
    const { shell } = loginOf(process.getuid!());
    const difference = t.difference("SHELL in a terminal");
    expect(lines(told.pty).sort()).toEqual(difference ? ["A=1", `SHELL=${shell}`] : ["A=1"]);
  });

  verifies("child: stdin is /dev/null, or a pipe on demand", async () => {
    expect((await t.run("readlink /proc/self/fd/0; cat")).stdout).toBe("/dev/null\n");
    const child = await t.start("readlink /proc/self/fd/0", { pipeStdin: true });
    expect((await child.closed()).stdout).toStartWith("pipe:");
  });

  verifies("child: stdout and stderr are two pipes that can be opened again", async () => {
    const told = await t.run(
      "echo one; echo two > /dev/stderr; echo three > /dev/stdout; readlink /proc/self/fd/1 /proc/self/fd/2",
    );
    expect(told.stderr).toBe("two\n");
    expect(told.stdout).toMatch(/^one\nthree\npipe:\[\d+\]\npipe:\[\d+\]\n$/);
    const [, , out, err] = lines(told.stdout);
    expect(out).not.toBe(err);
  });

  verifies("child: it leads its own session and group", async () => {
    for (const tty of [false, true]) {
      const child = await t.start("echo $$; sleep 100", { tty });
      await child.says("\n");
      const pid = Number(child.text);
      const { group, session } = statOf(pid)!;
      expect({ group, session }).toEqual({ group: pid, session: pid });
      expect(session).not.toBe(statOf(t.pid)!.session);
      await child.end();
    }
  });

  verifies("child: it has no descriptor above 2", async () => {
    // A pile of other children first, whose descriptors must not leak.
    const others = await Promise.all(
      [1, 2, 3].map((i) => t.start("sleep 100", { tty: i === 2, pipeStdin: true })),
    );
    for (const tty of [false, true]) {
      const told = await t.run(["/bin/ls", "-1", "/proc/self/fd"], { tty });
      // 3 is the folder that ls itself reads.
      expect(lines(told.bytes.toString())).toEqual(["0", "1", "2", "3"]);
    }
    for (const other of others) await other.end();
  });

  verifies("child: no signal is blocked or ignored", async () => {
    for (const tty of [false, true]) {
      const told = await t.run(["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"], { tty });
      expect(lines(told.bytes.toString())).toEqual([
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
      ]);
    }
  });

  verifies("child: the umask and the limits of the server are inherited", async () => {
    const told = await t.run("umask; ulimit -n");
    const limit = /^Max open files\s+(\d+)/m.exec(await Bun.file(`/proc/${t.pid}/limits`).text())![1];
    const umask = /^Umask:\s+(\d+)/m.exec(await Bun.file(`/proc/${t.pid}/status`).text())![1];
    expect(lines(told.stdout)).toEqual([umask!, limit!]);
  });

  verifies("child: a terminal has 24 rows, 80 columns and the modes of the system", async () => {
    const told = await t.run("stty size; stty -a; tty", { tty: true });
    const [size, ...rest] = lines(told.pty);
    expect(size).toBe("24 80");
    const modes = rest.join(" ");
    for (const mode of ["echo", "icanon", "onlcr", "isig", "icrnl"])
      expect(modes).toMatch(new RegExp(`\\s${mode}\\b`));
    expect(modes).toMatch(/-iutf8\b/);
    expect(modes).toContain("/dev/pts/");
  });

  verifies("child: all three descriptors of a terminal child are the terminal", async () => {
    const told = await t.run(
      "test -t 0 && test -t 1 && test -t 2 && echo yes; echo err >&2; echo tty > /dev/tty",
      {
        tty: true,
      },
    );
    expect(told.pty).toBe("yes\r\nerr\r\ntty\r\n");
  });

  verifies("child: with pipes there is no controlling terminal", async () => {
    const told = await t.run("( : < /dev/tty ) 2>/dev/null && echo some || echo none");
    expect(told.stdout).toBe("none\n");
  });

  verifies("child: a terminal has job control, and typed keys become signals", async () => {
    const child = await t.start(["/bin/bash", "--norc", "-i"], {
      tty: true,
      env: { PATH: "/usr/bin:/bin", PS1: "prompt> ", HOME: t.folder.home },
    });
    await child.says("prompt> ");
    expect(child.text).not.toContain("no job control");
    const prompts = (): number => child.text.split("prompt> ").length - 1;
    const prompted = (count: number): Promise<unknown> => child.client.until(() => prompts() === count);
    // Keys typed before the program has the terminal would go to the shell.
    await child.write("sh -c 'echo go$((1)); exec sleep 100'\n");
    await child.says("go1");
    await child.write("\x1a");
    await child.says("Stopped");
    await prompted(2);
    await child.write("kill %1; wait %1; echo $((40+2))\n");
    await child.says("42");
    await prompted(3);
    await child.write("sh -c 'echo go$((2)); exec cat'\n");
    await child.says("go2");
    await child.write("\x03");
    await prompted(4);
    await child.write("exit 5\n");
    expect((await child.closed()).exitCode).toBe(5);
  });

  verifies("child: what is typed is echoed, and the end of input can be typed", async () => {
    const child = await t.start(["/bin/cat"], { tty: true });
    await child.write("hello\n");
    await child.says("hello\r\nhello\r\n");
    await child.write("\x04");
    const told = await child.closed();
    expect(told.exitCode).toBe(0);
    expect(told.stderr + told.stdout).toBe("");
  });

  verifies("child: a missing working directory is an error in a terminal too", async () => {
    const client = await t.client();
    const params = t.params("pwd", {
      tty: true,
      cwd: t.path("/no/such"),
      env: { PATH: "/bin", HOME: t.folder.home },
    });
    const child = new RawProcess(client);
    const answer = await client.ask("process/start", { processId: child.id, ...params });
    const got = answer.error ? answer.error.code : (await child.closed()).pty;
    const difference = t.difference("missing cwd in a terminal");
    expect(got).toBe(difference ? `${t.folder.home}\r\n` : -32603);
  });
});
