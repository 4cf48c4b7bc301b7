import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseLongMessage } from "../../../lib/jsonrpc/long_message.ts";
import { applyMask } from "../../../lib/jsonrpc/mask.ts";
import { parseMessage } from "../../../lib/jsonrpc/message.ts";
import { decodeStrictBase64 } from "../../../lib/protocol/base64.ts";

const long = "QUJD".repeat(2000);

/** Base64 of the long text as bytes again as text, so that both parsers can be compared. */
function asText(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, inner) =>
      inner instanceof Uint8Array ? Buffer.from(inner).toString("base64") : inner,
    ),
  );
}

function parse(text: string): ReturnType<typeof parseLongMessage> {
  const message = parseLongMessage(new TextEncoder().encode(text));
  const masked = parseMasked(text);
  // Under a mask it can be left to be read without one, but is nothing else.
  if (masked) expect(asText(masked)).toEqual(asText(message));
  return message;
}

function parseMasked(text: string | Uint8Array, mask = 0x12345678): ReturnType<typeof parseLongMessage> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text.slice();
  const before = bytes.slice();
  applyMask(bytes, mask);
  const message = parseLongMessage(bytes, mask);
  // Who is told that it is not one takes the mask off.
  applyMask(bytes, mask);
  expect(Buffer.compare(bytes, before)).toBe(0);
  return message;
}

describe("a long message", () => {
  test("is what it is as a text, with its base64 as bytes", () => {
    const scalar = fc.oneof(fc.string({ unit: "binary" }), fc.integer(), fc.boolean(), fc.constant(null));
    const name = fc.constantFrom("chunk", "dataBase64", "bodyBase64", "deltaBase64");
    fc.assert(
      fc.property(
        fc.constantFrom("request", "notification", "result"),
        fc.dictionary(fc.string(), scalar, { maxKeys: 4 }),
        name,
        fc.uint8Array({ minLength: 4000, maxLength: 9000 }),
        fc.dictionary(fc.string(), scalar, { maxKeys: 4 }),
        (kind, before, member, bytes, after) => {
          const members = { ...before, [member]: Buffer.from(bytes).toString("base64"), ...after };
          const text = JSON.stringify(
            kind === "request"
              ? { id: 7, method: "m", params: members }
              : kind === "notification"
                ? { method: "m", params: members }
                : { id: "x", result: members },
          );
          const message = parse(text);
          // One whose names or texts before have escapes is left to the other parser.
          if (!message) return expect(text.slice(0, text.indexOf(`"${member}":`))).toContain("\\");
          expect(asText(message)).toEqual(asText(parseMessage(text)));
          const holder = (message as { params?: unknown; result?: unknown }).params ?? message;
          if (kind !== "result")
            expect((holder as Record<string, unknown>)[member]).toBeInstanceOf(Uint8Array);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("is strict about base64 in every place, across the strings it is decoded by", () => {
    const letters = fc.constantFrom("=", "==", " ", "\n", "!", "é", "-", "A", "QQ==", "QUI=", "QR==");
    fc.assert(
      fc.property(
        fc.integer({ min: 200_000, max: 400_000 }),
        fc.array(fc.tuple(fc.nat(), letters), { maxLength: 2 }),
        (count, changes) => {
          let text = Buffer.alloc(count, "some bytes ").toString("base64");
          for (const [place, insert] of changes) {
            const at = [262_144, 262_143, text.length, place % text.length][place % 4]!;
            text = text.slice(0, at) + insert + text.slice(at + (place % 3));
          }
          const message = parse(`{"id":1,"method":"m","params":{"chunk":"${text}"}}`);
          const expected = decodeStrictBase64(text);
          expect(message === undefined).toBe(expected === undefined);
          const { chunk } = (message as { params?: { chunk?: Uint8Array } } | undefined)?.params ?? {};
          if (expected) expect(Buffer.compare(chunk!, expected)).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("is left to the other parser when anything is unusual or wrong", () => {
    const params = (inner: string): string => `{"id":1,"method":"process/write","params":{${inner}}}`;
    expect(parse(params(`"chunk":"${long}"`))).toMatchObject({ kind: "request", id: 1 });
    const others = {
      "not base64": params(`"chunk":"${long}!"`),
      "no padding": params(`"chunk":"${long}QQ"`),
      "white space": params(`"chunk":"${long.slice(4)} QUI="`),
      "a line feed": params(`"chunk":"${long}\n"`),
      "an escape in it": params(`"chunk":"${long}\\u0041AAA"`),
      "not ASCII": params(`"chunk":"${long}é"`),
      "another member": params(`"text":"${long}"`),
      "a repeated member": params(`"chunk":"${long}","chunk":"QUJD"`),
      "an inner member": params(`"inner":{"chunk":"${long}"}`),
      "a list": `{"id":1,"method":"m","params":["${long}"]}`,
      "an error": `{"id":1,"error":{"code":1,"message":"m","data":"${long}"}}`,
      "an escape before": params(`"processId":"\\"","chunk":"${long}"`),
      "no JSON": `${params(`"chunk":"${long}"`)}}`,
      "no message": `{"chunk":"${long}"}`,
      "no long text": params(`"chunk":"","rest":[${"1,".repeat(3000)}1]`),
      "no end": `{"id":1,"method":"m","params":{"chunk":"${long}`,
    };
    for (const [what, text] of Object.entries(others)) expect([what, parse(text)]).toEqual([what, undefined]);
    const invalid = Buffer.from(params(`"chunk":"${long}","x":"é"`), "latin1");
    expect(parseLongMessage(invalid)).toBeUndefined();
    expect(parseMasked(invalid)).toBeUndefined();
  });

  test("is read under its mask where both ends are short, at every place of the key", () => {
    const params = (before: number, bytes: number, after: number): string =>
      JSON.stringify({
        ...{ id: 1, method: "process/write" },
        params: { processId: "p".repeat(before), chunk: "x".repeat(bytes), writeId: "w".repeat(after) },
      }).replace(/x+/, Buffer.alloc(bytes, "bytes").toString("base64"));
    for (const before of [0, 1, 2, 3, 4, 440, 460, 480, 500, 520, 1900]) {
      for (const [bytes, after] of [
        ...[4000, 65_536, 100_000, 100_001, 1_000_000].map((count) => [count, before] as const),
        [4000, 2000] as const,
      ]) {
        const text = params(before, bytes, after);
        for (const mask of [0x12345678, 0x80000000 | 0, 1]) {
          const message = parseMasked(text, mask) as { params: { chunk: Uint8Array } } | undefined;
          expect([before, bytes, message?.params.chunk.length]).toEqual([before, bytes, bytes]);
          expect(asText(message)).toEqual(asText(parseMessage(text)));
        }
      }
    }
    for (const text of [params(2100, 9000, 0), params(0, 9000, 2100)]) {
      expect(parseMasked(text)).toBeUndefined();
    }
    expect(parse(params(0, 9000, 2100))).toBeDefined();
  });
});
