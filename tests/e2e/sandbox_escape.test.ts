/**
 * Ways out of a sandbox, each tried, as root and as an ordinary user, and beside each what must go on working. What an
 * attempt has done is looked up outside, where the sandbox cannot tell tales.
 */

import { expect, test } from "bun:test";
import { existsSync, linkSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { asEachUser } from "../support/attempt.ts";
import { ConfinedServer } from "../support/confined_server.ts";
import { until } from "../support/deadline.ts";
import { fileAttempts } from "../support/file_attempts.ts";
import { listeners, networkAttempts, otherAttempts, reach } from "../support/outward_attempts.ts";
import { RawProcess } from "../support/raw_process.ts";
import { at, glob, managed, special, workspaceWrite } from "../support/sandbox.ts";

asEachUser("files", (get) => {
  fileAttempts(get, () => [special("project_roots", "write")]);

  test("modes, owners, times and attributes of the outside stay", async () => {
    const a = get();
    const before = lstatSync(a.victim);
    await a.run(`chmod 777 ${a.victim}; touch -d 2001-01-01 ${a.victim}; chown $(id -u) ${a.victim}; chmod 755 ${a.outside}
      truncate -s 0 ${a.victim}; mv ${a.victim} moved; touch mine; chmod 600 mine`);
    const after = lstatSync(a.victim);
    expect([after.mode, after.mtimeMs, after.ctimeMs]).toEqual([before.mode, before.mtimeMs, before.ctimeMs]);
    expect(lstatSync(join(a.work, "mine")).mode & 0o777).toBe(0o600);
    a.expectOutsideUntouched();
  });

  test(".git and its like cannot be changed, removed, put aside or made, deeper ones can", async () => {
    const a = get();
    await a.prepare("mkdir .git .codex; echo ref > .git/HEAD");
    const told = await a.run(`
      echo x > .git/HEAD; echo x > .git/config; mkdir .git/hooks; rm -rf .git; mv .git aside; rmdir .codex
      mkdir .agents; echo x > .agents; ln -s ${a.outside} .aws; mv .agents x; rm -rf .agents; umount .agents
      mkdir fresh; mv fresh .agents; mkdir -p sub/.git; echo deep > sub/.git/config; cat sub/.git/config`);
    expect(told.stdout).toBe("deep\n");
    expect(readdirSync(join(a.work, ".git"))).toEqual(["HEAD"]);
    expect(readFileSync(join(a.work, ".git", "HEAD"), "utf8")).toBe("ref\n");
    expect(readdirSync(a.work).sort()).toEqual([".codex", ".git", "fresh", "sub"]);
  });

  test("a .git that is a file is held, and so is the folder that it names", async () => {
    const a = get();
    await a.prepare("mkdir -p store/tree; echo ref > store/tree/HEAD; echo 'gitdir: store/tree' > .git");
    await a.run(
      "echo 'gitdir: /tmp' > .git; rm .git; echo x > store/tree/HEAD; mv store other; mv store/tree t; echo ok > store/ok",
    );
    expect(readFileSync(join(a.work, ".git"), "utf8")).toBe("gitdir: store/tree\n");
    expect(readFileSync(join(a.work, "store/tree/HEAD"), "utf8")).toBe("ref\n");
    expect(readFileSync(join(a.work, "store/ok"), "utf8")).toBe("ok\n");
  });

  test("a .git that is a link is held, and so is what it leads to", async () => {
    const a = get();
    await a.prepare(
      "mkdir -p store/git; echo ref > store/git/HEAD; ln -s store/git .git; echo x > file; ln -s file l",
    );
    const told = await a.run(`
      rm .git; mv .git g; ln -sfn ${a.outside} .git; rm -rf .git; mkdir fresh; mv -T fresh .git; cp -d --remove-destination l .git
      echo x > .git/HEAD; echo x > store/git/HEAD; echo x > .git/new; mv store s; mv store/git g; ln .git h; unlink .git
      cat .git/HEAD; echo ok > store/ok; rm l; ln -s store l; mv l m; rm file; cat m/ok; ls -d fresh`);
    expect(told.stdout).toBe("ref\nok\nfresh\n");
    expect(readlinkSync(join(a.work, ".git"))).toBe("store/git");
    expect(readdirSync(join(a.work, "store/git"))).toEqual(["HEAD"]);
    expect(readFileSync(join(a.work, "store/git/HEAD"), "utf8")).toBe("ref\n");
    expect(readdirSync(a.work).sort()).toEqual([".git", "fresh", "m", "store"]);
  });

  test("a .git that is a link out of the workspace, or to nothing, is held too", async () => {
    const a = get();
    for (const target of [a.outside, "missing"]) {
      await a.clear();
      await a.prepare(`ln -s ${target} .git`);
      const told = await a.run(
        "rm .git; mkdir .git/hooks; rm -r missing; echo x > .git/victim; echo x > .git; echo ok > fine; cat fine",
      );
      expect(told.stdout).toBe("ok\n");
      expect(readlinkSync(join(a.work, ".git"))).toBe(target);
      expect(readdirSync(a.work).sort()).toEqual([".git", "fine"]);
    }
    a.expectOutsideUntouched();
  });

  test("what stands for missing names goes though the process has shut the folders", async () => {
    const a = get();
    await a.prepare("mkdir -p sub/inner");
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(a.work, "sub/inner/name"), "deny"),
    ]);
    await a.run("chmod 0 sub/inner; chmod 0 sub; chmod 500 .", sandbox);
    expect(lstatSync(a.work).mode & 0o777).toBe(0o500);
    await a.prepare("chmod 755 . sub; stat -c %a sub/inner > told; chmod 755 sub/inner");
    expect(readFileSync(join(a.work, "told"), "utf8")).toBe("0\n");
    expect([a.work, join(a.work, "sub/inner")].map((folder) => readdirSync(folder).sort())).toEqual([
      ["sub", "told"],
      [],
    ]);
  });

  test("two sandboxes hold a missing name together, and the last one gives it back", async () => {
    const a = get();
    const first = await a.server.start("read -r line; mkdir .git && echo made", {
      sandbox: workspaceWrite(a.work),
      pipeStdin: true,
    });
    const second = await a.run("mkdir .git && echo made; echo done");
    expect(second.stdout).toBe("done\n");
    expect(existsSync(join(a.work, ".git"))).toBe(true);
    await first.write("\n");
    expect((await first.closed()).stdout).toBe("");
    expect(readdirSync(a.work)).toEqual([]);
  });

  test("two servers hold a missing name together, and the last one gives it back", async () => {
    const a = get();
    const other = await ConfinedServer.start({ user: a.user });
    try {
      const params = { ...a.server.params("read -r line; mkdir .git && echo made"), pipeStdin: true };
      const held = { ...params, sandbox: workspaceWrite(a.work) };
      const first = await new RawProcess(a.server.client).start(held);
      const second = await new RawProcess(other.client).start(held);
      await first.write("\n");
      expect((await first.closed()).stdout).toBe("");
      expect(existsSync(join(a.work, ".git"))).toBe(true);
      await second.write("\n");
      expect((await second.closed()).stdout).toBe("");
      expect(readdirSync(a.work)).toEqual([]);
    } finally {
      await other.close();
    }
  });

  test("what is denied can be neither read, listed, replaced nor put aside", async () => {
    const a = get();
    await a.prepare(
      "echo secret > .env; mkdir -p keys/deep; echo secret > keys/deep/key; echo open > open; chmod 644 .env",
    );
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(a.work, ".env"), "deny"),
      at(join(a.work, "keys"), "deny"),
    ]);
    const told = await a.run(
      `cat .env; cat keys/deep/key; ls -A keys; cp .env c; ln .env l; mv .env e; mv keys k; rm -f .env; chmod 777 .env keys
       cat .env; umount .env; echo x > .env; cat /proc/1/root${a.work}/.env; cat open; echo fine > new`,
      sandbox,
    );
    expect(told.stdout).toBe("open\n");
    expect(readFileSync(join(a.work, ".env"), "utf8")).toBe("secret\n");
    expect(readFileSync(join(a.work, "keys/deep/key"), "utf8")).toBe("secret\n");
    expect(readFileSync(join(a.work, "new"), "utf8")).toBe("fine\n");
  });

  test("what a pattern matches at the start cannot be read, its neighbours can", async () => {
    const a = get();
    await a.prepare("mkdir -p a/b; echo secret > a/b/x.pem; echo secret > y.pem; echo open > a/b/x.txt");
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      glob("**/*.pem"),
    ]);
    const told = await a.run("cat y.pem a/b/x.pem; mv a c; cat c/b/x.pem; cat c/b/x.txt", sandbox);
    expect(told.stdout).toBe("open\n");
  });

  test("a folder that cannot be looked through is denied as a whole where something in it may match", async () => {
    const a = get();
    for (const mode of ["000", "100", "300", "400", "600"]) {
      await a.clear();
      await a.prepare(`mkdir -p shut/deep; echo secret | tee shut/.env > shut/deep/.env; chmod ${mode} shut`);
      const told = await a.run(
        "cat shut/.env; chmod 700 shut; cat shut/.env shut/deep/.env; echo ok",
        managed(a.work, [special("root", "read"), special("project_roots", "write"), glob("**/.env")]),
      );
      expect(told.stdout).toBe("ok\n");
    }
  });

  test("a folder with the time of one that stands for a missing name is no such folder, and hides nothing", async () => {
    const a = get();
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(a.work, "sub/keep"), "read"),
      glob("**/*.pem"),
    ]);
    await a.prepare("mkdir -p sub/keep; echo secret > sub/x.pem; echo open > sub/x.txt");
    await a.run("touch -d @500000000.123 sub", sandbox);
    expect(lstatSync(join(a.work, "sub")).mtimeMs).toBe(500_000_000_123);
    const told = await a.run("cat sub/x.pem; echo x > sub/keep/new; cat sub/x.txt", sandbox);
    expect(told.stdout).toBe("open\n");
    expect(readdirSync(join(a.work, "sub/keep"))).toEqual([]);
  });

  test("a folder within a writable one stays read-only, whatever becomes of those above it", async () => {
    const a = get();
    await a.prepare("mkdir -p one/two/three; echo keep > one/two/three/file");
    const inner = join(a.work, "one/two/three");
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(inner, "read"),
    ]);
    await a.run(
      "echo x > one/two/three/file; mv one other; mkdir -p one/two/three; echo x > one/two/three/file; mv one/two o; echo fine > one/two/f",
      sandbox,
    );
    expect(readFileSync(join(inner, "file"), "utf8")).toBe("keep\n");
    expect(readFileSync(join(a.work, "one/two/f"), "utf8")).toBe("fine\n");
  });

  test("a root within another is not put aside, as what holds in it would go along", async () => {
    const a = get();
    await a.prepare("mkdir -p root/.git plain");
    const root = join(a.work, "root");
    const roots = [special("root", "read"), special("project_roots", "write"), at(root, "write")];
    const told = await a.run(
      "mv root r; mkdir -p root/.git root/.codex; echo x > root/.git/config; mv plain p; echo ok > root/new; cat root/new",
      managed(a.work, roots),
    );
    expect(told.stdout).toBe("ok\n");
    expect(readdirSync(a.work).sort()).toEqual(["p", "root"]);
    expect(readdirSync(root).sort()).toEqual([".git", "new"]);
    expect(readdirSync(join(root, ".git"))).toEqual([]);
  });

  test("a file in the way of a missing name stays a file, that can be written", async () => {
    const a = get();
    await a.prepare("mkdir sub; echo old > sub/file");
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(a.work, "sub/file/deep/name"), "deny"),
    ]);
    await a.run(
      "echo new > sub/file; rm sub/file; mv sub/file f; mv sub s; mkdir -p sub/file/deep/name",
      sandbox,
    );
    expect(readFileSync(join(a.work, "sub/file"), "utf8")).toBe("new\n");
  });

  test("a protected link that leads in a circle stays one", async () => {
    const a = get();
    await a.prepare("ln -s .codex .codex; ln -s b .git; ln -s .git b");
    const told = await a.run("rm .codex .git b; mkdir .codex .git; mv .git g; echo ok > fine; cat fine");
    expect(told.stdout).toBe("ok\n");
    expect(["b", ".codex", ".git"].map((name) => readlinkSync(join(a.work, name)))).toEqual([
      ".git",
      ".codex",
      "b",
    ]);
  });

  test("what its owner may open up is held all the same, or nothing is started", async () => {
    const a = get();
    await a.prepare("mkdir shut full; echo secret > shut/file; chmod 0 shut; chmod 555 full");
    const rules = [special("root", "read"), special("project_roots", "write")];
    const held: [name: string, command: string][] = [
      ["shut/file", "chmod 700 shut; cat shut/file"],
      ["full/name", "chmod 700 full; mkdir full/name"],
    ];
    for (const [name, command] of held) {
      const sandbox = managed(a.work, [...rules, at(join(a.work, name), "deny")]);
      const started = a.run(command, sandbox).then(
        ({ stdout }) => stdout,
        (error) => `${error.message}`,
      );
      // The administrator sees through modes.
      expect(await started).toMatch(a.user === "root" ? /^$/ : /sandbox: .*(cannot be looked at|EACCES)/);
    }
    expect(existsSync(join(a.work, "full/name"))).toBe(false);
    await a.prepare("chmod 700 shut full");
  });

  test("a writable folder within a denied one can be reached, and nothing else of it", async () => {
    const a = get();
    await a.prepare("mkdir -p box/open box/shut; echo secret > box/shut/file; echo mine > box/open/file");
    const sandbox = managed(a.work, [
      special("root", "read"),
      at(join(a.work, "box"), "deny"),
      at(join(a.work, "box/open"), "write"),
    ]);
    const told = await a.run(
      "cat box/shut/file; ls box; echo x > box/new; cat box/open/file; echo more > box/open/new",
      sandbox,
    );
    expect(told.stdout).toBe("mine\n");
    expect(readFileSync(join(a.work, "box/open/new"), "utf8")).toBe("more\n");
    expect(readdirSync(join(a.work, "box")).sort()).toEqual(["open", "shut"]);
  });

  test("with the whole disk writable, an exception is held, for an ordinary user too", async () => {
    const a = get();
    await a.prepare("mkdir held; echo keep > held/file");
    const sandbox = managed(a.work, [special("root", "write"), at(join(a.work, "held"), "read")]);
    const told = await a.run(`echo x > held/file; mv held h; echo out > ${a.outside}/new; echo ok`, sandbox);
    expect(told.stdout).toBe("ok\n");
    expect(readFileSync(join(a.work, "held/file"), "utf8")).toBe("keep\n");
    expect(readFileSync(join(a.outside, "new"), "utf8")).toBe("out\n");
  });

  test("a link among the names of a policy is held where it narrows, and passed over where it would widen", async () => {
    const a = get();
    await a.prepare("mkdir real; echo keep > real/file; ln -s real link");
    const rules = [special("root", "read"), special("project_roots", "write")];
    const held = managed(a.work, [...rules, at(join(a.work, "link"), "read")]);
    const kept = await a.run(
      "echo x > link/file; rm link; mv real r; ln -sfn . link; echo ok > new; cat new",
      held,
    );
    expect(kept.stdout).toBe("ok\n");
    expect(readlinkSync(join(a.work, "link"))).toBe("real");
    expect(readFileSync(join(a.work, "real/file"), "utf8")).toBe("keep\n");
    const followed = managed(a.work, [special("root", "read"), at(join(a.work, "link"), "write")]);
    await a.run("echo changed > link/file; echo x > other", followed);
    expect(readFileSync(join(a.work, "real/file"), "utf8")).toBe("changed\n");
    expect(existsSync(join(a.work, "other"))).toBe(false);
  });

  test("mounts and rights cannot be had back", async () => {
    const a = get();
    const told = await a.run(`
      mount -o remount,rw / 2>/dev/null && echo remounted; umount -l .git 2>/dev/null && echo unmounted
      unshare -Ur true 2>/dev/null && unshare -Urm sh -c 'umount -l ${a.work}/.git && echo unmounted' 2>/dev/null
      grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs)' /proc/self/status
      for file in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /sys/kernel/mm/transparent_hugepage/defrag; do
        (cat $file > value && cat value > $file) 2>/dev/null && echo $file
      done
      chroot / true 2>/dev/null && echo chroot; ls /proc | grep -c '^[0-9]*$'`);
    const zero = "0".repeat(16);
    const [processes, ...rest] = told.stdout.trimEnd().split("\n").reverse();
    expect(rest.reverse()).toEqual([
      `CapPrm:\t${zero}`,
      `CapEff:\t${zero}`,
      `CapBnd:\t${zero}`,
      "NoNewPrivs:\t1",
    ]);
    expect(Number(processes)).toBeLessThan(10);
  });

  test("what somebody outside replaces is held for the next process, and not for one that runs", async () => {
    // Told in docs/sandbox.md: a path is held where it was at the start. This is how it is seen when that changes.
    const a = get();
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(a.work, "key"), "deny"),
      glob("**/*.pem"),
    ]);
    await a.prepare("echo secret > key; echo secret > a.pem; mkdir .git; echo ref > .git/HEAD");
    const script = "cat key a.pem; echo x > .git/HEAD && echo changed";
    const running = await a.server.start(`echo ready; read -r line; ${script}`, { sandbox, pipeStdin: true });
    await running.says("ready");
    await a.prepare(
      "for name in key a.pem; do echo new > n; mv n $name; done; mv .git g; mkdir .git; echo ref > .git/HEAD",
    );
    await running.write("\n");
    expect((await running.closed()).stdout).toBe("ready\nnew\nnew\nchanged\n");
    await a.prepare("echo ref > .git/HEAD");
    expect((await a.run(`${script}; echo fine`, sandbox)).stdout).toBe("fine\n");
    expect(readFileSync(join(a.work, ".git/HEAD"), "utf8")).toBe("ref\n");
  });

  test("a file that was linked before cannot be held by a path", async () => {
    // Told in docs/sandbox.md: what is protected is a path. This is how it is seen when that changes.
    const a = get();
    await a.prepare("true");
    linkSync(a.victim, join(a.work, "linked-before"));
    await a.run("echo x > linked-before");
    expect(readFileSync(a.victim, "utf8")).toBe("x\n");
  });
});

