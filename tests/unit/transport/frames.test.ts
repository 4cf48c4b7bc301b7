import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyMask } from "../../../lib/jsonrpc/mask.ts";
import { giveBack } from "../../../lib/jsonrpc/reusable_memory.ts";
import {
  encodeBase64Text,
  encodeFrame,
  encodeText,
  type Frame,
  FrameError,
  FrameParser,
  latin1Frame,
  opcode,
} from "../../../lib/transport/websocket_frames.ts";
import { split } from "./support.ts";

const MAX = 1 << 20;

/** All frames of some pieces, with copies of the payloads that have no mask any more. */
function parseAll(pieces: readonly Uint8Array[], masked: boolean, maxPayloadBytes = MAX): Frame[] {
  const parser = new FrameParser({ maxPayloadBytes, masked });
  const frames: Frame[] = [];
  for (const piece of pieces) {
    // Not `slice()`, which is a view of a `Buffer`.
    parser.feed(new Uint8Array(piece), ({ mask = 0, ...frame }) => {
      const payload = new Uint8Array(frame.payload);
      applyMask(payload, mask);
      return frames.push({ ...frame, payload });
    });
  }
  return frames;
}

function faultOf(bytes: readonly number[], masked: boolean, maxPayloadBytes = MAX): [number, string] {
  try {
    parseAll([new Uint8Array(bytes)], masked, maxPayloadBytes);
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    return [(error as FrameError).status, (error as FrameError).message];
  }
  throw new Error("Accepted");
}

const frame = fc.oneof(
  fc.record({
    fin: fc.boolean(),
    opcode: fc.constantFrom(0, 1, 2),
    payload: fc.uint8Array({ maxLength: 400 }),
  }),
  fc.record({
    fin: fc.constant(true),
    opcode: fc.constantFrom(8, 9, 10),
    payload: fc.uint8Array({ maxLength: 125 }),
  }),
);

