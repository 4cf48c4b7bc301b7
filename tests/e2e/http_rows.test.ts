/** What `http/request` sends and answers, row by row: odd URLs, headers, redirects and answers, on every server. */

import { afterAll, beforeAll, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { suite, verifies } from "../support/harness.ts";
import { type Answer, Origin } from "../support/origin.ts";
import type { Json } from "../support/raw_client.ts";

const answer =
  (head: string, body = "hi"): Answer =>
  (socket) =>
    void socket.write(
      `HTTP/1.1 ${head}\r\n${body === "" ? "" : `content-length: ${body.length}\r\n`}\r\n${body}`,
    );

const answers: Record<string, Answer> = {
  "to-space": answer("302 Found\r\nlocation: /a b"),
  "to-nothing": answer("302 Found\r\nlocation:"),
  nowhere: answer("302 Found"),
  reset: answer("205 Reset\r\ncontent-length: 0", ""),
  odd: answer("799 Odd"),
};

const header = (name: string, value: string): object => ({ headers: [{ name, value }] });
const basic = (text: string): string => `authorization: Basic ${Buffer.from(text).toString("base64")}`;

suite("http rows", { transports: ["websocket"] }, (t) => {
  let origin: Origin;
  let other: Origin;
  let last = 0;

  beforeAll(async () => {
    origin = await Origin.start({ answers });
    other = await Origin.start();
  });
  afterAll(async () => {
    await origin.close();
    await other.close();
  });

  const ask = async (url: string, more: object = {}): Promise<Json> => {
    origin.seen.length = 0;
    other.seen.length = 0;
    const params = { method: "GET", url, requestId: `row${++last}`, timeoutMs: 5000, ...more };
    return await (await t.client()).ask("http/request", params);
  };
  /** The last request that came: its first line, and the header lines that are not of every request. */
  const sent = (at: Origin = origin): string[] => {
    const { line, headers } = at.seen.at(-1)!;
    const usual = ["accept: */*", `host: 127.0.0.1:${at.port}`];
    return [line.replace(" HTTP/1.1", ""), ...headers.filter((one) => !usual.includes(one))];
  };

  verifies("http/request: a URL is sent as the standard of URLs writes it", async () => {
    const { port } = origin;
    const rows: [url: string, path: string][] = [
      ['/a b?c d|e"<>`{}^', "/a%20b?c%20d|e%22%3C%3E`{}^"],
      ["/é?é=ü", "/%C3%A9?%C3%A9=%C3%BC"],
      ["/a\\b", "/a/b"],
      ["/x/../y/./z", "/y/z"],
      ["/a\tb", "/ab"],
      ["/a#b?c", "/a"],
      ["", "/"],
      ["?q", "/?q"],
    ];
    for (const [url, path] of rows) {
      expect([url, (await ask(`http://127.0.0.1:${port}${url}`)).result?.status]).toEqual([url, 200]);
      expect([url, ...sent()]).toEqual([url, `GET ${path}`]);
    }
    for (const url of [
      ` http://127.0.0.1:${port}/ `,
      `HTTP://127.0.0.1:${port}/`,
      `http:/127.0.0.1:${port}/`,
      `http://2130706433:${port}/`,
      `http://0x7f.1:${port}/`,
    ]) {
      expect([url, (await ask(url)).result?.status]).toEqual([url, 200]);
      expect([url, ...sent()]).toEqual([url, "GET /"]);
    }
  });

  verifies("http/request: a user name or a password alone are credentials", async () => {
    for (const [userinfo, credentials] of [
      ["u@", "u:"],
      [":p@", ":p"],
      ["u:p@", "u:p"],
    ] as const) {
      await ask(origin.url("/").replace("//", `//${userinfo}`));
      expect(sent()).toEqual(["GET /", basic(credentials)]);
    }
  });

  verifies(
    "http/request: credentials of a URL stay with its origin, and those of a location are not sent",
    async () => {
      const withUser = (url: string): string => url.replace("//", "//u:p@");
      const referer = `referer: ${origin.url("/to/302/%2Fx")}`;
      await ask(withUser(origin.url("/to/302/%2Fx")));
      expect(sent().toSorted()).toEqual(["GET /x", basic("u:p"), referer].toSorted());
      const own = `/to/302/${encodeURIComponent(withUser(origin.url("/x")))}`;
      await ask(origin.url(own));
      expect(sent()).toEqual(["GET /x", `referer: ${origin.url(own)}`]);
      for (const from of [(url: string) => url, withUser]) {
        const elsewhere = `/to/302/${encodeURIComponent(withUser(other.url("/x")))}`;
        await ask(from(origin.url(elsewhere)));
        expect(sent(other).filter((line) => !line.startsWith("referer"))).toEqual(["GET /x"]);
      }
    },
  );

  verifies("http/request: header values are sent as they are, and names in any case", async () => {
    for (const value of ["", "a\tb", 'a,b;c="d"']) {
      await ask(origin.url("/"), header("X-A", value));
      expect([value, ...sent()]).toEqual([value, "GET /", `x-a: ${value}`]);
    }
    await ask(origin.url("/"), {
      headers: ["a=1", "b=2"].map((value) => ({ name: "Cookie", value })),
    });
    expect(sent()).toEqual(["GET /", "cookie: a=1", "cookie: b=2"]);
    await ask(origin.url("/"), { method: "POST", ...header("content-length", "0") });
    expect(sent()).toEqual(["POST /", "content-length: 0"]);
    const { error } = await ask(origin.url("/"), header("x", "a\x7f"));
    expect([error.code, error.message]).toEqual([
      -32602,
      "http/request header value is invalid for x: failed to parse header value",
    ]);
    // Null is nothing, and an empty id is one.
    const headers = [{ name: "x", value: "v", valueEnvVar: null }];
    expect((await ask(origin.url("/"), { headers, requestId: "", bodyBase64: null })).result.status).toBe(
      200,
    );
    expect(sent()).toEqual(["GET /", "x: v"]);
  });

  verifies("http/request: odd locations and odd statuses", async () => {
    expect((await ask(origin.url("/to-space"))).result).toBeDefined();
    t.same("location with a space", sent()[0], "GET /a%20b");
    expect((await ask(origin.url("/to/302/%2Fx%23part"))).result.status).toBe(200);
    expect(sent()[0]).toBe("GET /x");
    expect((await ask(origin.url("/to-nothing"))).error.code).toBe(-32603);
    expect(origin.seen).toHaveLength(11);
    for (const [path, status, body] of [
      ["/nowhere", 302, "hi"],
      ["/reset", 205, ""],
      ["/odd", 799, "hi"],
    ] as const) {
      const { result } = await ask(origin.url(path));
      expect([path, result.status, Buffer.from(result.bodyBase64, "base64").toString()]).toEqual([
        path,
        status,
        body,
      ]);
    }
    const { error } = await ask(origin.url("/status/099"));
    expect([
      error.code,
      error.message.startsWith("http/request failed: error sending request for url ("),
    ]).toEqual([-32603, true]);
  });

  verifies("http/request: what is wrong in several ways is told for the first of them", async () => {
    const bad = header("a b", "c");
    expect((await ask("x", { method: "", ...bad })).error.message).toBe(
      "http/request method is invalid: invalid HTTP method",
    );
    expect((await ask("x", bad)).error.message).toBe(
      "http/request url is invalid: relative URL without a base",
    );
    for (const scheme of ["mailto:a@b", "file:///etc/passwd", "ws://127.0.0.1/", "data:,x"]) {
      expect((await ask(scheme)).error).toMatchObject({
        code: -32602,
        message: `http/request only supports http and https URLs, got ${scheme.split(":")[0]}`,
      });
    }
  });
});
