/** The REPL as the end of a pipe: no prompt, exact bytes, the status of the last line. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { within } from "../support/deadline.ts";
import { runtimes, Setup, shellName } from "./setup.ts";

setDefaultTimeout(30_000);
let setup: Setup;
beforeAll(async () => {
  setup = await Setup.open({ server: true });
});
afterAll(() => setup[Symbol.asyncDispose]());

describe.each(Object.keys(runtimes))("a script on %s", (runtime) => {
  const run = (text: string, environment?: string, options: { isCut?: boolean } = {}) =>
    setup.script(text, { runtime, ...(environment ? { environment } : {}), ...options });

  test("carries folder and variables from line to line and tells outputs apart", async () => {
    const { stdout, stderr, status } = await run(
      'cd /tmp\nexport A=\'x  y\'\necho "$A" >&2\npwd; echo "$A"\n(exit 7)\n',
    );
    expect([stdout.toString(), stderr.toString(), status]).toEqual(["/tmp\nx  y\n", "x  y\n", 7]);
  });

  test("takes several lines that belong together, and a last one without a newline", async () => {
    const { stdout } = await run(
      "for i in 1 2\ndo\n  echo $i\ndone\ncat <<E\na 'b\nE\necho one \\\ntwo\necho end",
    );
    expect(stdout.toString()).toBe("1\n2\na 'b\none two\nend\n");
  });

  test("goes on after a failure, and stops at exit", async () => {
    const { stdout, status } = await run("false\necho $?\nif true; then exit 5; fi\necho no\n");
    expect([stdout.toString(), status]).toEqual(["1\n", 5]);
  });

  test("passes every byte, and adds none", async () => {
    const { stdout } = await run("printf '\\000\\001\\036\\377\\200x\\r\\n'\nprintf end\n");
    expect(stdout.toString("latin1")).toBe("\0\x01\x1e\xff\x80x\r\nend");
  });

  test("ends with the command that runs when nobody reads its output", async () => {
    const script = run("yes\necho not run >&2\n", undefined, { isCut: true });
    const { stderr, status } = await within(10_000, "the end of the script", script);
    expect([stderr.toString(), status]).toEqual(["", 141]);
  });

  test("gives its commands no input", async () => {
    const { stdout } = await run("cat\necho after\n");
    expect(stdout.toString()).toBe("after\n");
  });
});

test("a script takes 8 MiB of output and a line of 64 KiB whole", async () => {
  const { stdout } = await setup.script(
    `head -c 8388608 /dev/zero\nprintf %s ${"x".repeat(65_536)} | wc -c\n`,
  );
  expect(stdout.length).toBe(8_388_608 + "65536\n".length);
  expect(stdout.subarray(8_388_608).toString()).toBe("65536\n");
});

test(":ps lists what the session has, by the lines as they were typed", async () => {
  const { stdout } = await setup.script(
    ":ps\n(exit 3)\nsleep 99 & echo one\n:ps\n:use box\n:ps\necho two\n:ps\n",
  );
  const [none, one, head, first, second, ...rest] = stdout.toString().trimEnd().split("\n");
  expect([none, one]).toEqual(["No processes", "one"]);
  expect(head).toMatch(/^job +state +pid +age +input +output +kind +command$/);
  expect(first).toMatch(/exit 3 +\d+ +\d+ s +0 B +\S+ \S+ +pipe +\(exit 3\)$/);
  expect(second).toMatch(/done, output open +\d+ .* sleep 99 & echo one$/);
  expect(rest[0]).toBe("No processes");
  expect(rest.at(-1)).toMatch(/done +\d+ .* echo two$/);
});

test("a script can change the environment and use commands; no style in pipes", async () => {
  const { stdout, stderr, status } = await setup.script(
    ":use box\necho on $0\n:use pipe\necho pipe\n:nope\n: a builtin\n:env\n",
  );
  expect(stdout.toString()).toStartWith(`on ${shellName}\npipe\n  local  connected  this machine\n  box `);
  expect(stderr.toString()).toBe('exec-server: There is no command ":nope": did you mean ":pipe"?\n');
  expect(stdout.includes(0x1b)).toBe(false);
  expect(status).toBe(0);
});

test("a script leaves no history", () => expect(existsSync(setup.history)).toBe(false));

test("a script on a server that is not there ends with 255 and the reason", async () => {
  const { stderr, status, stdout } = await setup.script("echo x\n", { environment: "down" });
  expect([stdout.toString(), status]).toEqual(["", 255]);
  expect(stderr.toString()).toStartWith('exec-server: Cannot connect to "ws://127.0.0.1:1"');
});

test("a script in a folder that has gone is not run elsewhere", async () => {
  const folder = `${setup.folder}/gone`;
  const { stdout, stderr } = await setup.script(
    `mkdir ${folder}; cd ${folder}; rmdir ${folder}\ntouch here\npwd; ls\n`,
  );
  expect(stdout.toString()).toBe(`${setup.folder}\n`);
  expect(stderr.toString()).toContain(`The folder "${folder}" is gone`);
});

test("a job that is left at the end is ended, and said so", async () => {
  const begin = performance.now();
  const { stdout, stderr, status } = await setup.script("sleep 987 &\necho next\n");
  expect([stdout.toString(), status]).toEqual(["next\n", 0]);
  expect(stderr.toString()).toBe("exec-server: ending [1] sleep 987 &\n");
  expect(performance.now() - begin).toBeLessThan(8000);
  const { stdout: left } = await setup.script("pgrep -f '^sleep 987' || echo none\n");
  expect(left.toString()).toBe("none\n");
});
