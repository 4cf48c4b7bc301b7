/** `http/request` with the body in the answer: what goes out, what comes back, and what is refused. */

import { afterAll, beforeAll, beforeEach, expect } from "bun:test";
import { Buffer } from "node:buffer";
import { within } from "../support/deadline.ts";
import { suite, verifies } from "../support/harness.ts";
import { Origin } from "../support/origin.ts";
import type { Json } from "../support/raw_client.ts";

suite("http request", { transports: ["websocket"] }, (t) => {
  let origin: Origin;
  let other: Origin;
  let last = 0;

  beforeAll(async () => {
    origin = await Origin.start();
    other = await Origin.start();
  });
  beforeEach(() => {
    origin.seen.length = 0;
    other.seen.length = 0;
  });
  afterAll(async () => {
    await origin.close();
    await other.close();
  });

  const ask = async (path: string, more: object = {}): Promise<Json> => {
    const url = path.includes("://") ? path : origin.url(path);
    const params = { method: "GET", url, requestId: `r${++last}`, ...more };
    return await (await t.client()).ask("http/request", params);
  };
  const result = async (path: string, more: object = {}): Promise<Json> => {
    const answer = await ask(path, more);
    if (answer.error) throw new Error(JSON.stringify(answer.error));
    return answer.result;
  };
  const refusal = async (
    path: string,
    more: object = {},
  ): Promise<[code: number, message: string, kind?: string]> => {
    const { error } = await ask(path, more);
    return [error.code, error.message, ...(error.data ? [error.data.kind] : [])] as [number, string, string?];
  };
  const text = (answer: Json): string => Buffer.from(answer.bodyBase64, "base64").toString();
  const base64 = (body: string): string => Buffer.from(body).toString("base64");
  /** Header lines that the origin got last, without our own address. */
  const sent = (at = -1): string[] =>
    origin.seen.at(at)!.headers.map((line) => line.replaceAll(String(origin.port), "PORT"));

  verifies("http/request: an answer has status, headers and body", async () => {
    expect(await result("/")).toEqual({
      status: 200,
      headers: [{ name: "content-length", value: "2" }],
      bodyBase64: "b2s=",
    });
    for (const status of [204, 304, 404, 500])
      expect((await result(`/status/${status}`)).status).toBe(status);
    expect(text(await result("/until-close"))).toBe("to the end");
    expect(await result("/", { method: "HEAD" })).toMatchObject({ status: 200, bodyBase64: "" });
    expect(text(await result("/early"))).toBe("ok");
    expect(text(await result("/longer"))).toBe("abc");
  });

  verifies("http/request: nothing is sent but what was asked for, accept and host", async () => {
    await result("/path?q=1#fragment");
    expect(origin.seen[0]!.line).toBe("GET /path?q=1 HTTP/1.1");
    expect(sent()).toEqual(["accept: */*", "host: 127.0.0.1:PORT"]);
  });

  verifies("http/request: header names are in lower case, and repeated ones together", async () => {
    const headers = [
      { name: "X-A", value: "1" },
      { name: "x-b", value: "2" },
      { name: "X-A", value: "3" },
      { name: "x-text", value: "é" },
      { name: "Accept", value: "text/plain" },
      { name: "Host", value: "other.test" },
    ];
    await result("/", { headers });
    expect(sent()).toEqual([
      "x-a: 1",
      "x-a: 3",
      "x-b: 2",
      "x-text: Ã©",
      "accept: text/plain",
      "host: other.test",
    ]);
  });

  verifies("http/request: a method and a body are sent as they are", async () => {
    await result("/", { method: "FOO-bar", bodyBase64: base64("hello") });
    expect(origin.seen[0]).toMatchObject({ line: "FOO-bar / HTTP/1.1", body: "hello" });
    expect(sent()).toEqual(["accept: */*", "host: 127.0.0.1:PORT", "content-length: 5"]);
    await result("/", { method: "POST", bodyBase64: "" });
    await result("/", { method: "POST", bodyBase64: null });
    for (const at of [1, 2]) expect(sent(at)).toEqual(["accept: */*", "host: 127.0.0.1:PORT"]);
    const headers = [
      { name: "transfer-encoding", value: "chunked" },
      { name: "connection", value: "close" },
    ];
    await result("/", { method: "POST", bodyBase64: base64("hello"), headers });
    expect(sent(3).slice(0, 2)).toEqual(["transfer-encoding: chunked", "connection: close"]);
    expect(origin.seen[3]!.body).toBe("5\r\nhello\r\n0\r\n\r\n");
    await result("/", {
      method: "POST",
      bodyBase64: base64("hi"),
      headers: [{ name: "content-length", value: "2" }],
    });
    expect(sent(4)).toEqual(["content-length: 2", "accept: */*", "host: 127.0.0.1:PORT"]);
  });

  verifies("http/request: a content-length that is not that of the body is refused", async () => {
    if (!t.ours) return;
    const headers = [{ name: "Content-Length", value: "3" }];
    for (const bodyBase64 of [base64("hello"), null]) {
      const [code, message] = await refusal("/", { method: "POST", bodyBase64, headers });
      expect(code).toBe(-32602);
      expect(message).toContain('"3", but the body has');
    }
    expect(origin.seen).toEqual([]);
  });

  verifies("http/request: a user name and password become Basic credentials", async () => {
    await result(origin.url("/").replace("//", "//us%40er:pa%3Ass@"));
    expect(sent()[0]).toBe(`authorization: Basic ${base64("us@er:pa:ss")}`);
    const headers = [{ name: "authorization", value: "Bearer x" }];
    await result(origin.url("/").replace("//", "//u:p@"), { headers });
    expect(sent()[0]).toBe("authorization: Bearer x");
  });

  verifies("http/request: what cannot be sent is refused", async () => {
    const wrong: [string, object, string][] = [
      ["/", { method: "A B" }, "method is invalid: invalid HTTP method"],
      ["/", { method: "" }, "method is invalid: invalid HTTP method"],
      ["ftp://x/", {}, "only supports http and https URLs, got ftp"],
      ["://", { url: "x" }, "url is invalid: relative URL without a base"],
      ["://", { url: "" }, "url is invalid: relative URL without a base"],
      ["http://", {}, "url is invalid: empty host"],
      ["http://a:99999/", {}, "url is invalid: invalid port number"],
      ["http://a b/", {}, "url is invalid: invalid international domain name"],
      ["http://[::x]/", {}, "url is invalid: invalid IPv6 address"],
      ["/", { headers: [{ name: "a b", value: "x" }] }, "header name is invalid: invalid HTTP header name"],
      ["/", { headers: [{ name: "", value: "x" }] }, "header name is invalid: invalid HTTP header name"],
      [
        "/",
        { headers: [{ name: "X-Q", value: "a\nb" }] },
        "header value is invalid for X-Q: failed to parse header value",
      ],
      [
        "/",
        { headers: [{ name: "x", value: "a\u0001b" }] },
        "header value is invalid for x: failed to parse header value",
      ],
    ];
    for (const [path, more, message] of wrong) {
      expect(await refusal(path, more)).toEqual([-32602, `http/request ${message}`]);
    }
    for (const more of [
      { requestId: undefined },
      { method: undefined },
      { headers: null },
      { streamResponse: null },
      { timeoutMs: -1 },
      { bodyBase64: "*" },
    ]) {
      expect((await refusal("/", more))[0]).toBe(-32602);
    }
    t.same("redirectPolicy checked", (await ask("/", { redirectPolicy: "x" })).error?.code, -32602);
    expect(await result("/", { unknown: 1 })).toMatchObject({ status: 200 });
    // Whatever becomes of odd ones, the next request is answered.
    for (const [name, value] of [
      ["trailer", "x"],
      ["expect", "100-continue"],
      ["te", "trailers"],
      ["upgrade", "h2c"],
    ]) {
      await ask("/", { method: "POST", bodyBase64: "eA==", headers: [{ name, value }], timeoutMs: 3000 });
    }
    expect(await result("/")).toMatchObject({ status: 200 });
    t.same("CONNECT", (await ask("/", { method: "CONNECT" })).error?.code, -32602);
  });

  verifies("http/request: response headers are in lower case, together, and visible ASCII", async () => {
    expect((await result("/headers")).headers).toEqual([
      { name: "b", value: "1" },
      { name: "b", value: "3" },
      { name: "a", value: "2" },
      { name: "x-tab", value: "a\tb" },
      { name: "connection", value: "keep-alive" },
      { name: "content-length", value: "2" },
    ]);
    const cookies = (await result("/cookies")).headers.slice(0, 2);
    expect(cookies.map(({ value }: { value: string }) => value)).toEqual(["a=1", "b=2"]);
    await result("/");
    expect(sent().join()).not.toContain("cookie");
  });

  verifies("http/request: 10000 response headers arrive", async () => {
    const { result: found, error } = await ask("/many");
    t.same("10000 headers", found?.headers.length ?? error.code, 10_001);
  });

  verifies("http/request: bodies come as they are, compressed ones too", async () => {
    const answer = await result("/gzip");
    expect(answer.headers[0]).toEqual({ name: "content-encoding", value: "gzip" });
    expect(Buffer.from(Bun.gunzipSync(Buffer.from(answer.bodyBase64, "base64"))).toString()).toBe(
      "squeezed ".repeat(1000),
    );
  });

  verifies("http/request: redirects are followed by the rules", async () => {
    const headers = [
      { name: "content-type", value: "a/b" },
      { name: "authorization", value: "secret" },
    ];
    for (const [method, status, then] of [
      ["POST", 301, "GET"],
      ["POST", 302, "GET"],
      ["POST", 303, "GET"],
      ["POST", 307, "POST"],
      ["POST", 308, "POST"],
      ["PUT", 302, "PUT"],
      ["PUT", 303, "GET"],
      ["DELETE", 301, "DELETE"],
      ["HEAD", 303, "HEAD"],
    ] as const) {
      origin.seen.length = 0;
      const body = method === "POST" || method === "PUT" ? base64("hi") : null;
      expect((await result(`/to/${status}/%2Fend`, { method, headers, bodyBase64: body })).status).toBe(200);
      const [first, second] = origin.seen;
      expect(`${first!.line} ${second!.line}`).toBe(
        `${method} /to/${status}/%2Fend HTTP/1.1 ${then} /end HTTP/1.1`,
      );
      const kept = then === method;
      expect(second!.body).toBe(kept && body ? "hi" : "");
      const typed = second!.headers.some((line) => line.startsWith("content-type"));
      if (status === 303 && method === "HEAD") t.same("type after 303 to HEAD", typed, true);
      else expect(typed).toBe(kept);
      expect(second!.headers).toContain("authorization: secret");
      expect(second!.headers).toContain(`referer: ${origin.url(`/to/${status}/%2Fend`)}`);
    }
    for (const status of [300, 304]) expect((await result(`/to/${status}/%2Fend`)).status).toBe(status);
    expect((await result("/to/302/http%3A%2F%2F%5Bzz%2F")).status).toBe(302);
    const stopped = await result("/beyond", { redirectPolicy: "stop" });
    t.same("location beyond ASCII", stopped.headers[0], { name: "location", value: "/%C3%A9" });
    await result("/beyond");
    t.same("redirect beyond ASCII", origin.seen.at(-1)!.line, "GET /%C3%A9 HTTP/1.1");
    const [code, message] = await refusal("/to/302/ftp%3A%2F%2Fx%2F");
    expect(code).toBe(-32603);
    expect(message).toStartWith("http/request failed: ");
  });

  verifies("http/request: another origin gets no credentials", async () => {
    const headers = ["authorization", "cookie", "proxy-authorization", "x-plain"].map((name) => ({
      name,
      value: "v",
    }));
    await result(`/to/302/${encodeURIComponent(other.url("/end"))}?secret=1`, { headers });
    const [hop] = other.seen;
    expect(hop!.headers.filter((line) => line.endsWith(": v"))).toEqual(["x-plain: v"]);
    const referer = hop!.headers.find((line) => line.startsWith("referer"))!.replace("referer: ", "");
    t.same("referer to another origin", referer === origin.url("/"), true);
    other.seen.length = 0;
    await result(`/to/302/${encodeURIComponent(other.url("/end"))}`, {
      headers: [{ name: "host", value: "first.test" }],
    });
    t.same("host of another origin", other.seen[0]!.headers.includes("host: first.test"), false);
  });

  verifies("http/request: ten redirects are followed and no more", async () => {
    const [code, message] = await refusal("/loop");
    expect(code).toBe(-32603);
    const peers =
      message === `http/request failed: error following redirect for url (${origin.url("/loop")})`;
    t.same("too many redirects", peers ? "other words" : message, "http/request failed: too many redirects");
    expect(origin.seen).toHaveLength(11);
  });

  verifies("http/request: a redirect is the answer on demand", async () => {
    const answer = await result("/to/302/%2Fend", { redirectPolicy: "stop" });
    t.same("redirectPolicy", [answer.status, text(answer)], [302, "move"]);
  });

  verifies("http/request: a failure has the peer's words, and says which kind", async () => {
    const prefix = "http/request failed: error sending request for url (";
    const cases: [string, object, string][] = [
      ["http://127.0.0.1:1/a?b", {}, "connect"],
      ["http://nope.invalid/", {}, "dns"],
      ["/junk", {}, "protocol"],
      ["/nothing", {}, "protocol"],
      ["/hang", { timeoutMs: 100 }, "timeout"],
    ];
    for (const [path, more, kind] of cases) {
      const [code, message, said] = await refusal(path, more);
      const url = path.includes("://") ? path : origin.url(path);
      expect([code, message.startsWith(`${prefix}${url})`)]).toEqual([-32603, true]);
      t.same("kind", said, kind);
      if (t.ours && kind === "connect")
        expect(message).toEndWith(": cannot connect: Connection refused (os error 111)");
    }
    // 0.138.0 may be quicker than its own timer.
    if (t.id !== "codex-0.138.0") expect((await refusal("/", { timeoutMs: 0 }))[0]).toBe(-32603);
  });

  verifies("http/request: a body that is not whole is an error, never a short answer", async () => {
    for (const path of ["/cut", "/cut-chunk", "/bad-chunk", "/reset"]) {
      const [code, message, kind] = await refusal(path);
      expect(code).toBe(-32603);
      expect(message).toStartWith("failed to read http/request response body: error decoding response body");
      t.same("kind", kind, "protocol");
    }
    const [code, message, kind] = await refusal("/silent", { timeoutMs: 100 });
    expect([code, message.startsWith("failed to read http/request response body: ")]).toEqual([-32603, true]);
    t.same("kind", kind, "timeout");
    const upgrade = await refusal("/upgrade", {
      timeoutMs: 2000,
      headers: [
        { name: "connection", value: "upgrade" },
        { name: "upgrade", value: "x" },
      ],
    }).catch(() => undefined);
    if (t.ours) expect(upgrade?.[2]).toBe("protocol");
  });

  verifies("http/request: a slow request holds up nothing else", async () => {
    if (!t.ours) return;
    const client = await t.fresh();
    const slow = client.post("http/request", {
      method: "GET",
      url: origin.url("/hang"),
      requestId: "slow",
      timeoutMs: 5000,
    });
    for (let i = 0; i < 5; i++) {
      await client.call("http/request", { method: "GET", url: origin.url("/"), requestId: `quick${i}` });
    }
    expect(client.messages.some(({ id }) => id === slow)).toBe(false);
  });

  verifies(
    "http/request: a request with an effect is sent once, on a connection that was kept too",
    async () => {
      if (!t.ours) return;
      const client = await t.fresh();
      const post = async (path: string, more: object = {}): Promise<Json> => {
        const params = {
          method: "POST",
          url: origin.url(path),
          requestId: "once",
          bodyBase64: "eA==",
          ...more,
        };
        return await client.ask("http/request", params);
      };
      const count = (path: string): number => origin.seen.filter(({ line }) => line.includes(path)).length;
      // The connection is closed at its second request, when nobody can know how far that came.
      await post("/once?first");
      const second = await post("/once?second");
      expect(second.error?.data ?? second.result.status).toEqual({ kind: "protocol" });
      expect(count("/once?second")).toBe(1);
      // One that is given up is not taken for one whose connection was lost.
      await post("/");
      const late = await post("/hang?late", { timeoutMs: 200 });
      expect(late.error.data).toEqual({ kind: "timeout" });
      await post("/");
      expect(count("/hang?late")).toBe(1);
    },
  );

  verifies("http/request: a connection is used again, but not after anything odd", async () => {
    const from = origin.connections;
    for (let i = 0; i < 5; i++) expect(text(await result("/"))).toBe("ok");
    if (t.ours) expect(origin.connections - from).toBeLessThanOrEqual(1);
    for (const path of ["/twice", "/longer", "/later"]) {
      expect(["first", "abc"]).toContain(text(await result(path)));
      // Nobody can tell an answer that comes too early from a right one; before the next request it must end it all.
      if (path === "/later" && t.ours) {
        await within(3000, "end of the connection", (await origin.waitFor(path)).gone);
      }
      if (path !== "/later" || t.ours) expect(text(await result("/", { method: "POST" }))).toBe("ok");
    }
  });

  verifies("http/request: the end of the connection ends its requests", async () => {
    const client = await t.fresh();
    client.post("http/request", { method: "GET", url: origin.url("/hang"), requestId: "a" });
    const paths = ["/hang"];
    // The peer begins the next one when the first has ended.
    if (t.ours) {
      client.post("http/request", {
        method: "GET",
        url: origin.url("/silent"),
        requestId: "b",
        streamResponse: true,
      });
      paths.push("/silent");
    }
    const seen = await Promise.all(paths.map((path) => origin.waitFor(path)));
    await client.close();
    for (const { gone } of seen) await within(3000, "end of a connection to the origin", gone);
  });
});
