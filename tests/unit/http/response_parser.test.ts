/** Answers, however they are cut, and what is no answer. */

import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { HttpFailure } from "../../../lib/http/failure.ts";
import { type ResponseHead, ResponseParser } from "../../../lib/http/response_parser.ts";

interface Read {
  heads: ResponseHead[];
  body: string;
  /** How often bytes of the body were told. */
  pieces: number;
  done: boolean;
  keeps: boolean;
  failure: string | undefined;
}

/** Feeds pieces, then the end of the connection where it is told to. */
function read(pieces: readonly string[], options: { method?: string; close?: boolean } = {}): Read {
  const heads: ResponseHead[] = [];
  const bodies: Buffer[] = [];
  const parser = new ResponseParser(options.method ?? "GET", {
    head: (head) => void heads.push(head),
    body: (bytes) => {
      expect(bytes.length).toBeGreaterThan(0);
      bodies.push(Buffer.from(bytes));
    },
  });
  let failure: string | undefined;
  try {
    for (const piece of pieces) parser.feed(Uint8Array.from(Buffer.from(piece, "latin1")));
  } catch (error) {
    expect(error).toBeInstanceOf(HttpFailure);
    expect((error as HttpFailure).kind).toBe("protocol");
    failure = (error as Error).message;
  }
  if (options.close && failure === undefined) parser.close();
  return {
    heads,
    body: Buffer.concat(bodies).toString("latin1"),
    pieces: bodies.length,
    done: parser.isDone,
    keeps: parser.keepsConnection,
    failure,
  };
}

/** Text in pieces, cut at the given places. */
function cut(text: string, places: readonly number[]): string[] {
  const ends = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  return [...ends, text.length].map((end, i) => text.slice(ends[i - 1] ?? 0, end));
}

