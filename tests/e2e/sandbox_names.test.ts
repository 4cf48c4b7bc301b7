/**
 * Names that a confined process must not make: new files that match a denied pattern, tried by each way there is to make a name,
 * as root and as an ordinary user, and beside each what must go on working.
 */

import { expect, test } from "bun:test";
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Attempt, asEachUser } from "../support/attempt.ts";
import { until } from "../support/deadline.ts";
import { at, glob, managed, special } from "../support/sandbox.ts";

const denying = (a: Attempt, ...patterns: string[]): object =>
  managed(a.work, [special("root", "read"), special("project_roots", "write"), ...patterns.map(glob)]);

/** Everything below the workspace; links are not followed. */
const namesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => [
      entry.name,
      ...(entry.isDirectory()
        ? namesIn(join(folder, entry.name)).map((name) => `${entry.name}/${name}`)
        : []),
    ])
    .sort();

asEachUser("new names", (get) => {
  test("no way of making a name makes one that matches, each makes its neighbour", async () => {
    const a = get();
    await a.prepare("mkdir d; echo there > file; mkdir tree; echo t > tree/leaf");
    const told = await a.run(
      `each() {
         echo 1 > "$1"; echo 2 >> "$1"; mkdir "$1"; mkdir -p "$1"/deep; ln file "$1"; ln -s file "$1"; mkfifo "$1"; cp file "$1"
         mv file "$1"; mv tree "$1"; truncate -s 3 "$1"; touch "$1"; install -m 600 file "$1"; dd if=file of="$1" status=none
         perl -e 'open(F, ">", $ARGV[0]) and print F "x"' "$1"; (set -C; echo 3 > "$1")
       }
       each .env; each d/.env; each ../work/.env; each ./d/../.env; each "$PWD/.env"; each $PWD//d/./.env
       cd d; each .env; each ../.env; cd ..; ls -A . d | grep env
       cat file tree/leaf
       for make in "tee one" "cp file two" "mv two three" "ln file four" "ln -s file five" "mkfifo six" "mkdir -p seven/eight" "mv tree d/nine"; do
         $make < file > /dev/null || echo "$make"
       done; cat one three four five d/nine/leaf`,
      denying(a, "**/.env"),
    );
    expect(told.stdout).toBe("there\nt\nthere\nthere\nthere\nthere\nt\n");
    expect(told.exitCode).toBe(0);
    expect(namesIn(a.work)).toEqual([
      ...[
        "d",
        "d/nine",
        "d/nine/leaf",
        "file",
        "five",
        "four",
        "one",
        "seven",
        "seven/eight",
        "six",
        "three",
      ],
    ]);
    a.expectOutsideUntouched();
  });

  test("links, descriptors and working directories are no way round", async () => {
    const a = get();
    await a.prepare(
      "mkdir -p deep/d; ln -s .env dangling; ln -s ../.env deep/dangling; ln -s deep/d short; ln -s other fine",
    );
    const told = await a.run(
      `echo x > dangling; echo x > deep/dangling; echo x > short/.env; echo x > short/../.env; echo x > /proc/self/cwd/.env
       exec 5<deep; echo x > /proc/self/fd/5/.env; echo x > /dev/fd/5/.env; mv deep/d /proc/self/cwd/.env; ln -s x /proc/self/cwd/.env
       mkdir /proc/self/cwd/.env; ln fine /proc/$$/cwd/.env; echo x > /proc/1/root${a.work}/.env; cd short; echo x > .env; cd ..
       echo open > fine; cat other; echo s > short/s; cat deep/d/s; echo to > /dev/stdout; echo no > /dev/null; exec 6>six; echo y >&6
       cat /proc/self/fd/6 < /dev/null; echo again > /proc/$$/fd/6; cat six`,
      denying(a, "**/.env"),
    );
    expect(told.stdout).toBe("open\ns\nto\ny\nagain\n");
    expect(namesIn(a.work)).toEqual([
      ...["dangling", "deep", "deep/d", "deep/d/s", "deep/dangling", "fine", "other", "short", "six"],
    ]);
  });

  test("a folder does not carry in, under a name that fits, what could not be made there", async () => {
    const a = get();
    const told = await a.run(
      `mkdir -p x/sub; echo k > x/sub/key; chmod 000 x/sub; mv -T x secrets; chmod 755 x/sub; mv -T x secrets; mv x/sub/key free
       mkdir secrets; echo k > secrets/key; mkdir secrets/sub; mv free secrets/key; mv -T secrets y; mv -T y z; cat free; ls -d x z`,
      denying(a, "secrets/**"),
    );
    expect(told.stdout).toBe("k\nx\nz\n");
    expect(namesIn(a.work)).toEqual(["free", "x", "x/sub", "z"]);
  });

  test("a file that has no name yet gets none that matches", async () => {
    const a = get();
    if (process.arch !== "x64") return;
    // openat with O_TMPFILE, linkat by way of the descriptor, renameat2 with an exchange, openat2 with O_CREAT.
    const told = await a.run(
      `echo one > one; echo two > two
       perl -e 'my ($dir, $fine, $bad) = (".", "fine", ".env"); my $fd = syscall(257, -100, $dir, 0x410002, 0600); my $own = "/proc/self/fd/$fd";
         for my $name ($bad, $fine) { print syscall(265, -100, $own, -100, $name, 0x400) == 0 ? "linked " : "refused "; }
         my ($one, $two, $three) = ("one", "two", "three"); print syscall(316, -100, $one, -100, $two, 2) == 0 ? "exchanged " : "refused ";
         for my $name ($bad, $three) { my $how = pack("QQQ", 0x41, 0600, 0); print syscall(437, -100, $name, $how, 24) >= 0 ? "opened " : "refused "; }
         my $how = pack("QQQ", 0, 0, 0); print syscall(437, -100, $one, $how, 24) >= 0 ? "opened" : "refused";'
       cat one`,
      denying(a, "**/.env"),
    );
    expect(told.stdout).toBe("refused linked exchanged refused opened openedtwo\n");
    expect(namesIn(a.work)).toEqual(["fine", "one", "three", "two"]);
  });

  test("a name in memory that changes between the look and the use makes nothing", async () => {
    const a = get();
    // A child writes another name over its parent's, over and over, while the parent makes it. The first call gives the
    // name the memory that later calls pass on.
    const told = await a.run(
      `perl -e 'my $name = "./aaaa"; syscall(21, $name, 0); my $at = unpack("Q", pack("p", $name)); my $parent = $$; my $child = fork;
         if (!$child) { open(M, "+<", "/proc/$parent/mem") or exit 1; my $i = 0; while (kill 0, $parent) { sysseek(M, $at, 0); syswrite(M, $i++ % 2 ? "./.env" : "./aaaa", 6); } exit 0 }
         my ($made, $refused) = (0, 0);
         for (my $i = 0; $i < 300 || ($i < 30000 && !($made && $refused)); $i++) { my $fd = syscall(257, -100, $name, 0x41, 0644); if ($fd >= 0) { $made = 1; syscall(3, $fd) } else { $refused = 1 } }
         kill 9, $child; wait; print "$made $refused\n"'`,
      denying(a, "**/.env"),
    );
    if (process.arch === "x64") expect(told.stdout).toBe("1 1\n");
    expect(namesIn(a.work)).not.toContain(".env");
  });

  test("what is made has the mode, the mask and the owner that it would have", async () => {
    const a = get();
    const look = "stat -c '%a %u %g %F' a b c d e f g | sort";
    const make = `umask 027; echo > a; mkdir b; mkfifo c; ln -s x d; (umask 777; echo > e); umask 0; mkdir -m 1777 f
      perl -e 'use Fcntl; sysopen(F, "g", O_CREAT | O_RDWR, 0400) and print F "x"'; ${look}; cat g; rm -rf a b c d e f g`;
    const free = await a.server.run(make);
    const told = await a.run(make, denying(a, "**/.env"));
    expect(told.stdout).toBe(free.stdout);
    expect(told.stdout).toContain("640 ");
    expect(told.stdout).toEndWith("x");
  });

  test("what fails without a pattern fails alike with one", async () => {
    const a = get();
    const script = `mkdir d; echo x > f; mkdir d; mkdir f/x; echo x > missing/x; mkdir missing/x; ln f f; ln missing g; mv missing g; mv d f; mv f d/f/g
      echo x > d; echo x > d/; rmdir f; mkdir ""; ln -s l l; echo x > l; mkdir ${"n".repeat(300)}; mv -T d d/sub; mkdir full; echo > full/x; mv -T d full
      ln d hard; mkdir .; mkdir ..; mknod dev c 1 3; (ulimit -n 3; echo x > many); ln -s . s; echo > s; mv . elsewhere
      echo x > theirs/x; mkdir theirs/d; mv f theirs/f; ln l theirs/l`;
    const run = async (sandbox: object): Promise<string> => {
      // Not root's: without rights it cannot make anything there, and the server must not lend it its own.
      await a.prepare("mkdir theirs; if [ $(id -u) = 0 ]; then chown 65534 theirs; fi");
      const told = await a.run(script, sandbox);
      await a.clear();
      return told.stderr;
    };
    const plain = await run(denying(a));
    expect(plain.split("\n").length).toBeGreaterThan(20);
    expect(await run(denying(a, "**/.env"))).toBe(plain);
  });

  test("many at once make their files, and a process that is killed meanwhile holds up nobody", async () => {
    const a = get();
    const loop = "i=0; while :; do echo x > k$$.$i; i=$((i+1)); done";
    const told = await a.run(
      `for j in 1 2 3 4; do (for i in $(seq 50); do echo $i > $j.$i; mkdir $j.d$i; mv $j.$i $j.m$i; done) & done
       bash -c '${loop}' & victim=$!; until [ -e k$victim.20 ]; do sleep 0.01; done; kill -9 $victim; wait; ls -d [1-4].m* | wc -l; ls -d [1-4].d* | wc -l`,
      denying(a, "**/.env"),
    );
    expect(told.stdout).toBe("200\n200\n");
  });

  test("a refused name is told as a denial, by the fact", async () => {
    const a = get();
    const quiet = await a.run("echo x 2> /dev/null > .env; exit 3", denying(a, "**/.env"));
    expect([quiet.exitCode, quiet.denied]).toEqual([3, true]);
    const other = await a.run("echo x > fine; exit 3", denying(a, "**/.env"));
    expect([other.exitCode, other.denied]).toEqual([3, false]);
  });

  test("a file request makes no match either, and makes its neighbour", async () => {
    const a = get();
    const sandbox = denying(a, "**/.env");
    const path = (name: string): string => `file://${join(a.work, name)}`;
    const write = (name: string): Promise<unknown> =>
      a.server.client.call("fs/writeFile", { path: path(name), dataBase64: "eA==", sandbox });
    await a.prepare("ln -s .env dangling");
    for (const name of [".env", "dangling"]) {
      await expect(write(name)).rejects.toThrow("Permission denied");
    }
    await write("fine");
    await a.server.client.call("fs/copy", {
      sourcePath: path("fine"),
      destinationPath: path("too"),
      recursive: false,
      sandbox,
    });
    expect(readFileSync(join(a.work, "too"), "utf8")).toBe("x");
    expect(existsSync(join(a.work, ".env"))).toBe(false);
    await until(5000, "end of the helper", () => !existsSync(join(a.work, ".codex")));
  });

  test("what is there and matches stays out of reach when its folder moves", async () => {
    const a = get();
    await a.prepare("mkdir -p in/deep; echo secret > in/deep/.env; echo open > in/deep/file");
    const told = await a.run(
      "cat in/deep/.env; mv in out; cat out/deep/.env; mv out/deep/.env e; ln out/deep/.env l; cat e l; cat out/deep/file",
      denying(a, "**/.env"),
    );
    expect(told.stdout).toBe("open\n");
  });

  test("what else the policy holds is not moved, replaced or laid bare by who makes the names", async () => {
    const a = get();
    await a.prepare(
      "mkdir -p keep/in .codex deny; echo s > deny/s; echo secret > key; echo ref > keep/in/file; echo x > x; ln -s keep link",
    );
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(a.work, "keep/in"), "read"),
      at(join(a.work, "link"), "read"),
      at(join(a.work, "deny"), "deny"),
      at(join(a.work, "key"), "deny"),
      glob("**/.env"),
    ]);
    const told = await a.run(
      `mv keep k; mv x key; rm -f key; mv key k; cat key k; mv deny d; mv -T keep deny; rm -rf deny; ls deny d; ln key l; cat l
       mkdir n; mv -T n .codex; mv .codex c; mv -T n .git; mv .git g; mv -T n deny; rmdir deny; unlink key; rm link; mv ../work w
       perl -e 'my ($x, $key) = ("x", "key"); print syscall(316, -100, $x, -100, $key, 2) == 0 ? "exchanged" : "refused"'; cat key; echo ok > n/ok; cat n/ok`,
      sandbox,
    );
    expect(told.stdout).toBe(process.arch === "x64" ? "refusedok\n" : told.stdout);
    expect(namesIn(a.work)).toEqual([
      ...[".codex", "deny", "deny/s", "keep", "keep/in", "keep/in/file", "key", "link", "n", "n/ok", "x"],
    ]);
    expect(readFileSync(join(a.work, "key"), "utf8")).toBe("secret\n");
  });

  test("a link that stays is written through to where that is allowed", async () => {
    const a = get();
    await a.prepare("echo old > file; ln -s file link");
    const roots = [
      special("root", "read"),
      special("project_roots", "write"),
      at(join(a.work, "link"), "write"),
    ];
    const told = await a.run(
      "echo new >> link; cat file; rm link; ln -sfn x link; (set -C; echo x > link) || readlink link",
      managed(a.work, roots),
    );
    expect(told.stdout).toBe("old\nnew\nfile\n");
  });

  test("a match that somebody outside makes cannot be moved, linked or written anew", async () => {
    // Opening it is told in docs/sandbox.md as what is not protected.
    const a = get();
    const running = await a.server.start(
      "echo ready; read -r line; mv .env e; ln .env l; echo x > .env; cat e l; echo end",
      {
        sandbox: denying(a, "**/.env"),
        pipeStdin: true,
      },
    );
    await running.says("ready");
    writeFileSync(join(a.work, ".env"), "secret\n");
    await running.write("\n");
    expect((await running.closed()).stdout).toBe("ready\nend\n");
    expect(readFileSync(join(a.work, ".env"), "utf8")).toBe("secret\n");
    expect(lstatSync(join(a.work, ".env")).nlink).toBe(1);
  });
});