asEachUser("others", (get) => {
  otherAttempts(get, (a) => workspaceWrite(a.work));
  networkAttempts(get, (a) => workspaceWrite(a.work));

  test("with the network, others are reached", async () => {
    const a = get();
    const { port, socket, datagrams } = await listeners(a);
    const sandbox = managed(a.work, [special("root", "read"), special("project_roots", "write")], "enabled");
    const told = await a.run(reach(port, socket, datagrams), sandbox);
    expect(told.stderr).toBe("");
    expect(told.stdout).toContain("tcp:done ");
    expect(told.stdout).toContain("udp:done ");
    expect(told.stdout).toContain("unix:done ");
  });

  test("a program that leaves its session ends with the sandbox", async () => {
    const a = get();
    const told = await a.run(
      "(setsid sh -c 'while :; do date > next; mv next alive; sleep 0.01; done' &) ; until [ -s alive ]; do sleep 0.01; done; cat alive",
    );
    expect(told.exitCode).toBe(0);
    const first = readFileSync(join(a.work, "alive"), "utf8");
    expect(first).not.toBe("");
    const written = lstatSync(join(a.work, "alive")).mtimeMs;
    await a.run("sleep 0.1");
    expect(lstatSync(join(a.work, "alive")).mtimeMs).toBe(written);
  });
});

