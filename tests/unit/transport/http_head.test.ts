import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  acceptKey,
  type HttpHead,
  HttpHeadError,
  HttpHeadReader,
  hasToken,
} from "../../../lib/transport/http_head.ts";
import { split } from "./support.ts";

/** The head with what followed it, however it was cut. */
function readHead(pieces: readonly Uint8Array[]): { head: HttpHead; rest: string } | undefined {
  const reader = new HttpHeadReader();
  for (const [i, piece] of pieces.entries()) {
    const head = reader.feed(piece);
    if (head) return { head, rest: Buffer.concat([head.rest, ...pieces.slice(i + 1)]).toString("latin1") };
  }
  return undefined;
}

function headOf(text: string): HttpHead {
  const found = readHead([Buffer.from(text, "latin1")]);
  if (!found) throw new Error("It is not whole");
  return found.head;
}

describe("a head", () => {
  test("has its first line in three parts, names in lower case and values in order", () => {
    const head = headOf("GET /a?b HTTP/1.1\r\nHost: h:1\r\nX-A:1\r\nx-a: \t2 \r\nEmpty:\r\n\r\nrest");
    expect(head.start).toEqual(["GET", "/a?b", "HTTP/1.1"]);
    expect([...head.headers]).toEqual([
      ["host", ["h:1"]],
      ["x-a", ["1", "2"]],
      ["empty", [""]],
    ]);
    expect(Buffer.from(head.rest).toString()).toBe("rest");
  });

  test("a status line keeps its words, or has none", () => {
    expect(headOf("HTTP/1.1 101 Switching Protocols\r\n\r\n").start).toEqual([
      "HTTP/1.1",
      "101",
      "Switching Protocols",
    ]);
    expect(headOf("HTTP/1.1 200\r\n\r\n").start).toEqual(["HTTP/1.1", "200", ""]);
    expect(headOf("HTTP/1.1 200 \r\n\r\n").start).toEqual(["HTTP/1.1", "200", ""]);
  });

  test("any split gives the same head and the same rest", () => {
    const text = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nA: c\r\n\r\nbody\r\n\r\nmore";
    const whole = readHead([Buffer.from(text)])!;
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (cuts) => {
        const cut = readHead(split(Buffer.from(text), cuts))!;
        expect([cut.head.start, [...cut.head.headers], cut.rest]).toEqual([
          whole.head.start,
          [...whole.head.headers],
          "body\r\n\r\nmore",
        ]);
      }),
      { numRuns: 300 },
    );
  });

  test("without its blank line it is not whole", () => {
    expect(readHead([Buffer.from("GET / HTTP/1.1\r\nHost: h\r\n")])).toBeUndefined();
    expect(readHead([Buffer.from("GET / HTTP/1.1\n\n")])).toBeUndefined();
  });

  const wrong: [string, string, string][] = [
    ["a first line of one word", "hello\r\n\r\n", "The first line is not HTTP"],
    ["no first line", "\r\n\r\n", "The first line is not HTTP"],
    ["binary", "\x16\x03\x01\r\n\r\n", "The first line is not HTTP"],
    ["a line without a colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", "A header line has no name"],
    ["a line without a name", "GET / HTTP/1.1\r\n: v\r\n\r\n", "A header line has no name"],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", "A header line has no name"],
    ["a folded line", "GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", "A header line has no name"],
  ];
  for (const [what, text, message] of wrong) {
    test(`${what} is refused`, () => expect(() => headOf(text)).toThrow(new HttpHeadError(message)));
  }

  test("up to 16 KiB is taken and more is not, whatever the cuts", () => {
    const head = (bytes: number): Buffer => {
      const before = "GET / HTTP/1.1\r\nA: ";
      return Buffer.from(`${before}${"x".repeat(bytes - before.length)}\r\n\r\n`);
    };
    const limit = 16 * 1024;
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 4 }), fc.constantFrom(0, 1, 2, 3, 4), (cuts, back) => {
        const all = [...cuts, limit + back];
        expect(readHead(split(head(limit), all))).toBeDefined();
        expect(() => readHead(split(head(limit + 1), all))).toThrow(
          new HttpHeadError("The head is too long"),
        );
      }),
    );
    expect(() => new HttpHeadReader().feed(new Uint8Array(limit + 4))).toThrow("The head is too long");
  });
});

test("a token is found in any place and letter case, and only whole", () => {
  const head = headOf(
    "GET / HTTP/1.1\r\nConnection: keep-alive, UPGRADE\r\nconnection: x\r\nUpgrade: websockets\r\n\r\n",
  );
  expect(hasToken(head, "connection", "upgrade")).toBe(true);
  expect(hasToken(head, "connection", "x")).toBe(true);
  expect(hasToken(head, "upgrade", "websocket")).toBe(false);
  expect(hasToken(head, "missing", "upgrade")).toBe(false);
});

test("the accept key is that of RFC 6455", () => {
  expect(acceptKey("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});
