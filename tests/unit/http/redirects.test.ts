import { expect, test } from "bun:test";
import { RequestHeaders, responseHeaders } from "../../../lib/http/headers.ts";
import { type Hop, nextHop } from "../../../lib/http/redirects.ts";

const headers = (...pairs: [string, string, string?][]): RequestHeaders =>
  RequestHeaders.from(
    pairs.map(([name, value, valueEnvVar]) => ({ name, value, ...(valueEnvVar ? { valueEnvVar } : {}) })),
    () => "lent",
  );

const hop = (url: string, more: Partial<Hop> = {}): Hop => ({
  method: "GET",
  url: new URL(url),
  headers: headers(["authorization", "a"], ["x-own", "b"], ["x-key", "", "K"], ["host", "first.test"]),
  body: undefined,
  ...more,
});

const names = (next: Hop | undefined): string[] =>
  [...next!.headers.lines().matchAll(/^([^:\s]+): /gm)].map(([, name]) => name!);

test("within an origin everything goes along", () => {
  const next = nextHop(hop("http://a.test/x"), 302, "/y#part");
  expect(next!.url.href).toBe("http://a.test/y");
  expect(names(next)).toEqual(["authorization", "x-own", "x-key", "host", "referer"]);
});

test("another scheme, host or port is another origin, which gets no secret and no Host", () => {
  for (const location of ["https://a.test/", "http://b.test/", "http://a.test:81/"]) {
    const next = nextHop(hop("http://a.test/x?secret"), 302, location);
    expect(names(next)).toEqual(["x-own", "referer"]);
    expect(next!.headers.values("referer")).toEqual(["http://a.test/"]);
  }
});

test("from a secure page to an open one goes no referer", () => {
  expect(names(nextHop(hop("https://a.test/x"), 302, "http://a.test/"))).toEqual(["x-own"]);
});

test("credentials in a location are not sent", () => {
  expect(nextHop(hop("http://a.test/"), 302, "http://u:p@a.test/y")!.url.href).toBe("http://a.test/y");
});

test("what is no redirect is the answer", () => {
  expect(nextHop(hop("http://a.test/"), 200, "/y")).toBeUndefined();
  expect(nextHop(hop("http://a.test/"), 300, "/y")).toBeUndefined();
  expect(nextHop(hop("http://a.test/"), 302, undefined)).toBeUndefined();
  expect(nextHop(hop("http://a.test/"), 302, "http://[x/")).toBeUndefined();
});

test("what is not HTTP is not followed", () => {
  expect(() => nextHop(hop("http://a.test/"), 302, "file:///etc/passwd")).toThrow(
    "unsupported URL scheme: file",
  );
});

test("a body is dropped with what describes it, or kept", () => {
  const post = hop("http://a.test/", {
    method: "POST",
    body: new Uint8Array(1),
    headers: headers(["content-type", "a/b"], ["content-length", "1"], ["x-own", "1"]),
  });
  const dropped = nextHop(post, 303, "/y");
  expect([dropped!.method, dropped!.body, names(dropped)]).toEqual(["GET", undefined, ["x-own", "referer"]]);
  const kept = nextHop(post, 307, "/y");
  expect([kept!.method, kept!.body]).toEqual(["POST", new Uint8Array(1)]);
});

test("a location beyond ASCII is told and followed by its bytes", () => {
  const location = Buffer.from("/é?ü").toString("latin1");
  expect(responseHeaders(["location", location])).toEqual([{ name: "location", value: "/%C3%A9?%C3%BC" }]);
  expect(nextHop(hop("http://a.test/x"), 302, location)!.url.href).toBe("http://a.test/%C3%A9?%C3%BC");
});

test("response headers are together, and visible", () => {
  const raw = ["set-cookie", "a=1", "x", "é", "y", "a\tb", "set-cookie", "b=2", "z", "\x7f", "w", ""];
  expect(responseHeaders(raw)).toEqual([
    { name: "set-cookie", value: "a=1" },
    { name: "set-cookie", value: "b=2" },
    { name: "y", value: "a\tb" },
    { name: "w", value: "" },
  ]);
});
