/** Files at the prompt: from where it stands, with other environments and with this machine. */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime, type Listener, listen } from "../../mod.ts";
import { call, program } from "../support/cli.ts";
import { until } from "../support/deadline.ts";

setDefaultTimeout(30_000);

let home = "";
let listener: Listener;

beforeAll(async () => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "exec-server-test-")));
  listener = await listen(await currentRuntime());
  writeFileSync(join(home, "environments.toml"), `[[environments]]\nid = "box"\nurl = "${listener.url}"\n`);
});

afterAll(async () => {
  await listener.close();
  rmSync(home, { recursive: true, force: true });
});

test("commands about files begin where the prompt stands, and leave it there", async () => {
  const folder = mkdtempSync(join(home, "t-"));
  mkdirSync(join(folder, "here"));
  writeFileSync(join(folder, "here/a b.txt"), "from here");
  const script = [
    `cd ${folder}`,
    ":mkdir there",
    "cd there",
    ":put 'a b.txt'",
    ":ls -l",
    ":cat a\\ b.txt",
    "echo",
    ":cp 'a b.txt' copy",
    `:cp copy local:${folder}/elsewhere`,
    ":get copy",
    ":rm copy",
    ":ls .",
    ":stat --json 'a b.txt'",
    ":ls box:missing",
    "pwd",
    ":rm -x",
    ":cat",
  ].join("\n");
  const outcome = await call(["repl", "box"], {
    stdin: `${script}\n`,
    cwd: join(folder, "here"),
    env: { CODEX_HOME: home },
  });
  const lines = outcome.stdout.split("\n");
  expect(lines[0]).toMatch(/^-rw-r--r-- .* 9 .* a b\.txt$/);
  expect(lines.slice(1, 3)).toEqual(["from here", "a b.txt"]);
  expect(JSON.parse(lines[3]!)).toMatchObject({ path: `box:${folder}/there/a b.txt`, size: 9 });
  expect(lines.slice(4)).toEqual([`${folder}/there`, ""]);
  expect(outcome.stderr.split("\n")).toEqual([
    `exec-server: Cannot look at "box:${folder}/there/missing": No such file or directory (os error 2)`,
    'exec-server: Unknown flag "-x"',
    'exec-server: "cat" needs a path: cat PATH…',
    "",
  ]);
  expect(readFileSync(join(folder, "here/copy"), "utf8")).toBe("from here");
  expect(readFileSync(join(folder, "elsewhere"), "utf8")).toBe("from here");
  expect(existsSync(join(folder, "there/copy"))).toBe(false);
  expect(outcome.status).toBe(2);
});

test("search and watch tell of the files there, and the next line is read when a watch is over", async () => {
  const folder = mkdtempSync(join(home, "t-"));
  mkdirSync(join(folder, "seen"));
  writeFileSync(join(folder, "seen/a"), "one\nA needle\n");
  const script = [
    `cd ${folder}`,
    ":search -i NEEDLE seen",
    ":watch -r seen",
    "echo after",
    ":search none seen",
  ];
  const child = Bun.spawn([...program, "repl", "box"], {
    env: { ...process.env, CODEX_HOME: home },
    stdin: new Blob([script.map((line) => `${line}\n`).join("")]),
    stdout: "pipe",
    stderr: "pipe",
  });
  let stdout = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) stdout += decoder.decode(bytes, { stream: true });
  })();
  const found = `box:${folder}/seen/a:2:A needle\n`;
  // A watch says nothing when it begins, so something happens until it is seen.
  let written = 0;
  await until(20_000, "change", () => {
    writeFileSync(join(folder, "seen/b"), String(written++));
    return stdout.length > found.length;
  });
  rmSync(join(folder, "seen"), { recursive: true });
  expect(await child.exited).toBe(1);
  await reading;
  const lines = stdout.slice(found.length).split("\n");
  expect(stdout).toStartWith(found);
  expect(lines[0]).toMatch(new RegExp(`^(created|modified) +box:${folder}/seen/b$`));
  expect(lines.slice(-4)).toEqual([
    expect.stringMatching(/^removed /),
    expect.stringMatching(/^removed /),
    "after",
    "",
  ]);
  expect((await new Response(child.stderr).text()).split("\n")).toEqual([
    `exec-server: "box:${folder}/seen" is gone`,
    `exec-server: Cannot search "box:${folder}/seen": No such file or directory (os error 2)`,
    "",
  ]);
});
