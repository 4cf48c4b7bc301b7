import { describe, expect, test } from "bun:test";
import { hostname } from "node:os";
import { isLoopback, isOwnHost } from "../../../lib/server/access.ts";
import { capabilityToken, noAuthentication, tokenDigest } from "../../../lib/server/credentials.ts";
import { answerRequest, type HttpAnswer, responseText, upgradeBytes } from "../../../lib/server/http.ts";
import { type HttpHead, HttpHeadReader } from "../../../lib/transport/http_head.ts";

function headOf(...lines: string[]): HttpHead {
  return new HttpHeadReader().feed(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"))!;
}

describe("loopback", () => {
  for (const address of ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "::FFFF:127.1.2.3"]) {
    test(`${address} is`, () => expect(isLoopback(address)).toBe(true));
  }
  for (const address of [
    "0.0.0.0",
    "::",
    "128.0.0.1",
    "10.127.0.1",
    "::2",
    "::ffff:10.0.0.1",
    "localhost",
    "",
    "127.evil.example",
  ]) {
    test(`"${address}" is not`, () => expect(isLoopback(address)).toBe(false));
  }
});

describe("the Host header", () => {
  const allowed = ["build-box", "exec.example.com"];
  const table: [string, boolean][] = [
    ["127.0.0.1", true],
    ["127.0.0.1:80", true],
    ["10.1.2.3:8080", true],
    ["[::1]", true],
    ["[::1]:8080", true],
    ["[fe80::1]:1", true],
    ["localhost", true],
    ["LocalHost:1", true],
    ["localhost.", true],
    ["localhost.:1", true],
    ["localhost:", true],
    [hostname(), true],
    [`${hostname().toUpperCase()}:1`, true],
    ["build-box:9", true],
    ["BUILD-BOX", true],
    ["exec.example.com.:9", true],
    ["example.com", false],
    ["sub.exec.example.com", false],
    ["exec.example.com.evil.example", false],
    ["localhost.evil.example", false],
    ["127.0.0.1.evil.example", false],
    ["127.0.0.1.nip.example:80", false],
    ["[evil.example]", false],
    ["[localhost]x", false],
    ["evil.example:80:80", false],
    ["localhost@evil.example", false],
    ["", false],
    [":80", false],
  ];
  for (const [host, own] of table) {
    test(`"${host}" is ${own ? "" : "not "}ours`, () => expect(isOwnHost(host, allowed)).toBe(own));
  }
});