asEachUser("without files to protect", (get) => {
  const sandbox = (): object => ({
    permissions: { type: "managed", file_system: { type: "unrestricted" }, network: "restricted" },
    windowsSandboxLevel: "disabled",
  });
  otherAttempts(get, sandbox);
  networkAttempts(get, sandbox);

  test("of the administrator's rights those about files and users are left, and no others", async () => {
    const a = get();
    const told = await a.run("grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status", sandbox());
    const own = /^CapPrm:\t(.*)$/m.exec((await a.server.run("cat /proc/self/status")).stdout)![1]!;
    const left = (BigInt(`0x${own}`) & 0xdfn).toString(16).padStart(16, "0");
    expect(told.stdout).toBe(`CapPrm:\t${left}\nCapEff:\t${left}\nNoNewPrivs:\t1\n`);
    if (a.user !== "root") return;
    const other = "chown 65534 theirs; chmod 600 theirs";
    const wrote = await a.run(`echo a > theirs; ${other}; echo b >> theirs; cat theirs`, sandbox());
    expect(wrote.stdout).toBe("a\nb\n");
    const user = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    const asOther = await a.run(
      `${user} id -u; ${user} cat theirs; chown 0 theirs; ${user} cat theirs`,
      sandbox(),
    );
    expect(asOther.stdout).toBe("65534\na\nb\n");
  });

  test("every file can be written", async () => {
    const a = get();
    await a.run(`echo new > ${a.outside}/new`, sandbox());
    expect(readFileSync(join(a.outside, "new"), "utf8")).toBe("new\n");
  });
});

asEachUser("the end", (get) => {
  test("a server that is killed takes its sandboxes and what they held along", async () => {
    const own = await ConfinedServer.start({ user: get().user });
    try {
      const sandbox = workspaceWrite(own.work);
      const process = await own.start("setsid sleep 1000 & echo ready; sleep 1001", { sandbox });
      await process.says("ready");
      expect(existsSync(join(own.work, ".git"))).toBe(true);
      own.child.kill("SIGKILL");
      await own.child.exited;
      await until(5000, "end of the sandbox and its folders", () => readdirSync(own.work).length === 0);
    } finally {
      await own.folder.remove({ strict: true });
    }
  });
});
