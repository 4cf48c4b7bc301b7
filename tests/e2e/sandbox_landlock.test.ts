/** Ways out of a sandbox where bubblewrap cannot work and the kernel's file rules hold alone: as root and as an ordinary user. */

import { expect, test } from "bun:test";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { asEachUser } from "../support/attempt.ts";
import { fileAttempts } from "../support/file_attempts.ts";
import { listeners, networkAttempts, otherAttempts, reach } from "../support/outward_attempts.ts";
import {
  at,
  glob,
  managed,
  readOnly,
  special,
  withoutExceptions,
  workspaceWrite,
} from "../support/sandbox.ts";

asEachUser(
  "where namespaces are used up",
  (get) => {
    fileAttempts(get, (a) => withoutExceptions(a.work));
    otherAttempts(get, (a) => readOnly(a.work));
    networkAttempts(get, (a) => readOnly(a.work));

    test("with the network, others are reached", async () => {
      const a = get();
      const { port, socket, datagrams } = await listeners(a);
      const sandbox = managed(a.work, [special("root", "read")], "enabled");
      const told = await a.run(reach(port, socket, datagrams), sandbox);
      for (const way of ["tcp", "udp", "unix", "own"]) expect(told.stdout).toContain(`${way}:done`);
    });

    test("nothing can be written, changed or given away, and everything be read", async () => {
      const a = get();
      await a.prepare("echo there > file");
      const told = await a.run(
        `cat file; echo x > new; echo x >> file; rm file; mv file f; ln file g; ln -s file h; mkdir d; truncate -s 0 file
         chmod 777 file; touch -d 2001-01-01 file; touch file; exec 3<file; echo x > /proc/self/fd/3; echo x > /dev/null && echo null`,
        readOnly(a.work),
      );
      expect(told.stdout).toBe("there\nnull\n");
      expect(readdirSync(a.work)).toEqual(["file"]);
      expect(readFileSync(join(a.work, "file"), "utf8")).toBe("there\n");
      expect(lstatSync(join(a.work, "file")).mode & 0o777).toBe(0o644);
      a.expectOutsideUntouched();
    });

    test("where little can be read, a program sees itself in /proc and nobody else", async () => {
      const a = get();
      const sandbox = managed(a.work, [special("minimal", "read"), special("project_roots", "read")]);
      const other = await a.free("echo $$; exec sleep 1000");
      await other.says("\n");
      const pid = Number.parseInt(other.text, 10);
      const read = async (...paths: string[]) => await a.server.run(["/bin/cat", ...paths], { sandbox });
      const own = await read("/proc/self/maps");
      expect([own.exitCode, own.stdout.includes("[stack]")]).toEqual([0, true]);
      const told = await read(
        `/proc/${pid}/cmdline`,
        `/proc/${pid}/status`,
        "/proc/self/root/etc/../proc/stat",
        "/proc/version",
      );
      expect(told.stdout).toBe("");
      expect(told.stderr.split("Permission denied").length).toBe(5);
    });

    test("no right of the administrator is left", async () => {
      const told = await get().run(
        "grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status",
        readOnly(get().work),
      );
      const zero = "0".repeat(16);
      expect(told.stdout).toBe(`CapPrm:\t${zero}\nCapEff:\t${zero}\nNoNewPrivs:\t1\n`);
    });

    test("what the kernel's rules cannot say is refused, and nothing is started", async () => {
      const a = get();
      const rules = [special("root", "read"), ...withoutExceptions(a.work)];
      const rows: [string, object][] = [
        ["true", workspaceWrite(a.work)],
        ["mkdir .git", workspaceWrite(a.work)],
        ["echo gitdir: store > .git", workspaceWrite(a.work)],
        ["ln -s store .git", workspaceWrite(a.work)],
        ["true", managed(a.work, [special("root", "read"), at(a.victim, "deny")])],
        ["true", managed(a.work, [...rules, glob("**/*.pem")])],
        ["echo x > x.pem", managed(a.work, [special("root", "read"), glob("**/*.pem")])],
      ];
      for (const [before, sandbox] of rows) {
        await a.prepare(before);
        await a.run(`touch ${a.outside}/ran ran`, sandbox).then(
          () => expect.unreachable(),
          (error: Error) =>
            expect(error.message).toMatch(/only bubblewrap could hold .*, and it does not work/),
        );
        expect(readdirSync(a.work)).not.toContain("ran");
        a.expectOutsideUntouched();
        await a.clear();
      }
      await a.run("touch ran", managed(a.work, rules));
      expect(readdirSync(a.work)).toEqual(["ran"]);
    });
  },
  true,
);
