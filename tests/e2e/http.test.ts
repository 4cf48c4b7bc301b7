/** What the port answers before it is a websocket. */

import { expect } from "bun:test";
import { hostname } from "node:os";
import { type Harness, suite, verifies } from "../support/harness.ts";
import { encodeFrame, upgradeHeaders } from "../support/raw_socket.ts";

type Headers = Record<string, string>;

const host: Headers = { Host: "127.0.0.1" };
const upgrade: Headers = { ...host, ...upgradeHeaders };
const without = (name: string): Headers =>
  Object.fromEntries(Object.entries(upgrade).filter(([key]) => key !== name));

async function ask(
  t: Harness,
  start: string,
  headers: Headers,
): Promise<{ status: number; body: string; headers: Headers }> {
  return await (await t.socket()).http(start, headers);
}

suite("http", { transports: ["websocket"] }, (t) => {
  verifies("http: any Origin gets 403, before all else", async () => {
    for (const origin of ["http://localhost", "null", "", "https://example.com"]) {
      for (const start of ["GET /", "GET /readyz", "GET /nowhere", "POST /"]) {
        const { status, body } = await ask(t, start, { ...upgrade, Origin: origin });
        expect({ origin, start, status, body }).toEqual({ origin, start, status: 403, body: "" });
      }
    }
  });

  verifies("http: /readyz says 200 to GET and HEAD", async () => {
    for (const start of ["GET /readyz", "HEAD /readyz", "GET /readyz?x=1"]) {
      const { status, body } = await ask(t, start, host);
      expect({ start, status, body }).toEqual({ start, status: 200, body: "" });
    }
    const { status, headers } = await ask(t, "POST /readyz", host);
    expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: "GET,HEAD" });
  });

  verifies("http: an upgrade that is none is 400 and says why", async () => {
    const rows: [Headers, string][] = [
      [host, "Connection header did not include 'upgrade'"],
      [without("Connection"), "Connection header did not include 'upgrade'"],
      [without("Upgrade"), "`Upgrade` header did not include 'websocket'"],
      [{ ...upgrade, Upgrade: "h2c" }, "`Upgrade` header did not include 'websocket'"],
      [without("Sec-WebSocket-Version"), "`Sec-WebSocket-Version` header did not include '13'"],
      [{ ...upgrade, "Sec-WebSocket-Version": "8" }, "`Sec-WebSocket-Version` header did not include '13'"],
      [without("Sec-WebSocket-Key"), "`Sec-WebSocket-Key` header missing"],
    ];
    for (const [headers, text] of rows) {
      const { status, body } = await ask(t, "GET /", headers);
      expect({ status, body }).toEqual({ status: 400, body: text });
    }
  });

  verifies("http: POST / is 405, other paths are 404", async () => {
    const post = await ask(t, "POST /", host);
    expect({ status: post.status, body: post.body }).toEqual({
      status: 405,
      body: "Request method must be `GET`",
    });
    for (const path of ["/healthz", "/foo", "/metrics", "//", "/readyz/"]) {
      const { status, body } = await ask(t, `GET ${path}`, upgrade);
      expect({ path, status, body }).toEqual({ path, status: 404, body: "" });
    }
  });

  verifies("http: a right upgrade is 101, with no subprotocol and no compression", async () => {
    for (const path of ["/", "/?token=x"]) {
      const { status, headers } = await ask(t, `GET ${path}`, {
        ...upgrade,
        Connection: "keep-alive, UPGRADE",
        Upgrade: "WebSocket",
        "Sec-WebSocket-Protocol": "codex",
        "Sec-WebSocket-Extensions": "permessage-deflate",
      });
      expect({ path, status }).toEqual({ path, status: 101 });
      expect(headers["sec-websocket-accept"]).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
      expect(headers["sec-websocket-protocol"]).toBeUndefined();
      expect(headers["sec-websocket-extensions"]).toBeUndefined();
    }
  });

  verifies("http: a head may come in pieces, with a frame behind it", async () => {
    const socket = await t.socket();
    const lines = Object.entries(upgrade).map(([name, value]) => `${name}: ${value}\r\n`);
    const text = `GET / HTTP/1.1\r\n${lines.join("")}\r\n`;
    for (let i = 0; i < text.length - 3; i += 7) {
      socket.write(text.slice(i, Math.min(i + 7, text.length - 3)));
      await Bun.sleep(0);
    }
    socket.write(Buffer.concat([Buffer.from(text.slice(-3)), encodeFrame('{"id":1,"method":"no/such"}')]));
    expect((await socket.response()).status).toBe(101);
    expect((await socket.nextJson()).id).toBe(1);
  });

  verifies("http: a Host that is none of our names is 403", async () => {
    const port = t.listening.port;
    for (const name of [
      "127.0.0.1",
      `127.0.0.1:${port}`,
      "[::1]:80",
      "localhost",
      `LOCALHOST:${port}`,
      hostname(),
    ]) {
      expect({ name, status: (await ask(t, "GET /readyz", { Host: name })).status }).toEqual({
        name,
        status: 200,
      });
    }
    for (const name of ["example.com", `evil.localhost.example:${port}`, "127.0.0.1.nip.io"]) {
      t.same("foreign host", (await ask(t, "GET /readyz", { Host: name })).status, 403);
    }
    t.same("foreign host upgrade", (await ask(t, "GET /", { ...upgrade, Host: "example.com" })).status, 403);
  });

  verifies("http: what is no HTTP does not disturb others", async () => {
    const bad = await t.socket();
    bad.write("\x16\x03\x01 this is no HTTP\r\n\r\n");
    const long = await t.socket();
    long.write(`GET / HTTP/1.1\r\nX: ${"x".repeat(2_000_000)}`);
    const client = await t.fresh();
    expect(await client.call("process/terminate", { processId: "none" })).toEqual({ running: false });
    await bad.gone;
    await long.gone;
  });
});