describe("frames", () => {
  for (const mask of [true, false]) {
    test(`any split of the bytes gives the same frames, ${mask ? "masked" : "bare"}`, () => {
      fc.assert(
        fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat()), (frames, cuts) => {
          const bytes = Buffer.concat(frames.map((one) => encodeFrame(one, mask)));
          expect(parseAll(split(bytes, cuts), mask)).toEqual(frames.map((one) => ({ ...one })));
        }),
        { numRuns: 200 },
      );
    });

    test(`one byte at a time gives the same frames, ${mask ? "masked" : "bare"}`, () => {
      const frames = [
        { fin: false, opcode: 1, payload: new Uint8Array(130).fill(7) },
        { fin: true, opcode: 9, payload: new Uint8Array(0) },
        { fin: true, opcode: 0, payload: new Uint8Array([1, 2, 3]) },
      ];
      const bytes = Buffer.concat(frames.map((one) => encodeFrame(one, mask)));
      expect(
        parseAll(
          [...bytes].map((byte) => new Uint8Array([byte])),
          mask,
        ),
      ).toEqual(frames);
    });
  }

  test("what is read behind the first piece gives the same frames, however much comes at a time", () => {
    const lengths = fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(32_767, 32_768, 70_000, 5_000_000));
    fc.assert(
      fc.property(
        fc.array(lengths, { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 400_000 }))),
        fc.boolean(),
        (lengths, amounts, mask) => {
          const frames = lengths.map((length, i) => ({
            ...{ fin: true, opcode: 2 },
            payload: new Uint8Array(length).map((_, at) => at * 7 + i),
          }));
          const bytes = Buffer.concat(frames.map((one) => encodeFrame(one, mask)));
          const parser = new FrameParser({ maxPayloadBytes: 8 << 20, masked: mask });
          const seen: Frame[] = [];
          let at = 0;
          const take = (most: number): Uint8Array => {
            const piece = new Uint8Array(bytes.subarray(at, at + Math.min(most, amounts.next().value)));
            at += piece.length;
            return piece;
          };
          while (at < bytes.length) {
            parser.feed(
              take(bytes.length),
              (one) => {
                seen.push({ ...one, payload: one.payload.slice() });
                // As the channel does: what was put together is somebody else's next.
                giveBack(one.payload);
              },
              (memory) => {
                const piece = take(memory.length);
                memory.set(piece);
                return piece.length;
              },
            );
          }
          expect(seen.map(({ payload }) => payload.length)).toEqual(lengths);
          for (const [i, { payload }] of seen.entries()) {
            expect(Buffer.compare(payload, frames[i]!.payload)).toBe(0);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  const heads: [number, number[]][] = [
    [0, [0x82, 0]],
    [1, [0x82, 1]],
    [125, [0x82, 125]],
    [126, [0x82, 126, 0, 126]],
    [127, [0x82, 126, 0, 127]],
    [65_535, [0x82, 126, 0xff, 0xff]],
    [65_536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
    [65_537, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1]],
  ];
  for (const [length, head] of heads) {
    test(`a payload of ${length} bytes has the head of the RFC, and comes back`, () => {
      const payload = new Uint8Array(length).map((_, i) => i * 31);
      const bare = encodeFrame({ fin: true, opcode: 2, payload }, false);
      expect([...bare.subarray(0, head.length)]).toEqual(head);
      expect(bare.length).toBe(head.length + length);
      const masked = encodeFrame({ fin: true, opcode: 2, payload }, true);
      expect(masked.length).toBe(head.length + 4 + length);
      expect(masked[1]).toBe(head[1]! | 0x80);
      for (const [bytes, mask] of [
        [bare, false],
        [masked, true],
      ] as const) {
        expect(parseAll([bytes], mask)).toEqual([{ fin: true, opcode: 2, payload }]);
      }
    });
  }

  test("encoding leaves the payload as it was", () => {
    const payload = new Uint8Array([1, 2, 3, 4, 5]);
    encodeFrame({ fin: true, opcode: 2, payload }, true);
    expect([...payload]).toEqual([1, 2, 3, 4, 5]);
  });

  test("each masked frame has a key of its own", () => {
    const keys = new Set<string>();
    for (let i = 0; i < 600; i++) {
      const bytes = encodeFrame({ fin: true, opcode: 1, payload: new Uint8Array(0) }, true);
      keys.add(Buffer.from(bytes.subarray(2, 6)).toString("hex"));
    }
    expect(keys.size).toBeGreaterThan(590);
  });

  test("any text is one text frame of its UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.boolean(), (text, mask) => {
        const [only, ...more] = parseAll([encodeText(text, mask)], mask);
        expect(more).toEqual([]);
        expect([only!.fin, only!.opcode, Buffer.from(only!.payload).toString()]).toEqual([true, 1, text]);
      }),
    );
  });

  test("a frame in latin1 is the frame in bytes, for every text that has one", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.string({ unit: "binary-ascii", maxLength: 300 }),
      fc.constantFrom("x".repeat(125), "x".repeat(126), "x".repeat(65_535), "x".repeat(65_536)),
    );
    fc.assert(
      fc.property(text, (text) => {
        const frame = latin1Frame(text);
        const has = /^[\0-\x7f]*$/.test(text) && text.length < 65_536;
        expect(frame !== undefined).toBe(has);
        if (frame !== undefined)
          expect(Buffer.from(frame, "latin1").equals(encodeText(text, false))).toBe(true);
      }),
    );
  });

  test("a text with base64 is what the joined text would be, short or longer than what it is made in", () => {
    const text = fc.string({ unit: "binary", maxLength: 100 });
    const length = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 400_000 }));
    fc.assert(
      fc.property(text, length, text, fc.boolean(), (head, count, tail, mask) => {
        const bytes = Uint8Array.from({ length: count }, (_, i) => (i * 7) % 256);
        const [only, ...more] = parseAll([encodeBase64Text(head, bytes, tail, mask)], mask);
        expect(more).toEqual([]);
        const expected = head + Buffer.from(bytes).toString("base64") + tail;
        expect(Buffer.from(only!.payload).toString() === expected).toBe(true);
        expect([only!.fin, only!.opcode]).toEqual([true, 1]);
      }),
      { numRuns: 60 },
    );
  });
});

