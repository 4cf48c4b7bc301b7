/** Credentials at the upgrade: `--ws-auth capability-token` and `--ws-auth signed-bearer-token`. */

import { expect } from "bun:test";
import { createHash, createHmac } from "node:crypto";
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
const signed = ["--ws-auth", "signed-bearer-token"];
const SECRET = "a secret of thirty-two bytes, or more";
const address = ["--listen", "ws://127.0.0.1:0"];

/** 0.138.0 has no such flags. */
const knowsAuth = (server: Server): boolean => server.id !== "codex-0.138.0";

function file(t: Harness, name: string, content: string | Uint8Array): string {
  const path = join(t.folder.work, name);
  writeFileSync(path, content);
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
    "no secret": () => [...signed],
    "a secret that is too short": (t) => [
      ...signed,
      "--ws-shared-secret-file",
      file(t, "d", ` ${SECRET.slice(0, 31)}\n`),
    ],
    "a missing secret file": () => [...signed, "--ws-shared-secret-file", "no-such-file"],
    "a secret that is no text": (t) => [
      ...signed,
      "--ws-shared-secret-file",
      file(t, "g", new Uint8Array(32).fill(0xff)),
    ],
    "a token that is no text": (t) => [
      ...mode,
      "--ws-token-file",
      file(t, "h", Buffer.from(`${TOKEN}\xff`, "latin1")),
    ],
    "a secret without the mode": (t) => ["--ws-shared-secret-file", file(t, "e", SECRET)],
    "an issuer without the mode": () => ["--ws-issuer", "a"],
    "an audience in the other mode": () => [...mode, "--ws-token-sha256", digest, "--ws-audience", "a"],
    "a token in the other mode": (t) => [
      ...signed,
      "--ws-shared-secret-file",
      file(t, "f", SECRET),
      "--ws-token-sha256",
      digest,
    ],
  };
  for (const [name, args] of Object.entries(misuses)) {
    verifies("auth: misuse of the flags ends with status 1", name, async () => {
      const running = new Running(t.server, t.folder, { args: [...address, ...args(t)] });
      const stdout = new Response(running.child.stdout).text();
      expect(await running.exit()).toBe(1);
      expect(running.stderr).toStartWith("Error: ");
      expect(running.stderr).not.toContain(TOKEN);
      expect(running.stderr).not.toContain(SECRET.slice(0, 31));
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

/** A JWT, whose claims may be anything. */
function jwt(claims: unknown, header: unknown = { alg: "HS256", typ: "JWT" }, key = SECRET): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}

suite("signed tokens at the upgrade", { transports: ["stdio"], servers: knowsAuth }, (t) => {
  const later = Math.floor(Date.now() / 1000) + 3600;
  const claims = { exp: later, iss: "us", aud: "box" };
  const rows: Record<string, [token: string, status: number, body?: string]> = {
    "a good one": [jwt(claims), 101],
    "without typ": [jwt(claims, { alg: "HS256" }), 101],
    "for several": [jwt({ ...claims, aud: ["other", "box"] }), 101],
    "past its end by less than the clocks may differ": [jwt({ ...claims, exp: later - 3660 }), 101],
    "a good beginning": [jwt({ ...claims, nbf: later - 7200 }), 101],
    "no JWT": ["x", 401, "invalid websocket jwt"],
    "another algorithm": [jwt(claims, { alg: "HS512" }), 401, "invalid websocket jwt"],
    "no algorithm": [jwt(claims, { alg: "none" }), 401, "invalid websocket jwt"],
    "another key": [jwt(claims, undefined, `${SECRET}x`), 401, "invalid websocket jwt"],
    "no end": [jwt({ iss: "us", aud: "box" }), 401, "invalid websocket jwt"],
    "an end that is a text": [jwt({ ...claims, exp: `${later}` }), 401, "invalid websocket jwt"],
    "an end with a fraction": [jwt({ ...claims, exp: later + 0.5 }), 401, "invalid websocket jwt"],
    "a beginning that is a text": [jwt({ ...claims, nbf: "0" }), 401, "invalid websocket jwt"],
    "an issuer that is a number": [jwt({ ...claims, iss: 1 }), 401, "invalid websocket jwt"],
    padding: [`${jwt(claims)}=`, 401, "invalid websocket jwt"],
    "past its end": [jwt({ ...claims, exp: later - 3800 }), 401, "expired websocket jwt"],
    "before its beginning": [jwt({ ...claims, nbf: later }), 401, "websocket jwt is not valid yet"],
    "another issuer": [jwt({ ...claims, iss: "them" }), 401, "websocket jwt issuer mismatch"],
    "no issuer": [jwt({ exp: later, aud: "box" }), 401, "websocket jwt issuer mismatch"],
    "another audience": [jwt({ ...claims, aud: ["other"] }), 401, "websocket jwt audience mismatch"],
    "no audience": [jwt({ exp: later, iss: "us" }), 401, "websocket jwt audience mismatch"],
  };

  verifies("auth: a signed token is taken or refused as the newest peer does it", async () => {
    const secret = file(t, "secret", `${SECRET}\n`);
    const flags = ["--ws-shared-secret-file", secret, "--ws-issuer", " us ", "--ws-audience", "box"];
    const skew = ["--ws-max-clock-skew-seconds", "90"];
    const args = [...address, ...signed, ...flags, ...skew];
    const listening = await Listening.start(t.server, t.folder, { args });
    const answers: Record<string, [status: number, body?: string]> = {};
    for (const [name, [token]] of Object.entries(rows)) {
      const socket = await RawSocket.connect(listening.port);
      const headers = { Host: "127.0.0.1", ...upgradeHeaders, Authorization: `Bearer ${token}` };
      const { status, body } = await socket.http("GET /", headers);
      answers[name] = status === 101 ? [status] : [status, body];
      socket.close();
    }
    await listening.stop();
    const wanted = Object.entries(rows).map(([name, [, ...answer]]) => [name, answer]);
    expect(answers).toEqual(Object.fromEntries(wanted));
  });
});