describe("the answer to a request", () => {
  const upgrade = [
    "Host: localhost:1",
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  const without = (name: string): string[] => upgrade.filter((line) => !line.startsWith(name));
  const open = { authenticate: noAuthentication, allowedHosts: ["box"] };
  const closed = { authenticate: capabilityToken(tokenDigest("t")), allowedHosts: [] };
  const response = (status: number, body: string, headers?: Record<string, string>): HttpAnswer => ({
    kind: "response",
    status,
    body,
    ...(headers ? { headers } : {}),
  });
  const welcome: HttpAnswer = { kind: "upgrade", key: "dGhlIHNhbXBsZSBub25jZQ==" };

  const table: [string, string[], typeof open, HttpAnswer][] = [
    ["an upgrade", ["GET / HTTP/1.1", ...upgrade], open, welcome],
    ["an upgrade with a query", ["GET /?a=/b HTTP/1.1", ...upgrade], open, welcome],
    ["an upgrade without Host", ["GET / HTTP/1.1", ...without("Host")], open, welcome],
    ["an upgrade by an allowed name", ["GET / HTTP/1.1", "Host: box:1", ...without("Host")], open, welcome],
    [
      "an upgrade with a protocol and an extension",
      [
        "GET / HTTP/1.1",
        ...upgrade,
        "Sec-WebSocket-Protocol: x",
        "Sec-WebSocket-Extensions: permessage-deflate",
      ],
      open,
      welcome,
    ],
    ["any Origin", ["GET / HTTP/1.1", ...upgrade, "Origin: http://localhost"], open, response(403, "")],
    ["an Origin of null", ["GET /readyz HTTP/1.1", "Origin: null"], open, response(403, "")],
    ["an empty Origin on an unknown path", ["GET /x HTTP/1.1", "Origin:"], open, response(403, "")],
    ["an Origin without credentials", ["GET / HTTP/1.1", ...upgrade, "Origin: x"], closed, response(403, "")],
    [
      "a foreign Host",
      ["GET / HTTP/1.1", "Host: evil.example", ...without("Host")],
      open,
      response(403, "the Host header is no name of this server"),
    ],
    [
      "a foreign Host at the health check",
      ["GET /readyz HTTP/1.1", "Host: evil.example"],
      open,
      response(403, "the Host header is no name of this server"),
    ],
    ["the health check", ["GET /readyz HTTP/1.1"], open, response(200, "")],
    [
      "the health check by HEAD, with a query, without credentials",
      ["HEAD /readyz?x HTTP/1.1"],
      closed,
      response(200, ""),
    ],
    ["the health check by POST", ["POST /readyz HTTP/1.1"], open, response(405, "", { allow: "GET,HEAD" })],
    ["another path", ["GET /healthz HTTP/1.1", ...upgrade], open, response(404, "")],
    ["a path below the health check", ["GET /readyz/ HTTP/1.1"], open, response(404, "")],
    ["POST", ["POST / HTTP/1.1", ...upgrade], open, response(405, "Request method must be `GET`")],
    ["no upgrade", ["GET / HTTP/1.1"], closed, response(400, "Connection header did not include 'upgrade'")],
    [
      "an upgrade to something else",
      ["GET / HTTP/1.1", ...without("Upgrade"), "Upgrade: h2c"],
      open,
      response(400, "`Upgrade` header did not include 'websocket'"),
    ],
    [
      "another version",
      ["GET / HTTP/1.1", ...without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 8"],
      open,
      response(400, "`Sec-WebSocket-Version` header did not include '13'"),
    ],
    [
      "no version",
      ["GET / HTTP/1.1", ...without("Sec-WebSocket-Version")],
      open,
      response(400, "`Sec-WebSocket-Version` header did not include '13'"),
    ],
    [
      "no key",
      ["GET / HTTP/1.1", ...without("Sec-WebSocket-Key")],
      open,
      response(400, "`Sec-WebSocket-Key` header missing"),
    ],
    [
      "no key and no credentials",
      ["GET / HTTP/1.1", ...without("Sec-WebSocket-Key")],
      closed,
      response(400, "`Sec-WebSocket-Key` header missing"),
    ],
    [
      "no credentials",
      ["GET / HTTP/1.1", ...upgrade],
      closed,
      response(401, "missing websocket bearer token"),
    ],
    [
      "wrong credentials",
      ["GET / HTTP/1.1", ...upgrade, "Authorization: Bearer x"],
      closed,
      response(401, "invalid websocket bearer token"),
    ],
    ["right credentials", ["GET / HTTP/1.1", ...upgrade, "Authorization: Bearer t"], closed, welcome],
    [
      "credentials in the query",
      ["GET /?token=t HTTP/1.1", ...upgrade],
      closed,
      response(401, "missing websocket bearer token"),
    ],
  ];
  for (const [what, lines, rules, answer] of table) {
    const told = answer.kind === "upgrade" ? "upgrade" : `${answer.status} ${answer.body}`;
    test(`${what}: ${told}`, () => expect(answerRequest(headOf(...lines), rules)).toEqual(answer));
  }

  test("as bytes a response has its length, ends the connection and has no body for HEAD", () => {
    const answer = { kind: "response", status: 401, body: "é" } as const;
    expect(responseText(answer, "GET")).toBe(
      "HTTP/1.1 401 Unauthorized\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\nconnection: close\r\n\r\né",
    );
    expect(responseText(answer, "HEAD")).toEndWith("connection: close\r\n\r\n");
    expect(
      responseText({ kind: "response", status: 405, body: "", headers: { allow: "GET,HEAD" } }, "POST"),
    ).toBe(
      "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\nallow: GET,HEAD\r\n\r\n",
    );
    expect(responseText({ kind: "response", status: 401, body: "" }, "GET").toLowerCase()).not.toContain(
      "www-authenticate",
    );
  });

  test("as bytes the upgrade has the accept key of RFC 6455", () => {
    expect(Buffer.from(upgradeBytes("dGhlIHNhbXBsZSBub25jZQ==")).toString()).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
  });
});