test("what was copied to where a long payload is put together is freed, what somebody has a view of is not", () => {
  const parser = new FrameParser({ maxPayloadBytes: MAX, masked: false });
  const payloads: Uint8Array[] = [];
  const feed = (piece: Uint8Array, keeps = true): number => {
    parser.feed(piece, ({ payload }) => {
      if (keeps) payloads.push(payload);
      return !keeps;
    });
    return piece.length;
  };
  const long = encodeFrame({ fin: true, opcode: 2, payload: new Uint8Array(300_000).fill(7) }, false);
  const short = encodeFrame({ fin: true, opcode: 2, payload: new Uint8Array(50).fill(8) }, false);
  expect(feed(new Uint8Array(long.subarray(0, 100_000)))).toBe(0);
  expect(feed(new Uint8Array(long.subarray(100_000, 200_000)))).toBe(0);
  const end = new Uint8Array([...long.subarray(200_000), ...short]);
  expect(feed(end)).toBe(end.length);
  expect(payloads.map((payload) => [payload.length, payload[0], payload.at(-1)])).toEqual([
    [300_000, 7, 7],
    [50, 8, 8],
  ]);
  expect(payloads[1]!.buffer).toBe(end.buffer);
  expect(feed(new Uint8Array(long), false)).toBe(0);
});

test("a long text that is whole keeps its mask, whether it comes in pieces or not; nothing else does", () => {
  const parser = new FrameParser({ maxPayloadBytes: 4 << 20, masked: true });
  for (const length of [4095, 4096, 4097, 100_001, 3_000_000]) {
    const text = Buffer.alloc(length, "some text of any length, ").toString();
    const frame = new Uint8Array(encodeText(text, true));
    const continued = new Uint8Array(frame);
    continued[0] = opcode.continuation | 0x80;
    const seen: [number, boolean, boolean][] = [];
    const take = ({ opcode: code, payload, mask = 0 }: Frame): boolean => {
      const isPlain = Buffer.from(payload).equals(Buffer.from(text));
      applyMask(payload, mask);
      seen.push([code, isPlain, Buffer.from(payload).equals(Buffer.from(text))]);
      return true;
    };
    parser.feed(frame.slice(), take);
    parser.feed(frame.slice(0, 1000), take);
    parser.feed(frame.slice(1000), take);
    parser.feed(continued, take);
    const isLong = length >= 4096;
    expect(seen).toEqual([
      [opcode.text, !isLong, true],
      [opcode.text, !isLong, true],
      [opcode.continuation, true, true],
    ]);
  }
});

describe("rules of framing", () => {
  const wrong: [string, number[], boolean, number][] = [
    ["reserved bit 1", [0xc1, 0], false, 1002],
    ["reserved bit 2", [0xa1, 0], false, 1002],
    ["reserved bit 3", [0x91, 0], false, 1002],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((code): [string, number[], boolean, number] => [
      `opcode ${code}`,
      [0x80 | code, 0],
      false,
      1002,
    ]),
    ["no mask where one must be", [0x81, 0], true, 1002],
    ["a mask where none may be", [0x81, 0x80], false, 1002],
    ["a close frame in pieces", [0x08, 0], false, 1002],
    ["a ping in pieces", [0x09, 0], false, 1002],
    ["a pong of 126 bytes", [0x8a, 126, 0, 126], false, 1002],
    ["a close of 64-bit length", [0x88, 127, 0, 0, 0, 0, 0, 0, 0, 1], false, 1002],
    ["a length above the limit", [0x81, 126, 1, 1], false, 1009],
    [
      "a 64-bit length above the limit",
      [0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      false,
      1009,
    ],
  ];
  for (const [what, bytes, masked, status] of wrong) {
    test(`${what} is refused with ${status}, before its payload has come`, () => {
      expect(faultOf(bytes, masked, 256)[0]).toBe(status);
    });
  }

  test("a frame of exactly the limit passes", () => {
    const payload = new Uint8Array(256);
    expect(parseAll([encodeFrame({ fin: true, opcode: 2, payload }, false)], false, 256)).toHaveLength(1);
    expect(
      faultOf([...encodeFrame({ fin: true, opcode: 2, payload: new Uint8Array(257) }, false)], false, 256),
    ).toEqual([1009, "A frame of 257 bytes is above the limit of 256"]);
  });

  test("frames before the wrong one are still given", () => {
    const parser = new FrameParser({ maxPayloadBytes: MAX, masked: false });
    const seen: number[] = [];
    expect(() =>
      parser.feed(new Uint8Array([0x89, 0, 0x81, 0, 0x83, 0]), ({ opcode }) => seen.push(opcode)),
    ).toThrow("Opcode 3 is reserved");
    expect(seen).toEqual([9, 1]);
  });
});
