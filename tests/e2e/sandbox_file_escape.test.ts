/**
 * Ways out of a file request, each tried with bubblewrap and with the kernel's file rules alone, as root and as an ordinary
 * user, and beside each what must go on working.
 */

import { expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Attempt, asEachUser } from "../support/attempt.ts";
import { until } from "../support/deadline.ts";
import { childrenOf } from "../support/proc.ts";
import { at, glob, managed, special, withoutExceptions, workspaceWrite } from "../support/sandbox.ts";

const uri = (path: string): string => pathToFileURL(path).href;
const refusals = ["-32603", "-32600", "-32004"];

/** The code of the error, or "done". */
async function request(
  a: Attempt,
  method: string,
  path: string,
  sandbox: object,
  more: object = {},
): Promise<string> {
  const { error } = await a.server.client.ask(method, { path: uri(path), sandbox, ...more });
  return error === undefined ? "done" : `${error.code}`;
}

const put = (a: Attempt, path: string, sandbox: object): Promise<string> =>
  request(a, "fs/writeFile", path, sandbox, { dataBase64: "eA==" });

/** What one that can write holds goes soon after its last use. */
async function expectNames(a: Attempt, names: readonly string[]): Promise<void> {
  const found = (): string[] => readdirSync(a.work).sort();
  // What it held goes name by name.
  const left = [...names].sort().join();
  await until(
    5000,
    () => `end of the helper, with ${left} left: ${found()}`,
    () => found().join() === left,
  );
}

function fileRequests(get: () => Attempt, writable: (a: Attempt) => readonly object[]): void {
  const sandboxOf = (a: Attempt): object => managed(a.work, [special("root", "read"), ...writable(a)]);

  test("links, the way up, hard links and descriptors lead to nothing that can be written", async () => {
    const a = get();
    const sandbox = sandboxOf(a);
    symlinkSync(a.victim, join(a.work, "link"));
    symlinkSync("/proc/self/root", join(a.work, "root"));
    const within = ["link", `root${a.victim}`, "../outside/victim", "../outside/new"];
    const magic = ["self/root", "1/root", "self/cwd", "thread-self/root"].map(
      (way) => `/proc/${way}${a.victim}`,
    );
    for (const path of [...within.map((name) => `${a.work}/${name}`), ...magic]) {
      // Whoever may not look through other processes' eyes is told so, others that nothing is written.
      expect([path, refusals.includes(await put(a, path, sandbox))]).toEqual([path, true]);
    }
    for (const method of ["fs/copy", "fs/rename"]) {
      const more = {
        sourcePath: uri(a.victim),
        destinationPath: uri(join(a.work, method.slice(3))),
        recursive: false,
      };
      await request(a, method, a.victim, sandbox, more);
    }
    a.expectOutsideUntouched();
    // A link within, and the way up within, lead where they should.
    symlinkSync("mine", join(a.work, "own"));
    expect(await put(a, join(a.work, "own"), sandbox)).toBe("done");
    expect(readFileSync(join(a.work, "mine"), "utf8")).toBe("x");
  });

  test("a link that is swapped between looking and writing leads nowhere", async () => {
    const a = get();
    const sandbox = sandboxOf(a);
    await a.prepare("mkdir real");
    const swapping = await a.server.start(`while :; do ln -sfn ${a.outside} swap; ln -sfn real swap; done`, {
      sandbox,
    });
    try {
      await until(5000, "link", () => existsSync(join(a.work, "swap")));
      const told = new Set<string>();
      for (let i = 0; i < 150; i++) told.add(await put(a, `${a.work}/swap/new`, sandbox));
      a.expectOutsideUntouched();
      expect([...told].filter((each) => each !== "done" && !refusals.includes(each))).toEqual([]);
    } finally {
      await swapping.end();
    }
    await a.prepare("ln -sfn real swap");
    expect(await put(a, `${a.work}/swap/new`, sandbox)).toBe("done");
    expect(readFileSync(join(a.work, "real", "new"), "utf8")).toBe("x");
  });

  test("no write is acknowledged and lost, and what is written where it may be is there", async () => {
    const a = get();
    const few = managed(a.work, [special("minimal", "read"), ...writable(a)]);
    const folders = [
      "/",
      "/dev",
      "/etc",
      "/proc",
      "/tmp",
      join(a.work, ".."),
      a.outside,
      a.server.folder.home,
    ];
    for (const folder of folders) {
      const path = join(folder, "exec-server-ghost");
      expect([path, refusals.includes(await put(a, path, few))]).toEqual([path, true]);
      const made = await request(a, "fs/createDirectory", path, few);
      expect([path, refusals.includes(made)]).toEqual([path, true]);
      const opened = await request(a, "fs/open", path, few, { handleId: "ghost", mode: "replace" });
      expect([path, refusals.includes(opened)]).toEqual([path, true]);
      expect(existsSync(path)).toBe(false);
    }
    expect(await request(a, "fs/createDirectory", join(a.work, "in"), few)).toBe("done");
    expect(await put(a, join(a.work, "in", "file"), few)).toBe("done");
    expect(readFileSync(join(a.work, "in", "file"), "utf8")).toBe("x");
    a.expectOutsideUntouched();
  });

  test("a single file can be what is writable", async () => {
    const a = get();
    await a.prepare("echo old > one");
    const one = join(a.work, "one");
    const sandbox = managed(a.work, [special("root", "read"), at(one, "write")]);
    expect(await put(a, one, sandbox)).toBe("done");
    expect(refusals).toContain(await put(a, join(a.work, "two"), sandbox));
    expect(refusals).toContain(await request(a, "fs/remove", one, sandbox));
    expect(readFileSync(one, "utf8")).toBe("x");
    expect(readdirSync(a.work)).toEqual(["one"]);
  });
}

