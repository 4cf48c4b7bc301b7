/** `exec-server cp` and its kin, as a user calls them: between this machine, ours and the real servers. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime, type Listener, listen } from "../../mod.ts";
import { call, type Outcome, program } from "../support/cli.ts";
import { until } from "../support/deadline.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault_proxy.ts";
import { codex138, codex169 } from "../support/programs.ts";
import { randomFrom } from "../support/random.ts";

setDefaultTimeout(30_000);

const MIB = 1024 * 1024;
let home = "";
let listener: Listener;
/** A proxy in front of it that each test sets up as it wants. */
let proxy: FaultProxy | undefined;

beforeAll(async () => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "exec-server-test-")));
  listener = await listen(await currentRuntime());
  const stdio = (id: string, command: readonly string[]): string =>
    `[[environments]]\nid = "${id}"\nprogram = ${JSON.stringify(command[0])}\nargs = ${JSON.stringify(command.slice(1))}\ncwd = ${JSON.stringify(home)}\n`;
  const codex = (id: string, found: typeof codex138): string =>
    "path" in found
      ? `${stdio(id, [found.path, "exec-server", "--listen", "stdio"])}[environments.env]\nCODEX_HOME = ${JSON.stringify(home)}\n`
      : "";
  writeFileSync(
    join(home, "environments.toml"),
    [
      `[[environments]]\nid = "socket"\nurl = "${listener.url}"\n`,
      `[[environments]]\nid = "again"\nurl = "${listener.url}"\n`,
      stdio("pipe", [...program, "--listen", "stdio"]),
      codex("codex-138", codex138),
      codex("codex-169", codex169),
    ].join("\n"),
  );
});

afterAll(async () => {
  proxy?.close();
  await listener.close();
  rmSync(home, { recursive: true, force: true });
});

const run = (args: string[], options: Parameters<typeof call>[1] = {}): Promise<Outcome> =>
  call(args, { cwd: home, ...options, env: { CODEX_HOME: home, ...options.env } });

const fresh = (): string => mkdtempSync(join(home, "t-"));
const digest = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

function noise(length: number, seed: number): Buffer {
  const random = randomFrom(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  return bytes;
}

/** What is below a folder: names, modes, links and digests. */
function tree(folder: string, options: { modes?: boolean } = {}): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (below: string): void => {
    for (const name of readdirSync(join(folder, below)).sort()) {
      const relative = join(below, name);
      const path = join(folder, relative);
      const info = lstatSync(path);
      const mode = options.modes ? (info.mode & 0o7777).toString(8) : "";
      if (info.isSymbolicLink()) found[relative] = `link ${readlinkSync(path)}`;
      else if (info.isDirectory()) {
        found[relative] = `directory ${mode}`;
        look(relative);
      } else found[relative] = `file ${mode} ${digest(path)}`;
    }
  };
  look("");
  return found;
}

/** A tree with what trees have. */
function sample(folder: string, links: boolean): string {
  const top = join(folder, "site");
  for (const name of ["site/empty", "site/a/b/c", "site/sp ace %é"])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(top, "index.html"), "<p>");
  writeFileSync(join(top, "none"), "");
  writeFileSync(join(top, "a/b/c/big"), noise(2 * MIB + 5, 1));
  writeFileSync(join(top, "sp ace %é/ü.txt"), "ü");
  writeFileSync(join(top, ".hidden"), "h");
  writeFileSync(join(top, "a/run.sh"), "#!/bin/sh\n");
  chmodSync(join(top, "a/run.sh"), 0o755);
  if (links) {
    symlinkSync("index.html", join(top, "link"));
    symlinkSync("nowhere", join(top, "a/dangling"));
    symlinkSync("..", join(top, "a/b/up"));
  }
  return top;
}

const places: [id: string, missing: string | undefined][] = [
  ["local", undefined],
  ["socket", undefined],
  ["pipe", undefined],
  ["codex-138", "missing" in codex138 ? codex138.missing : undefined],
  ["codex-169", "missing" in codex169 ? codex169.missing : undefined],
];

