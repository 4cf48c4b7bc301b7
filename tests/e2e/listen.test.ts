/** The command line of the server: where it listens, and what it prints. */

import { expect } from "bun:test";
import { createServer } from "node:net";
import { type Harness, ours, suite, verifies } from "../support/harness.ts";
import { Listening, Running } from "../support/servers.ts";

/** Runs a server that is to end by itself. */
async function ended(
  t: Harness,
  args: readonly string[],
): Promise<{ status: number; stderr: string; stdout: string }> {
  const running = new Running(t.server, t.folder, { args });
  const stdout = new Response(running.child.stdout).text();
  const status = await running.exit();
  return { status, stderr: running.stderr, stdout: await stdout };
}

/** Starts a listener and stops it; answers what it printed. */
async function listened(t: Harness, args: readonly string[]): Promise<{ url: string; stdout: string }> {
  const listening = await Listening.start(t.server, t.folder, { args });
  const { url } = listening;
  expect(
    (await fetch(`${url.replace("ws://", "http://").replace("0.0.0.0", "127.0.0.1")}/readyz`)).status,
  ).toBe(200);
  await listening.stop();
  return { url, stdout: await listening.allStdout() };
}

const invalid = ["ws://localhost:0", "ws://127.0.0.1", "ws://127.0.0.1:0/", "ws://", "ws://:0", "ws://::1:0"];
const more = [
  "ws://127.0.0.1:65536",
  "ws://127.0.0.1:x",
  "ws://256.0.0.1:0",
  "ws://127.0.0.1:0?x",
  "ws://[::1]",
];
const unsupported = ["wss://127.0.0.1:0", "http://127.0.0.1:0", "127.0.0.1:0", "WS://127.0.0.1:0", "STDIO"];
const others = ["stdio:", "", " ws://127.0.0.1:0", "stdio ", "unix:///x"];

suite("listen", { transports: ["stdio"] }, (t) => {
  for (const url of [...invalid, ...more]) {
    verifies("listen: a websocket URL that is none ends with status 1", url, async () => {
      const { status, stderr, stdout } = await ended(t, ["--listen", url]);
      expect(stderr).toBe(`Error: invalid websocket --listen URL \`${url}\`; expected \`ws://IP:PORT\`\n`);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    });
  }
  for (const url of [...unsupported, ...others]) {
    verifies("listen: any other URL ends with status 1", JSON.stringify(url), async () => {
      const { status, stderr, stdout } = await ended(t, ["--listen", url]);
      expect(stderr).toBe(
        `Error: unsupported --listen URL \`${url}\`; expected \`ws://IP:PORT\` or \`stdio\`\n`,
      );
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    });
  }

  verifies("listen: stdout gets one line with the bound address", async () => {
    const { url, stdout } = await listened(t, ["--listen", "ws://127.0.0.1:0"]);
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect(stdout).toBe(`${url}\n`);
    expect((await listened(t, ["--listen", "ws://[::1]:0"])).url).toMatch(/^ws:\/\/\[::1\]:[1-9]\d*$/);
  });

  verifies("listen: without the flag it is a free port of loopback", async () => {
    const { url, stdout } = await listened(t, []);
    expect(stdout).toBe(`${url}\n`);
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:[1-9]\d*$/);
  });

  verifies("listen: a port in use ends with status 1", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    const { status, stderr, stdout } = await ended(t, ["--listen", `ws://127.0.0.1:${port}`]);
    taken.close();
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/address.* in use/i);
  });

  verifies("listen: a flag that is not known ends with status 2", async () => {
    for (const args of [["--no-such-flag"], ["--listen"], ["--listen", "stdio", "argument"]]) {
      const { status, stderr, stdout } = await ended(t, args);
      expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: "" });
      expect(stderr).not.toBe("");
    }
  });

  verifies("listen: --concurrent-requests takes a number from 1", async () => {
    const statuses: number[] = [];
    for (const value of ["0", "-1", "x"]) {
      statuses.push((await ended(t, [`--concurrent-requests=${value}`])).status);
    }
    expect(statuses).toEqual([2, 2, 2]);
    if (t.id === "codex-0.138.0") return;
    await listened(t, ["--concurrent-requests", "4", "--listen", "ws://127.0.0.1:0"]);
  });

  verifies("listen: stdout over stdio has protocol lines only", async () => {
    for (const form of ["stdio", "stdio://"]) {
      const running = new Running(t.server, t.folder, { args: ["--listen", form] });
      running.child.stdin.write('{"id":1,"method":"no/such"}\n');
      running.child.stdin.flush();
      const reader = running.child.stdout.getReader();
      const { value } = await reader.read();
      running.child.stdin.end();
      expect(await running.exit()).toBe(0);
      const lines = new TextDecoder().decode(value).split("\n");
      expect(lines.map((line) => line && JSON.parse(line).id)).toEqual([1, ""]);
      expect((await reader.read()).done).toBe(true);
      expect(running.stderr).toBe("");
    }
  });

  verifies("listen: beyond loopback only with credentials or by a named flag", async () => {
    const args = ["--listen", "ws://0.0.0.0:0"];
    const difference = t.difference("open bind");
    if (difference) {
      expect((await listened(t, args)).url).toMatch(difference.does as RegExp);
      return;
    }
    const { status, stderr, stdout } = await ended(t, args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("--allow-unauthenticated");
    expect((await ended(t, ["--listen", "ws://[::]:0"])).status).toBe(1);
    const allowed = await listened(t, [...args, "--allow-unauthenticated"]);
    expect(allowed.url).toMatch(/^ws:\/\/0\.0\.0\.0:\d+$/);
    const token = ["--ws-auth", "capability-token", "--ws-token-sha256", "0".repeat(64)];
    expect((await listened(t, [...args, ...token])).url).toMatch(/^ws:\/\/0\.0\.0\.0:\d+$/);
  });
});

suite("listen, ours", { transports: ["stdio"], servers: ours }, (t) => {
  verifies("listen: the word serve may be left out", async () => {
    const command = t.server.command.filter((word) => word !== "serve");
    const listening = await Listening.start({ ...t.server, command }, t.folder);
    await listening.stop();
    expect(await listening.allStdout()).toBe(`${listening.url}\n`);
  });

  verifies("listen: files of the working directory are not taken for settings", async () => {
    await Bun.write(`${t.folder.work}/.env`, "FROM_DOTENV=1\n");
    // Run from its sources Bun takes this file; the executable must not.
    if (t.id === "executable") {
      await Bun.write(`${t.folder.work}/bunfig.toml`, 'preload = ["./evil.ts"]\n');
      await Bun.write(`${t.folder.work}/evil.ts`, 'console.log("evil");\n');
    }
    const told = await t.run(["/usr/bin/env"], {
      envPolicy: { inherit: "all", ignoreDefaultExcludes: true, exclude: [], set: {}, includeOnly: [] },
    });
    expect(told.stdout).not.toContain("FROM_DOTENV");
  });
});
