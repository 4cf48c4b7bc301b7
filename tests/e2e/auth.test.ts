/** Credentials at the upgrade: `--ws-auth capability-token`. */

import { expect } from "bun:test";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectWebsocket, currentRuntime } from "../../mod.ts";
import { type Harness, suite, verifies } from "../support/harness.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawSocket, upgradeHeaders } from "../support/raw_socket.ts";
import { Listening, Running, type Server } from "../support/servers.ts";

const TOKEN = "correct horse battery staple";
const digest = createHash("sha256").update(TOKEN).digest("hex");
const mode = ["--ws-auth", "capability-token"];
const address = ["--listen", "ws://127.0.0.1:0"];

/** 0.138.0 has no such flags. */
const knowsAuth = (server: Server): boolean => server.id !== "codex-0.138.0";

function file(t: Harness, name: string, text: string): string {
  const path = join(t.folder.work, name);
  writeFileSync(path, text);
  return path;
}

suite("auth at start", { transports: ["stdio"], servers: knowsAuth }, (t) => {
  const misuses: Record<string, (t: Harness) => string[]> = {
    "no token": () => [...mode],
    "both token flags": (t) => [...mode, "--ws-token-file", file(t, "a", TOKEN), "--ws-token-sha256", digest],
    "a digest that is too short": () => [...mode, "--ws-token-sha256", digest.slice(1)],
    "a digest that is no hex": () => [...mode, "--ws-token-sha256", "g".repeat(64)],
    "an empty file": (t) => [...mode, "--ws-token-file", file(t, "b", " \n")],
    "a missing file": () => [...mode, "--ws-token-file", "no-such-file"],
    "a token without the mode": () => ["--ws-token-sha256", digest],
    "a token file without the mode": (t) => ["--ws-token-file", file(t, "c", TOKEN)],
  };
  for (const [name, args] of Object.entries(misuses)) {
    verifies("auth: misuse of the flags ends with status 1", name, async () => {
      const running = new Running(t.server, t.folder, { args: [...address, ...args(t)] });
      const stdout = new Response(running.child.stdout).text();
      expect(await running.exit()).toBe(1);
      expect(running.stderr).toStartWith("Error: ");
      expect(running.stderr).not.toContain(TOKEN);
      expect(await stdout).toBe("");
    });
  }

  verifies("auth: misuse of the flags ends with status 1", "over stdio", async () => {
    const args = ["--listen", "stdio", ...mode, "--ws-token-sha256", digest];
    const running = new Running(t.server, t.folder, { args });
    expect(await running.exit()).toBe(1);
    expect(running.stderr).toBe("Error: WebSocket auth requires a WebSocket listener, not stdio\n");
  });

  verifies("auth: the token comes from a file, trimmed, or by its digest in any case", async () => {
    file(t, "token", `\n ${TOKEN} \n`);
    for (const flag of [
      ["--ws-token-file", join(t.folder.work, "token")],
      ["--ws-token-file", "token"],
      ["--ws-token-sha256", digest.toUpperCase()],
    ]) {
      const listening = await Listening.start(t.server, t.folder, { args: [...address, ...mode, ...flag] });
      const headers = { Authorization: `Bearer ${TOKEN}` };
      const client = await RawClient.websocket(listening.url, { headers });
      await client.initialize();
      await client.close();
      await expect(RawClient.websocket(listening.url)).rejects.toThrow();
      await listening.stop();
    }
  });
});

suite("auth at the upgrade", {
  transports: ["websocket"],
  servers: knowsAuth,
  launch: { args: [...address, ...mode, "--ws-token-sha256", digest] },
}, (t) => {
  const ask = async (
    start: string,
    headers: Record<string, string>,
  ): Promise<{ status: number; body: string; headers: Record<string, string> }> =>
    await (await t.socket()).http(start, { Host: "127.0.0.1", ...headers });
  const rows: Record<string, [value: string | undefined, body: string]> = {
    "no header": [undefined, "missing websocket bearer token"],
    "another scheme": [`Basic ${TOKEN}`, "invalid authorization header"],
    "no space": ["Bearer", "invalid authorization header"],
    "an empty token": ["Bearer   ", "invalid authorization header"],
    "a wrong token": ["Bearer x", "invalid websocket bearer token"],
    "the digest itself": [`Bearer ${digest}`, "invalid websocket bearer token"],
  };
  for (const [name, [value, body]] of Object.entries(rows)) {
    verifies("auth: wrong credentials are 401 and say why", name, async () => {
      const headers = value === undefined ? upgradeHeaders : { ...upgradeHeaders, Authorization: value };
      const answer = await ask("GET /", headers);
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 401, body });
      expect(answer.headers["www-authenticate"]).toBeUndefined();
      expect(answer.headers["content-type"]).toStartWith("text/plain");
    });
  }

  verifies("auth: our client presents the token it is given", async () => {
    const runtime = await currentRuntime();
    const { url } = t.listening;
    await using client = await connectWebsocket(runtime, { url, bearerToken: TOKEN });
    expect((await client.info()).shell.path).toStartWith("/");
    for (const wrong of [{}, { bearerToken: "wrong" }]) {
      await expect(connectWebsocket(runtime, { url, ...wrong })).rejects.toMatchObject({
        code: "ERR_CONNECT",
      });
    }
  });

  verifies("auth: the scheme is in any case and the token trimmed", async () => {
    for (const value of [`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER   ${TOKEN}  `]) {
      expect((await ask("GET /", { ...upgradeHeaders, Authorization: value })).status).toBe(101);
    }
  });

  verifies(
    "auth: credentials are asked for after origin and upgrade headers, and not at /readyz",
    async () => {
      expect((await ask("GET /", { ...upgradeHeaders, Origin: "null" })).status).toBe(403);
      expect((await ask("GET /", {})).status).toBe(400);
      expect((await ask("GET /readyz", {})).status).toBe(200);
      expect((await ask("GET /nowhere", {})).status).toBe(404);
      expect((await ask(`GET /?token=${encodeURIComponent(TOKEN)}`, { ...upgradeHeaders })).status).toBe(401);
    },
  );

  verifies(
    "auth: credentials are asked for after origin and upgrade headers, and not at /readyz",
    "a refused connection speaks no protocol",
    async () => {
      const socket = await RawSocket.connect(t.listening.port);
      await socket.http("GET /", { Host: "127.0.0.1", ...upgradeHeaders });
      socket.frame('{"id":1,"method":"initialize","params":{"clientName":"x"}}');
      const answer = await Promise.race([socket.nextJson(2000).catch(() => undefined), socket.gone]);
      socket.close();
      expect(answer).toBeUndefined();
    },
  );
});
