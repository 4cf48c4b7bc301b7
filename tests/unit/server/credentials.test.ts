import { describe, expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import {
  capabilityToken,
  noAuthentication,
  signedBearerToken,
  tokenDigest,
} from "../../../lib/server/credentials.ts";
import { type HttpHead, HttpHeadReader } from "../../../lib/transport/http_head.ts";

function headOf(...lines: string[]): HttpHead {
  return new HttpHeadReader().feed(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"))!;
}

describe("a capability token", () => {
  const authenticate = capabilityToken(tokenDigest("s3cret-é"));
  const withValue = (...values: string[]): string | null =>
    authenticate(headOf("GET / HTTP/1.1", ...values.map((value) => `Authorization: ${value}`)));
  const latin1 = Buffer.from("s3cret-é").toString("latin1");

  const cases: [string, string[], string | null][] = [
    ["no header", [], "missing websocket bearer token"],
    ["the right token", [`Bearer ${latin1}`], null],
    ["any letter case of the scheme", [`bEARER ${latin1}`], null],
    ["more space around the token", [`Bearer  \t${latin1} `], null],
    ["another token", ["Bearer s3cret"], "invalid websocket bearer token"],
    [
      "the token in another letter case",
      [`Bearer ${latin1.toUpperCase()}`],
      "invalid websocket bearer token",
    ],
    [
      "its digest",
      [`Bearer ${Buffer.from(tokenDigest("s3cret-é")).toString("hex")}`],
      "invalid websocket bearer token",
    ],
    ["another scheme", [`Basic ${latin1}`], "invalid authorization header"],
    ["no scheme", [latin1], "invalid authorization header"],
    ["no space", [`Bearer${latin1}`], "invalid authorization header"],
    ["no token", ["Bearer"], "invalid authorization header"],
    ["an empty token", ["Bearer   "], "invalid authorization header"],
    ["an empty header", [""], "invalid authorization header"],
  ];
  for (const [what, values, answer] of cases) {
    test(`${what}: ${answer ?? "welcome"}`, () => expect(withValue(...values)).toBe(answer));
  }

  test("the digest is SHA-256", () => {
    expect(Buffer.from(tokenDigest("abc")).toString("hex")).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    expect(
      capabilityToken(createHash("sha256").update("t").digest())(
        headOf("GET / HTTP/1.1", "Authorization: Bearer t"),
      ),
    ).toBeNull();
  });

  test("without authentication everybody is welcome", () => {
    expect(noAuthentication(headOf("GET / HTTP/1.1"))).toBeNull();
  });
});

describe("a signed token", () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const NOW = 1_800_000_000;
  const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const sign = (claims: unknown, header: unknown = { alg: "HS256" }, key = secret): string => {
    const signed = `${base64url(header)}.${base64url(claims)}`;
    return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
  };
  const check = (token: string, options: { issuer?: string; audience?: string; skew?: number } = {}) =>
    signedBearerToken({
      secret: Buffer.from(secret),
      issuer: options.issuer,
      audience: options.audience,
      maxClockSkewSeconds: options.skew,
      now: () => NOW * 1000 + 999,
    })(headOf("GET / HTTP/1.1", `Authorization: Bearer ${token}`));

  const invalid = "invalid websocket jwt";
  const exp = NOW + 60;
  const times: [string, object, number | undefined, string | null][] = [
    ["in time", { exp }, undefined, null],
    ["at its end and the clocks' difference", { exp: NOW - 30 }, undefined, null],
    ["a second later", { exp: NOW - 31 }, undefined, "expired websocket jwt"],
    ["at its end, with clocks that agree", { exp: NOW }, 0, null],
    ["a second later, with clocks that agree", { exp: NOW - 1 }, 0, "expired websocket jwt"],
    ["before its beginning, within the difference", { exp, nbf: NOW + 30 }, undefined, null],
    ["a second earlier", { exp, nbf: NOW + 31 }, undefined, "websocket jwt is not valid yet"],
  ];
  for (const [what, claims, skew, answer] of times) {
    test(`${what}: ${answer ?? "welcome"}`, () => expect(check(sign(claims), { skew })).toBe(answer));
  }

  const names: [string, object, object, string | null][] = [
    ["nobody asked about", { exp, iss: "a", aud: "b" }, {}, null],
    ["the issuer", { exp, iss: "a" }, { issuer: "a" }, null],
    ["another issuer", { exp, iss: "b" }, { issuer: "a" }, "websocket jwt issuer mismatch"],
    ["no issuer", { exp }, { issuer: "a" }, "websocket jwt issuer mismatch"],
    ["the audience", { exp, aud: "a" }, { audience: "a" }, null],
    ["the audience among others", { exp, aud: ["b", "a"] }, { audience: "a" }, null],
    ["other audiences", { exp, aud: ["b"] }, { audience: "a" }, "websocket jwt audience mismatch"],
    ["no audience", { exp }, { audience: "a" }, "websocket jwt audience mismatch"],
  ];
  for (const [what, claims, options, answer] of names) {
    test(`${what}: ${answer ?? "welcome"}`, () => expect(check(sign(claims), options)).toBe(answer));
  }

  const good = sign({ exp });
  const bad: Record<string, string> = {
    "two parts": good.slice(0, good.lastIndexOf(".")),
    "four parts": `${good}.x`,
    "no signature": `${good.slice(0, good.lastIndexOf("."))}.`,
    "another key": sign({ exp }, { alg: "HS256" }, `${secret}x`),
    "a claim that was changed": good.replace(/\.[^.]+\./, `.${base64url({ exp: exp + 1 })}.`),
    padding: `${good}=`,
    "alg none": sign({ exp }, { alg: "none" }),
    "alg HS512": sign({ exp }, { alg: "HS512" }),
    "no alg": sign({ exp }, {}),
    "a header that is null": sign({ exp }, null),
    "claims that are no object": sign(null),
    "no exp": sign({}),
    "exp as a text": sign({ exp: `${exp}` }),
    "exp with a fraction": sign({ exp: exp + 0.5 }),
    "nbf as a text": sign({ exp, nbf: "0" }),
    "no token at all": "...",
  };
  for (const [what, token] of Object.entries(bad)) {
    test(`${what}: ${invalid}`, () => expect(check(token)).toBe(invalid));
  }

  test("any letter of the signature counts", () => {
    const at = good.length - 5;
    const other = good[at] === "A" ? "B" : "A";
    expect(check(good)).toBeNull();
    expect(check(`${good.slice(0, at)}${other}${good.slice(at + 1)}`)).toBe(invalid);
  });
});
