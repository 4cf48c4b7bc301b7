import { describe, expect, test } from "bun:test";
import { binaryHead, isBinaryMessage, parseBinaryMessage } from "../../../lib/jsonrpc/binary.ts";
import { channelPair } from "../../../lib/jsonrpc/channel.ts";
import { parseMessage } from "../../../lib/jsonrpc/message.ts";
import { Peer, WithBytes } from "../../../lib/jsonrpc/peer.ts";

const message = (head: string, bytes: number[] = []): Uint8Array =>
  Buffer.concat([binaryHead(head), Uint8Array.from(bytes)]);

describe("a binary message", () => {
  test("is a zero, the length of its head, the head and the bytes", () => {
    const head = '{"id":6,"method":"m","params":{"é":1},"raw":"chunk"}';
    const whole = message(head, [0, 255]);
    expect([...whole.subarray(0, 5)]).toEqual([0, 0, 0, 0, Buffer.byteLength(head)]);
    expect(isBinaryMessage(whole)).toBe(true);
    expect(isBinaryMessage(Buffer.from('{"id":1}'))).toBe(false);
    expect(parseBinaryMessage(whole)).toEqual({
      kind: "request",
      id: 6,
      method: "m",
      params: { é: 1, chunk: Buffer.from([0, 255]) },
    });
  });

  test("may be an answer, and may have no bytes", () => {
    expect(parseBinaryMessage(message('{"id":1,"result":{"eof":true},"raw":"chunk"}'))).toEqual({
      kind: "result",
      id: 1,
      result: { eof: true, chunk: Buffer.alloc(0) },
    });
  });

  for (const [what, bytes] of [
    ["an empty one", []],
    ["a cut length", [0, 0, 0]],
    ["a head that is longer than the message", [0, 0, 0, 0, 9, 123, 125]],
    ["a head that is not UTF-8", [0, 0, 0, 0, 1, 0xff]],
    ["a head that is no JSON", [0, 0, 0, 0, 1, 123]],
  ] as [string, number[]][]) {
    test(`${what} is malformed`, () => {
      expect(() => parseBinaryMessage(Uint8Array.from(bytes))).toThrow(
        expect.objectContaining({ name: "MalformedMessage" }),
      );
    });
  }

  for (const head of [
    '{"id":1,"result":{}}',
    '{"id":1,"result":{},"raw":5}',
    '{"id":1,"method":"m","raw":"chunk"}',
    '{"id":1,"error":{"code":1,"message":""},"raw":"chunk"}',
    // No member that holds bytes, but a map, a text, and what every object has.
    '{"id":1,"method":"process/start","params":{},"raw":"env"}',
    '{"id":1,"method":"process/read","params":{},"raw":"processId"}',
    '{"id":1,"method":"m","params":{},"raw":"__proto__"}',
  ]) {
    test(`${head} does not say what its bytes are`, () => {
      expect(() => parseBinaryMessage(message(head, [1]))).toThrow("what its bytes are");
    });
  }

  test("goes both ways between two peers", async () => {
    const [a, b] = channelPair("pair");
    const nothing = { notification: () => {}, unmatched: () => {}, closed: () => {} };
    const client = new Peer(a, { ...nothing, request: () => null });
    const server = new Peer(b, {
      ...nothing,
      request: (_method, params) => {
        const { chunk, ...rest } = params as { chunk: Uint8Array };
        return Promise.resolve(
          new WithBytes(rest, "dataBase64", chunk.toReversed(), { raw: true, owned: true }),
        );
      },
    });
    client.open();
    server.open();
    const answer = await client.call(
      "m",
      new WithBytes({ n: 1 }, "chunk", Uint8Array.of(1, 2, 3), { raw: true, owned: false }),
    );
    expect(answer).toEqual({ n: 1, dataBase64: Buffer.from([3, 2, 1]) });
    client.close({ kind: "normal", message: "" });
  });
});

describe("integers that a number would not hold", () => {
  test("keep their digits as members of the parameters", () => {
    const text =
      '{"id":1,"method":"m","params":{"a":9007199254740993,"b":18446744073709551615,"c":5,"d":1e30}}';
    expect(parseMessage(text)).toMatchObject({
      params: { a: 9007199254740993n, b: 18446744073709551615n, c: 5, d: 1e30 },
    });
  });
});