const ok = "HTTP/1.1 200 OK\r\n";
const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const token = fc.stringMatching(/^x-[a-z\d!#$%&'*+.^_`|~-]{0,8}$/);
const value = fc.stringMatching(/^([!-~\x80-\xff]([\t -~\x80-\xff]{0,8}[!-~\x80-\xff])?)?$/);
const places = fc.array(fc.nat(), { maxLength: 12 });

describe("an answer", () => {
  test("is the same however its bytes are cut", () => {
    const framing = fc.oneof(
      fc.constant({ kind: "length" as const }),
      fc.constant({ kind: "close" as const }),
      fc.record({
        kind: fc.constant("chunked" as const),
        cuts: places,
        extension: fc.constantFrom("", ";a=b", ' ;q="x y"', "\t"),
        trailer: fc.constantFrom("", "X-Sum: 1\r\n", "a:\r\nb: c\r\n"),
      }),
    );
    const early = fc.array(
      fc.constantFrom("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103\r\nlink: </x>\r\n\r\n"),
    );
    const property = fc.property(
      fc.array(fc.tuple(token, value), { maxLength: 6 }),
      latin1,
      framing,
      early,
      places,
      (headers, body, framing, early, places) => {
        let text = early.join("") + ok + headers.map(([name, value]) => `${name}: \t${value} \r\n`).join("");
        if (framing.kind === "length") text += `content-length: ${body.length}\r\n\r\n${body}`;
        else if (framing.kind === "close") text += `\r\n${body}`;
        else {
          const chunks = cut(body, framing.cuts).filter((chunk) => chunk !== "");
          text += "Transfer-Encoding: Chunked\r\n\r\n";
          for (const chunk of chunks) {
            text += `${chunk.length.toString(16).toUpperCase()}${framing.extension}\r\n${chunk}\r\n`;
          }
          text += `000${framing.extension}\r\n${framing.trailer}\r\n`;
        }
        const isOpen = framing.kind === "close";
        const found = read(cut(text, places), { close: isOpen });
        expect(found).toMatchObject({ body, done: true, keeps: !isOpen, failure: undefined });
        expect(found.heads).toHaveLength(1);
        const [head] = found.heads;
        expect(head!.status).toBe(200);
        expect(head!.rawHeaders.slice(0, headers.length * 2)).toEqual(headers.flat());
        // Cut before its last byte it is not whole, and nothing else is wrong with it.
        if (!isOpen) {
          const short = read(cut(text.slice(0, -1), places), { close: true });
          expect(short).toMatchObject({ done: false, failure: undefined });
        }
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  test("of any bytes is read or refused, the same however they are cut", () => {
    const part = fc.constantFrom(
      ...[
        "HTTP/1.1 200 OK",
        "HTTP/1.0 204",
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        ": ",
        "a: b",
        " ",
        "0",
        "5",
        "f",
      ],
      ...["content-length: 5", "Transfer-Encoding: chunked", "connection: close", ";", "hello", "\0", "\xff"],
      ...[
        "HTTP/1.1 100 C\r\n\r\n",
        `${ok}transfer-encoding: chunked\r\n\r\n`,
        `${ok}content-length: 3\r\n\r\n`,
      ],
    );
    const property = fc.property(fc.array(part, { maxLength: 14 }), places, (parts, places) => {
      const text = parts.join("");
      const whole = read([text]);
      const pieces = read(cut(text, places));
      const single = read([...text]);
      for (const found of [pieces, single]) {
        expect({ ...found, pieces: 0 }).toEqual({ ...whole, pieces: 0 });
      }
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test("has no body where there can be none", () => {
    const length = `${ok}content-length: 5\r\n\r\n`;
    expect(read([length], { method: "HEAD" })).toMatchObject({ done: true, keeps: true, body: "" });
    expect(read([length], { method: "HEAD" }).heads[0]!.contentLength).toBe(5);
    for (const status of [204, 304]) {
      const found = read([`HTTP/1.1 ${status}\r\ntransfer-encoding: chunked\r\n\r\n`]);
      expect(found).toMatchObject({ done: true, keeps: true, failure: undefined });
    }
    expect(read([`${ok}content-length: 0\r\n\r\n`])).toMatchObject({ done: true, keeps: true });
  });

  test("to CONNECT has a body only where the tunnel is refused", () => {
    const length = "content-length: 2\r\n\r\nno";
    const refused = read([`HTTP/1.1 407 Who\r\n${length}`], { method: "CONNECT" });
    expect(refused).toMatchObject({ body: "no", done: true });
    const parser = new ResponseParser("CONNECT", { head() {}, body: () => expect.unreachable() });
    const head = `${ok}transfer-encoding: chunked\r\n\r\n`;
    expect(parser.feed(Buffer.from(head.slice(0, 9)))).toBe(9);
    expect(parser.feed(Buffer.from(`${head.slice(9)}5\r\n`))).toBe(head.length - 9);
    expect(parser.isDone).toBe(true);
  });

  test("keeps the connection only where both sides see the same end", () => {
    const keeps = (text: string, close = false): boolean => {
      const found = read([text], { close });
      expect([text, found.done, found.failure]).toEqual([text, true, undefined]);
      return found.keeps;
    };
    const two = "content-length: 2\r\n";
    expect(keeps(`${ok}${two}\r\nok`)).toBe(true);
    expect(keeps(`${ok}${two}Connection: x, Close\r\n\r\nok`)).toBe(false);
    expect(keeps(`HTTP/1.0 200 OK\r\n${two}\r\nok`)).toBe(false);
    expect(keeps(`HTTP/1.0 200 OK\r\n${two}connection: Keep-Alive\r\n\r\nok`)).toBe(true);
    expect(keeps(`${ok}${two}\r\nokay`)).toBe(false);
    expect(keeps(`${ok}${two}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`)).toBe(false);
    expect(keeps(`${ok}transfer-encoding: chunked\r\n\r\n0\r\n\r\nx`)).toBe(false);
    expect(keeps(`HTTP/1.1 204 No\r\n${two}\r\nok`)).toBe(false);
    expect(keeps(`${ok}transfer-encoding: gzip\r\n\r\nok`, true)).toBe(false);
    expect(keeps(`${ok}\r\nok`, true)).toBe(false);
    // A byte that comes later is as much too many.
    expect(read([`${ok}${two}\r\nok`, "x"]).keeps).toBe(false);
  });

  test("may have its length twice, and its lines without CR", () => {
    expect(read([`${ok}content-length: 2\r\ncontent-length: 2, 2\r\n\r\nok`])).toMatchObject({
      body: "ok",
      done: true,
    });
    expect(read(["HTTP/1.1 200\ncontent-length: 4\n\no\n\r\n"])).toMatchObject({
      body: "o\n\r\n",
      done: true,
    });
  });

  test("of 20000 lines is read, and one of more than 1 MiB is not, bytes one by one too", () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `x-${i}: ${i}\r\n`).join("");
    const text = `${ok}${lines}content-length: 0\r\n\r\n`;
    expect(read([text]).heads[0]!.rawHeaders).toHaveLength(40_002);
    expect(read([...text]).heads[0]!.rawHeaders).toHaveLength(40_002);
    const endless = `${ok}x: ${"y".repeat(1024 * 1024)}`;
    expect(read([endless]).failure).toContain("more than 1048576 bytes");
    expect(read([...endless]).failure).toContain("more than 1048576 bytes");
    const early = "HTTP/1.1 100 Continue\r\n\r\n".repeat(50_000);
    expect(read([early]).failure).toContain("more than 1048576 bytes");
    const chunks = `${ok}transfer-encoding: chunked\r\n\r\n`;
    expect(read([chunks, `1;${"x".repeat(16 * 1024)}`]).failure).toContain("too long");
    expect(read([chunks, "0\r\n", ...Array(20).fill(`a: ${"x".repeat(60_000)}\r\n`)]).failure).toContain(
      "too long",
    );
  });

  test("of many small chunks is told in as many pieces as came", () => {
    const text = `${ok}transfer-encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(5000)}0\r\n\r\n`;
    expect(read([text])).toMatchObject({ body: "x".repeat(5000), pieces: 1, done: true, keeps: true });
  });
});

describe("what is no answer is refused", () => {
  const heads: Record<string, string> = {
    "no HTTP": "this is no HTTP\r\n\r\n",
    "another version": "HTTP/2 200 OK\r\n\r\n",
    "a version of two digits": "HTTP/1.10 200 OK\r\n\r\n",
    "no status": "HTTP/1.1 OK\r\n\r\n",
    "a status of two digits": "HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": "HTTP/1.1 2000 OK\r\n\r\n",
    "a status below 100": "HTTP/1.1 099 OK\r\n\r\n",
    "an empty line first": `\r\n${ok}\r\n`,
    "another protocol": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a line that goes on": `${ok}a: b\r\n c: d\r\n\r\n`,
    "a line that goes on after a tab": `${ok}a: b\r\n\tc\r\n\r\n`,
    "a space behind a name": `${ok}content-length : 2\r\n\r\n`,
    "no name": `${ok}: 2\r\n\r\n`,
    "no colon": `${ok}content-length\r\n\r\n`,
    "a name with a space": `${ok}a b: 2\r\n\r\n`,
    "a zero byte": `${ok}a: b\0c\r\n\r\n`,
    "a CR alone": `${ok}a: b\rcontent-length: 2\r\n\r\n`,
    "a CR before the CR": `${ok}a: b\r\r\n\r\n`,
    "two lengths": `${ok}content-length: 2\r\ncontent-length: 3\r\n\r\n`,
    "two lengths in a line": `${ok}content-length: 2, 3\r\n\r\n`,
    "a negative length": `${ok}content-length: -1\r\n\r\n`,
    "a length with a sign": `${ok}content-length: +2\r\n\r\n`,
    "a length in hexadecimal": `${ok}content-length: 0x2\r\n\r\n`,
    "an empty length": `${ok}content-length:\r\n\r\n`,
    "a length beyond counting": `${ok}content-length: 99999999999999999\r\n\r\n`,
    "chunks in HTTP/1.0": "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
  };
  for (const [what, text] of Object.entries(heads)) {
    test(what, () => {
      const found = read([text]);
      expect(found.failure).toBeString();
      expect(found.heads).toEqual([]);
    });
  }

  const chunks: Record<string, string> = {
    "a chunk without a size": "\r\nabc",
    "a size that is none": "zz\r\n",
    "a size with a sign": "+3\r\nabc\r\n",
    "a size with 0x": "0x3\r\nabc\r\n",
    "a space before a size": " 3\r\nabc\r\n",
    "a size beyond counting": "fffffffffffffff\r\n",
    "a size of many digits": "00000000000000003\r\nabc\r\n",
    "a size that ends without CR": "3\nabc\r\n",
    "a CR in an extension": "3;a\rb\r\nabc\r\n",
    "a chunk that is longer": "3\r\nabcd\r\n",
    "a chunk that ends without CR": "3\r\nabc\n",
    "a trailer without a name": "0\r\nnothing\r\n\r\n",
    "a trailer that goes on": "0\r\na: b\r\n c\r\n\r\n",
    "trailers that end without CR": "0\r\n\n",
  };
  for (const [what, text] of Object.entries(chunks)) {
    test(`${what}, after what came before`, () => {
      const found = read([`${ok}transfer-encoding: chunked\r\n\r\n1\r\nx\r\n${text}`]);
      expect(found.failure).toBeString();
      expect([found.done, found.body[0], found.heads.length]).toEqual([false, "x", 1]);
    });
  }
});
