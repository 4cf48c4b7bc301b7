import { expect, test } from "bun:test";
import { proxyFor } from "../../../lib/http/proxies.ts";

const of = (url: string, env: Record<string, string>): string | undefined => {
  const proxy = proxyFor(new URL(url), env);
  return proxy && `${proxy.variable} ${proxy.hostname} ${proxy.port} ${proxy.authorization ?? ""}`.trim();
};

test("the scheme's variable comes before that for all, in either case", () => {
  const env = { HTTP_PROXY: "http://a:1", https_proxy: "http://b:2", ALL_PROXY: "http://c:3" };
  expect(of("http://x.test/", env)).toBe("HTTP_PROXY a 1");
  expect(of("https://x.test/", env)).toBe("https_proxy b 2");
  expect(of("https://x.test/", { all_proxy: "http://c" })).toBe("all_proxy c 80");
  expect(of("http://127.0.0.1/", env)).toBe("HTTP_PROXY a 1");
  expect(of("http://x.test/", { HTTP_PROXY: "" })).toBeUndefined();
  expect(of("http://x.test/", {})).toBeUndefined();
});

test("a scheme may be left out, and credentials are decoded", () => {
  expect(of("http://x.test/", { http_proxy: "proxy.test:8080" })).toBe("http_proxy proxy.test 8080");
  const basic = Buffer.from("u@x:p").toString("base64");
  expect(of("http://x.test/", { http_proxy: "http://u%40x:p@[::1]:8" })).toBe(
    `http_proxy ::1 8 Basic ${basic}`,
  );
});

test("what a CGI client may have set is not used", () => {
  expect(of("http://x.test/", { HTTP_PROXY: "http://a", REQUEST_METHOD: "GET" })).toBeUndefined();
});

test("another scheme is refused without its value", () => {
  const refusal = (value: string): string => {
    try {
      return `taken: ${proxyFor(new URL("http://x.test/"), { http_proxy: value })?.hostname}`;
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (const value of ["https://u:secret@x", "http://u:secret@"]) {
    expect(refusal(value)).toBe("the proxy of http_proxy cannot be used: expected http://HOST:PORT");
  }
  for (const value of ["socks5://u:secret@x:1", "SOCKS4A://x", "socks5h://x:1080"]) {
    expect(refusal(value)).toBe(
      "the proxy of http_proxy cannot be used: SOCKS is not supported, expected http://HOST:PORT",
    );
  }
});

test("NO_PROXY excepts names with all below, addresses, ranges and ports", () => {
  const direct = (url: string, NO_PROXY: string): boolean =>
    of(url, { http_proxy: "http://a", NO_PROXY }) === undefined;
  for (const list of ["x.test", ".x.test", "*.x.test", "a,x.test", "a x.test", "*", "X.TEST", "x.test:80"])
    expect([list, direct("http://www.x.test/", list)]).toEqual([list, true]);
  for (const list of ["", "w.x.test", "test.x", "xx.test", "x.test:81"])
    expect([list, direct("http://www.x.test/", list)]).toEqual([list, false]);
  expect(direct("http://10.1.1.1/", "10.0.0.0/8")).toBe(true);
  expect(direct("http://[::1]/", "::1")).toBe(true);
  expect(direct("http://[::1]:8/", "[::1]:8")).toBe(true);
  expect(direct("http://11.1.1.1/", "10.0.0.0/8")).toBe(false);
});