asEachUser("file requests", (get) => {
  fileRequests(get, () => [special("project_roots", "write")]);

  test("what matches a denied pattern can be neither read nor made, also when it is new or behind a link", async () => {
    const a = get();
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      glob("**/*.pem"),
    ]);
    await a.prepare("echo old > a.pem; echo old > b.txt; ln -s other.pem alias");
    expect(await request(a, "fs/readFile", `${a.work}/a.pem`, sandbox)).toBe("-32600");
    expect(await put(a, `${a.work}/new.pem`, sandbox)).toBe("-32600");
    expect(await put(a, `${a.work}/alias`, sandbox)).toBe("-32600");
    expect(await put(a, `${a.work}/b.txt`, sandbox)).toBe("done");
    // One that came while helpers were there, by its name and by another.
    writeFileSync(join(a.work, "late.pem"), "late");
    mkdirSync(join(a.work, "late"));
    writeFileSync(join(a.work, "late", "deep.pem"), "late");
    symlinkSync("late", join(a.work, "short"));
    for (const name of ["late.pem", "late/deep.pem", "short/deep.pem"]) {
      expect([name, await request(a, "fs/readFile", `${a.work}/${name}`, sandbox)]).toEqual([name, "-32600"]);
    }
    const copied = {
      sourcePath: uri(`${a.work}/late`),
      destinationPath: uri(`${a.work}/copy`),
      recursive: true,
    };
    expect(await request(a, "fs/copy", `${a.work}/late`, sandbox, copied)).not.toBe("done");
    expect(await request(a, "fs/readFile", `${a.work}/b.txt`, sandbox)).toBe("done");
    expect(existsSync(join(a.work, "copy", "deep.pem"))).toBe(false);
    expect(existsSync(join(a.work, "other.pem"))).toBe(false);
    expect(existsSync(join(a.work, "new.pem"))).toBe(false);
  });

  test("one helper serves all requests under a pattern until it matches something else", async () => {
    const a = get();
    const sandbox = managed(a.work, [
      special("root", "read"),
      special("project_roots", "write"),
      glob("**/*.pem"),
    ]);
    await a.prepare("mkdir sub; echo old > sub/a.pem; echo old > b.txt");
    let known: number[] = [];
    /** Whether a request has started one. */
    const startsOne = async (): Promise<boolean> => {
      expect(await put(a, join(a.work, "b.txt"), sandbox)).toBe("done");
      const before = known;
      known = childrenOf(a.server.child.pid);
      return known.some((pid) => !before.includes(pid));
    };
    expect([await startsOne(), await startsOne(), await startsOne()]).toEqual([true, false, false]);
    for (const change of ["echo new > sub/b.pem", "rm sub/a.pem", "cp sub/b.pem c && mv c sub/b.pem"]) {
      await a.prepare(change);
      expect([change, await startsOne(), await startsOne()]).toEqual([change, true, false]);
    }
    const copied = { sourcePath: uri(join(a.work, "sub")), destinationPath: uri(join(a.work, "copy")) };
    await request(a, "fs/copy", join(a.work, "sub"), sandbox, { ...copied, recursive: true });
    expect(existsSync(join(a.work, "copy", "b.pem"))).toBe(false);
  });

  test(".git is held as a folder, a file, a link and when it is missing; deeper ones are not", async () => {
    const a = get();
    const sandbox = workspaceWrite(a.work);
    const git = join(a.work, ".git");
    const inner = join(git, "config");
    const expectRefused = async (what: string): Promise<void> => {
      for (const path of [git, inner]) {
        expect([what, path, refusals.includes(await put(a, path, sandbox))]).toEqual([what, path, true]);
      }
      const more = { sourcePath: uri(git), destinationPath: uri(join(a.work, "aside")) };
      for (const method of ["fs/rename", "fs/remove", "fs/createDirectory"]) {
        const told = await request(a, method, git, sandbox, {
          ...more,
          recursive: method !== "fs/createDirectory",
        });
        expect([what, method, refusals.includes(told)]).toEqual([what, method, true]);
      }
      expect(existsSync(join(a.work, "aside"))).toBe(false);
    };
    await a.prepare("mkdir -p .git/refs; echo ref > .git/config");
    await expectRefused("folder");
    expect(readFileSync(inner, "utf8")).toBe("ref\n");
    await a.clear();
    await a.prepare("mkdir -p store/tree; echo ref > store/tree/HEAD; echo 'gitdir: store/tree' > .git");
    await expectRefused("file");
    expect(refusals).toContain(await put(a, join(a.work, "store/tree/HEAD"), sandbox));
    expect(await put(a, join(a.work, "store/ok"), sandbox)).toBe("done");
    expect(readFileSync(git, "utf8")).toBe("gitdir: store/tree\n");
    await a.clear();
    await a.prepare("mkdir -p store/git; echo ref > store/git/config; ln -s store/git .git");
    await expectRefused("link");
    expect([readlinkSync(git), readFileSync(inner, "utf8")]).toEqual(["store/git", "ref\n"]);
    await a.clear();
    await expectRefused("missing");
    expect(await request(a, "fs/createDirectory", join(a.work, "sub/.git"), sandbox)).toBe("done");
    expect(await put(a, join(a.work, "sub/.git/config"), sandbox)).toBe("done");
    await expectNames(a, ["sub"]);
  });

  test("a link that could lead anywhere opens nothing to who only looks, as to a process", async () => {
    const a = get();
    await a.prepare(
      "mkdir box shut; echo secret > shut/file; echo open > box/file; ln -s ../shut/file box/link",
    );
    const inWork = (name: string): string => join(a.work, name);
    const sandbox = managed(a.work, [
      special("root", "read"),
      at(inWork("box"), "write"),
      at(inWork("box/link"), "write"),
      at(inWork("shut"), "deny"),
    ]);
    expect((await a.run("cat box/link shut/file box/file", sandbox)).stdout).toBe("open\n");
    const read = ["box/link", "shut/file", "box/file"].map((name) =>
      request(a, "fs/readFile", inWork(name), sandbox),
    );
    const told = (await Promise.all(read)).map((answer) => (refusals.includes(answer) ? "refused" : answer));
    expect(told).toEqual(["refused", "refused", "done"]);
  });

  test("a hard link that was there before cannot be held by a path", async () => {
    const a = get();
    linkSync(a.victim, join(a.work, "linked-before"));
    expect(await put(a, join(a.work, "linked-before"), workspaceWrite(a.work))).toBe("done");
    expect(readFileSync(a.victim, "utf8")).toBe("x");
  });
});

asEachUser(
  "file requests where namespaces are used up",
  (get) => {
    fileRequests(get, (a) => withoutExceptions(a.work));

    test("what the kernel's rules cannot say is refused, and its neighbour is carried out", async () => {
      const a = get();
      for (const sandbox of [
        workspaceWrite(a.work),
        managed(a.work, [special("root", "read"), ...withoutExceptions(a.work), glob("**/*.pem")]),
      ]) {
        expect(await put(a, join(a.work, "new"), sandbox)).toBe("-32600");
      }
      expect(readdirSync(a.work)).toEqual([]);
      expect(await put(a, join(a.work, "new"), managed(a.work, withoutExceptions(a.work)))).toBe("done");
    });
  },
  true,
);