describe.each(places)("on %s", (id, missing) => {
  const on = test.skipIf(missing !== undefined);
  const isCodex = id.startsWith("codex");

  on("a tree goes there and back, byte for byte", async () => {
    const folder = fresh();
    const top = sample(folder, !isCodex);
    expect(await run(["cp", "-r", top, `${id}:${folder}/up`])).toEqual({
      status: 0,
      stdout: "",
      stderr: isCodex
        ? `exec-server: No file is made executable: the server of "${id}" does not set modes\n`
        : "",
    });
    expect(tree(join(folder, "up"))).toEqual(tree(top));
    expect(await run(["cp", "-r", `${id}:${folder}/up`, join(folder, "down")])).toMatchObject({
      status: 0,
      stderr: "",
    });
    expect(tree(join(folder, "down"))).toEqual(tree(top));
    // What runs here runs there, where servers know of that.
    if (!isCodex) expect(lstatSync(join(folder, "down/a/run.sh")).mode & 0o777).toBe(0o755);
    // A second time it goes into what is there.
    expect((await run(["cp", "-r", top, `${id}:${folder}/up`])).status).toBe(0);
    expect(tree(join(folder, "up/site"))).toEqual(tree(top));
    expect((await run(["cp", "-r", `${top}/.`, `${id}:${folder}/up`])).status).toBe(0);
  });

  on("ls, cat, stat, mkdir and rm do what their names say", async () => {
    const folder = fresh();
    expect(await run(["mkdir", "-p", `${id}:${folder}/x/y`])).toEqual({ status: 0, stdout: "", stderr: "" });
    writeFileSync(join(folder, "x/f"), noise(MIB + 1, 2));
    writeFileSync(join(folder, "x/.dot"), "");
    expect(await run(["ls", `${id}:${folder}/x`])).toMatchObject({ status: 0, stdout: "f\ny\n" });
    expect(await run(["ls", "-a", "-e", id, `${folder}/x`])).toMatchObject({
      status: 0,
      stdout: ".dot\nf\ny\n",
    });
    const long = await run(["ls", "-l", `${id}:${folder}/x`]);
    expect(long.stdout.split("\n")[0]).toMatch(
      id === "codex-138"
        ? /^-\?{9} .* - .* f$/
        : isCodex
          ? /^-\?{9} .* 1048577 .* f$/
          : /^-rw-r--r-- .* 1048577 .* f$/,
    );
    const json = JSON.parse((await run(["stat", "--json", `${id}:${folder}/x/f`])).stdout);
    expect(json).toMatchObject({
      path: `${id}:${folder}/x/f`,
      kind: "file",
      size: id === "codex-138" ? null : MIB + 1,
      mode: isCodex ? null : 0o644,
    });
    const cat = Bun.spawn([...program, "cat", `${id}:${folder}/x/f`, `${id}:${folder}/x/.dot`], {
      env: { ...process.env, CODEX_HOME: home },
      stdout: "pipe",
    });
    const bytes = await new Response(cat.stdout).arrayBuffer();
    expect(Buffer.from(bytes).equals(readFileSync(join(folder, "x/f")))).toBe(true);
    expect(await cat.exited).toBe(0);
    const refused = await run(["rm", `${id}:${folder}/x`]);
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toContain("is a directory (-r removes it)");
    expect(await run(["rm", `${id}:${folder}/x/f`])).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(join(folder, "x/f"))).toBe(false);
    expect(await run(["rm", "-rf", `${id}:${folder}/x`, `${id}:${folder}/never`])).toMatchObject({
      status: 0,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  on("a relative path begins where commands run", async () => {
    const pwd = (await run(["run", "-n", "-e", id, "pwd"])).stdout.trim();
    expect((await run(["stat", "--json", `${id}:`])).stdout).toContain(`"${id}:${pwd}`);
    const name = `relative-${id}-${process.pid}`;
    try {
      expect(await run(["mkdir", `${id}:${name}`])).toMatchObject({ status: 0, stderr: "" });
      expect(existsSync(join(pwd, name))).toBe(true);
    } finally {
      rmSync(join(pwd, name), { recursive: true, force: true });
    }
  });

  on("what does not work is said with its path, and the rest is done", async () => {
    const folder = fresh();
    writeFileSync(join(folder, "good"), "good");
    mkdirSync(join(folder, "into"));
    const outcome = await run(["cp", `${id}:${folder}/good`, `${id}:${folder}/bad`, join(folder, "into")]);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toBe(
      `exec-server: Cannot look at "${id}:${folder}/bad": No such file or directory (os error 2)\n`,
    );
    expect(readFileSync(join(folder, "into/good"), "utf8")).toBe("good");
    const cat = await run(["cat", `${id}:${folder}/bad`, `${id}:${folder}/good`]);
    expect(cat).toMatchObject({ status: 1, stdout: "good" });
    // A file that is its own target stays whole.
    expect((await run(["cp", `${id}:${folder}/good`, `${id}:${folder}/good`])).status).toBe(1);
    expect(readFileSync(join(folder, "good"), "utf8")).toBe("good");
  });
});

test("between two environments", async () => {
  const folder = fresh();
  const top = sample(folder, true);
  expect(await run(["cp", "-r", `socket:${top}`, `pipe:${folder}/copy`])).toMatchObject({
    status: 0,
    stderr: "",
  });
  expect(tree(join(folder, "copy"))).toEqual(tree(top));
  // Two ids of one machine, or a machine and itself: nothing is emptied before it is read.
  writeFileSync(join(folder, "one"), "content");
  const same = await run(["cp", `socket:${folder}/one`, `again:${folder}/one`]);
  expect(same).toMatchObject({ status: 1 });
  expect(same.stderr).toContain("is the same file");
  expect((await run(["cp", join(folder, "one"), `local:${folder}/one`])).status).toBe(1);
  expect(readFileSync(join(folder, "one"), "utf8")).toBe("content");
  const inside = await run(["cp", "-r", `socket:${top}`, `socket:${top}/a/new`]);
  expect(inside.stderr).toContain("is in it");
  expect(inside.status).toBe(1);
});

test("what is copied onto itself stays whole, by whatever names and environments", async () => {
  const folder = fresh();
  const top = join(folder, "top");
  mkdirSync(join(top, "sub"), { recursive: true });
  writeFileSync(join(top, "sub/big"), noise(2 * MIB + 5, 2));
  linkSync(join(top, "sub/big"), join(folder, "other name"));
  mkdirSync(join(folder, "links"));
  symlinkSync(join(top, "sub"), join(folder, "links/sub"));
  const before = tree(folder);
  const refused = [
    ["cp", "-r", top, `socket:${folder}`],
    ["cp", "-r", `socket:${top}`, `again:${top}/sub`],
    ["cp", "-r", `again:${top}`, `pipe:${top}/sub/new`],
  ];
  for (const args of refused) {
    const outcome = await run(args);
    expect(outcome.stderr).toContain("is in it");
    expect(outcome.status).toBe(1);
  }
  // Nothing is left to do.
  expect((await run(["cp", join(top, "sub/big"), `socket:${folder}/other name`])).status).toBe(0);
  expect((await run(["cp", "-r", `socket:${top}/.`, `pipe:${folder}/links`])).status).toBe(0);
  expect(tree(folder)).toEqual(before);
});

test.skipIf("missing" in codex169)(
  "a file that may be its own copy is refused where servers cannot tell",
  async () => {
    const folder = fresh();
    writeFileSync(join(folder, "big"), noise(2 * MIB + 5, 3));
    linkSync(join(folder, "big"), join(folder, "other name"));
    const { status, stderr } = await run(["cp", join(folder, "big"), `codex-169:${folder}/other name`]);
    expect(stderr).toContain("may be the same file");
    expect(status).toBe(1);
    expect(readFileSync(join(folder, "big")).length).toBe(2 * MIB + 5);
  },
);

test("of two things that go to one place the second is refused, with all that is in it", async () => {
  const folder = fresh();
  const make = (path: string, text: string): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  make("a/same", "first");
  make("a/x/of a", "1");
  make("b/same", "second");
  make("b/x/of b", "2");
  make("c/x", "a file");
  make("d/same/in a directory", "4");
  mkdirSync(join(folder, "out"));
  const sources = ["a/same", "a/x", "b/same", "b/x", "c/x", "d/same", "a/same"];
  const { status, stderr } = await run(["cp", "-r", ...sources, `socket:${folder}/out`], { cwd: folder });
  expect(status).toBe(1);
  const refused = [...stderr.matchAll(/Cannot copy "[^"]*\/([a-d]\/[^"]*)": "[^"]*" already goes to/g)];
  expect(refused.map(([, path]) => path)).toEqual(["b/same", "c/x", "d/same"]);
  expect(readFileSync(join(folder, "out/same"), "utf8")).toBe("first");
  expect(readdirSync(join(folder, "out/x")).sort()).toEqual(["of a", "of b"]);
});

test("-p keeps modes and times, and says where it cannot", async () => {
  const folder = fresh();
  const top = sample(folder, true);
  chmodSync(join(top, "index.html"), 0o4751);
  chmodSync(join(top, "a/b"), 0o555);
  utimesSync(join(top, "index.html"), 1000, 2000);
  utimesSync(join(top, "a"), 1000, 3000);
  expect(await run(["cp", "-rp", top, `socket:${folder}/up`])).toMatchObject({ status: 0, stderr: "" });
  expect(tree(join(folder, "up"), { modes: true })).toEqual(tree(top, { modes: true }));
  expect(lstatSync(join(folder, "up/index.html")).mtimeMs).toBe(2_000_000);
  expect(lstatSync(join(folder, "up/a")).mtimeMs).toBe(3_000_000);
  chmodSync(join(top, "a/b"), 0o755);
  chmodSync(join(folder, "up/a/b"), 0o755);
  if ("missing" in codex169) return;
  const refused = await run(["cp", "-p", `codex-169:${top}/index.html`, join(folder, "x")]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("Cannot keep modes and times");
  expect(existsSync(join(folder, "x"))).toBe(false);
});

test("-L follows links, and one that leads back is said", async () => {
  const folder = fresh();
  const top = sample(folder, true);
  rmSync(join(top, "a/dangling"));
  const outcome = await run(["cp", "-rL", `socket:${top}`, join(folder, "followed")]);
  expect(outcome.status).toBe(1);
  expect(outcome.stderr).toContain("leads back to");
  expect(lstatSync(join(folder, "followed/link")).isFile()).toBe(true);
  // Links are not what a Codex server tells of.
  if ("missing" in codex169) return;
  const links = await run(["cp", "-r", `codex-169:${top}`, join(folder, "codex")]);
  expect(links.status).toBe(1);
  expect(links.stderr).toContain("its server does not tell where it leads (-L follows links)");
  expect(readFileSync(join(folder, "codex/index.html"), "utf8")).toBe("<p>");
});

test("--json tells what happens, line by line", async () => {
  const folder = fresh();
  writeFileSync(join(folder, "a"), "12345");
  mkdirSync(join(folder, "d"));
  const outcome = await run(["cp", "--json", join(folder, "a"), join(folder, "none"), `socket:${folder}/d`]);
  expect(outcome.status).toBe(1);
  const events = outcome.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events).toEqual([
    expect.objectContaining({ event: "failed", path: join(folder, "none"), code: "ENOENT" }),
    { event: "copied", from: join(folder, "a"), to: `socket:${folder}/d/a`, bytes: 5 },
    expect.objectContaining({ event: "end", files: 1, bytes: 5, failed: 1 }),
  ]);
});

describe("over a connection that breaks", () => {
  const through = (): Record<string, string | undefined> => ({
    CODEX_HOME: "",
    HOME: join(home, "none"),
    CODEX_EXEC_SERVER_URL: proxy!.url,
  });

  /** Each break is told, and so is the way back; nothing else is. */
  const expectBreaks = (stderr: string): void => {
    const lines = stderr.split("\n").slice(0, -1);
    expect(lines.length).toBeGreaterThan(1);
    for (const [i, line] of lines.entries()) {
      const what = i % 2 === 0 ? "is lost, trying to get it back: " : "is back";
      expect(line).toStartWith(`exec-server: The connection to "remote" ${what}`);
    }
  };

  test("a file goes up and down whole", async () => {
    const folder = fresh();
    writeFileSync(join(folder, "big"), noise(24 * MIB + 7, 9));
    proxy = startFaultProxy(listener.url, { seed: 5, cutAfterBytes: [3 * MIB, 9 * MIB], maxCuts: 3 });
    const down = await run(["cp", `remote:${folder}/big`, join(folder, "down")], { env: through() });
    expect(down.status).toBe(0);
    expectBreaks(down.stderr);
    expect(proxy.cuts).toBeGreaterThan(0);
    expect(digest(join(folder, "down"))).toBe(digest(join(folder, "big")));
    proxy.close();

    proxy = startFaultProxy(listener.url, { seed: 6 });
    const child = Bun.spawn([...program, "cp", join(folder, "big"), `remote:${folder}/up`], {
      env: { ...process.env, ...through() },
      stderr: "pipe",
    });
    // The bytes go the other way, so that the proxy is told when.
    for (const size of [4 * MIB, 12 * MIB, 20 * MIB]) {
      await until(
        20_000,
        `${size} bytes`,
        () =>
          child.exitCode !== null ||
          (existsSync(join(folder, "up")) && lstatSync(join(folder, "up")).size >= size),
      );
      proxy.cut();
    }
    expect(await child.exited).toBe(0);
    expectBreaks(await new Response(child.stderr).text());
    expect(digest(join(folder, "up"))).toBe(digest(join(folder, "big")));
    proxy.close();
  });
});

test("what was interrupted is named, and --resume goes on behind what is good", async () => {
  const folder = fresh();
  const bytes = noise(64 * MIB, 11);
  writeFileSync(join(folder, "big"), bytes);
  proxy = startFaultProxy(listener.url, { seed: 1, halved: 1, stalled: 0.5 });
  const env = { CODEX_HOME: "", HOME: join(home, "none"), CODEX_EXEC_SERVER_URL: proxy.url };
  const child = Bun.spawn([...program, "cp", `remote:${folder}/big`, join(folder, "part")], {
    env: { ...process.env, ...env },
    stderr: "pipe",
  });
  await until(
    20_000,
    "first bytes",
    () => existsSync(join(folder, "part")) && lstatSync(join(folder, "part")).size > 2 * MIB,
  );
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  const said = await new Response(child.stderr).text();
  expect(said).toContain("Interrupted: 0 files were copied");
  expect(said).toContain(`Incomplete: "${folder}/part" (--resume goes on)`);
  proxy.close();

  const size = lstatSync(join(folder, "part")).size;
  expect(size).toBeLessThan(64 * MIB);
  const outcome = await run(["cp", "--resume", "--json", `socket:${folder}/big`, join(folder, "part")]);
  const end = JSON.parse(outcome.stdout.trim().split("\n").at(-1)!);
  expect(end).toMatchObject({ event: "end", files: 1, failed: 0 });
  expect(end.bytes).toBeLessThanOrEqual(64 * MIB - size + MIB);
  expect(digest(join(folder, "part"))).toBe(digest(join(folder, "big")));

  // A block that is not what it should be is written again, with what follows.
  writeFileSync(join(folder, "part"), Buffer.concat([bytes.subarray(0, 10 * MIB), Buffer.alloc(3 * MIB)]));
  const mended = await run(["cp", "--resume", "--json", `socket:${folder}/big`, join(folder, "part")]);
  expect(JSON.parse(mended.stdout.trim().split("\n").at(-1)!).bytes).toBe(54 * MIB);
  expect(digest(join(folder, "part"))).toBe(digest(join(folder, "big")));
  const nothing = await run(["cp", "--resume", "--json", join(folder, "big"), `socket:${folder}/part`]);
  expect(JSON.parse(nothing.stdout.trim().split("\n").at(-1)!).bytes).toBe(0);
});

test.each(["up", "down"])(
  "a copy %s that is killed goes on with --resume, and sends little twice",
  async (way) => {
    const folder = fresh();
    const size = 200 * MIB;
    const block = noise(MIB, 13);
    const bytes = Buffer.alloc(size, block);
    for (let at = 0; at < size; at += MIB) bytes.writeUInt32LE(at, at);
    writeFileSync(join(folder, "big"), bytes);
    const part = join(folder, "part");
    const [from, to] =
      way === "up" ? [join(folder, "big"), `socket:${folder}/part`] : [`socket:${folder}/big`, part];
    const child = Bun.spawn([...program, "cp", from, to], { env: { ...process.env, CODEX_HOME: home } });
    const written = (): number => lstatSync(part, { throwIfNoEntry: false })?.size ?? 0;
    await until(20_000, "first bytes", () => written() > 40 * MIB);
    child.kill("SIGKILL");
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    // Blocks that the server has already may still be on their way to the file.
    let before = -1;
    await until(5000, "an end of writing", async () => {
      const last = before;
      before = written();
      await Bun.sleep(30);
      return last === before;
    });
    expect(before).toBeLessThan(size);
    const outcome = await run(["cp", "--resume", "--json", from, to]);
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    const end = JSON.parse(outcome.stdout.trim().split("\n").at(-1)!);
    expect(end).toMatchObject({ event: "end", files: 1, failed: 0 });
    // Eight blocks may have been under way in any order.
    expect(end.bytes).toBeLessThanOrEqual(size - before + 9 * MIB);
    expect(digest(part)).toBe(digest(join(folder, "big")));
    expect(readdirSync(folder).sort()).toEqual(["big", "part"]);
  },
);

test("watch prints changes until Ctrl-C, and ends when what it watches goes", async () => {
  const folder = fresh();
  mkdirSync(join(folder, "w"));
  const child = Bun.spawn([...program, "watch", "-r", `socket:${folder}/w`], {
    env: { ...process.env, CODEX_HOME: home },
    stdout: "pipe",
    stderr: "pipe",
  });
  let seen = "";
  let written = 0;
  // It says nothing when it begins, so something happens until it is seen.
  const writing = until(20_000, "line", () => {
    writeFileSync(join(folder, "w/f"), String(written++));
    return seen !== "";
  });
  for await (const bytes of child.stdout) {
    seen += new TextDecoder().decode(bytes);
    child.kill("SIGINT");
  }
  await writing;
  expect(seen).toMatch(new RegExp(`^(created|modified) +socket:${folder}/w/f\n`));
  expect(await child.exited).toBe(130);
  expect(await new Response(child.stderr).text()).toBe("");
  expect(await run(["watch", `socket:${folder}/never`])).toMatchObject({ status: 1, stdout: "" });
});

test("search prints the lines of the other side", async () => {
  const folder = fresh();
  writeFileSync(join(folder, "a.txt"), "one\nA needle\n");
  const found = await run(["search", "-i", "NEEDLE", `socket:${folder}`]);
  expect(found).toEqual({ status: 0, stdout: `socket:${folder}/a.txt:2:A needle\n`, stderr: "" });
  expect(await run(["search", "NEEDLE", `socket:${folder}`])).toMatchObject({ status: 1, stdout: "" });
  expect((await run(["search", "-F", "(", `socket:${folder}`])).stderr).toBe("");
  expect((await run(["search", "(", `socket:${folder}`])).stderr).toContain("Cannot search");
});

test("a reader that goes ends cat with the status of a broken pipe", async () => {
  const folder = fresh();
  writeFileSync(join(folder, "big"), noise(8 * MIB, 4));
  const command = [...program, "cat", `socket:${folder}/big`].map((word) => `'${word}'`).join(" ");
  const child = Bun.spawn(["bash", "-c", `${command} | head -c 5 >/dev/null; echo "\${PIPESTATUS[0]}"`], {
    env: { ...process.env, CODEX_HOME: home },
    stdout: "pipe",
  });
  expect((await new Response(child.stdout).text()).trim()).toBe("141");
});

describe("mistakes", () => {
  const mistakes: [args: string[], status: number, text: string][] = [
    [["cp", "a"], 2, '"cp" needs a source and a destination'],
    [["cp", "--recusive", "a", "b"], 2, 'did you mean "--recursive"?'],
    [["cp", "a", "b", "no-such-folder"], 2, '"no-such-folder"'.replaceAll('"', "")],
    [["cp", "nowhere:x", "."], 1, '(a file of that name is "./nowhere:x")'],
    [["cat"], 2, '"cat" needs a path'],
    [["ls", "-z"], 2, 'Unknown flag "-z"'],
    [["rm", "-rf", "socket:/"], 2, 'Refusing to remove "socket:/"'],
    [["rm", "-r", "socket:"], 2, "Refusing to remove"],
    [["rm", "-r", "socket:/tmp/.."], 2, "Refusing to remove"],
    [["stat", "-e", "nowhere", "/"], 1, 'no environment "nowhere"'],
    [["stat", "socket:~bob/x"], 2, '"./~bob/x" is a file of that name'],
    [["ls", ""], 2, "expected PATH or ENV:PATH"],
    [["stats"], 2, 'did you mean "stat"?'],
  ];
  test.each(mistakes)("%j", async (args, status, text) => {
    const outcome = await run(args);
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toContain(text);
    expect(outcome.stdout).toBe("");
  });

  test.each(["cp", "ls", "cat", "rm", "mkdir", "stat", "search", "watch"])(
    "%s --help explains it",
    async (name) => {
      const outcome = await run([name, "--help"]);
      expect(outcome.status).toBe(0);
      expect(outcome.stdout).toContain(`Usage: exec-server ${name}`);
      expect(outcome.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    },
  );
});
