/** Long messages that are read straight into memory which is used again: nobody's bytes become somebody else's. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { binaryHead, parseBinaryMessage } from "../../../lib/jsonrpc/binary.ts";
import { parseLongMessage } from "../../../lib/jsonrpc/long_message.ts";
import { giveBack } from "../../../lib/jsonrpc/reusable_memory.ts";
import { WebsocketChannel } from "../../../lib/transport/websocket_channel.ts";
import { encodeFrame } from "../../../lib/transport/websocket_frames.ts";
import { FakeStream, Recorder } from "./support.ts";

/** A connection of which the system has all bytes already, and gives as many at a time as the test says. */
class ReadableStream extends FakeStream {
  readonly #bytes: Uint8Array;
  readonly #amount: () => number;
  #at = 0;
  #paused = false;
  #ended = false;

  constructor(bytes: Uint8Array, amount: () => number) {
    super();
    this.#bytes = bytes;
    this.#amount = amount;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
  get isHeld(): boolean {
    return this.#paused || this.#ended;
  }
  take(most: number): Uint8Array {
    const piece = new Uint8Array(this.#bytes.subarray(this.#at, this.#at + Math.min(most, this.#amount())));
    this.#at += piece.length;
    return piece;
  }
  readMore(memory: Uint8Array): number {
    if (this.isHeld) return 0;
    const piece = this.take(memory.length);
    memory.set(piece);
    return piece.length;
  }
  override pause(): void {
    this.#paused = true;
  }
  override resume(): void {
    this.#paused = false;
  }
  override end(): void {
    this.#ended = true;
  }
  override destroy(): void {
    this.#ended = true;
  }
}

type Kind = "base64" | "raw" | "text";

/** What a message brought, and whether its bytes are kept or given back as a file's block is. */
interface Taken {
  index: number;
  bytes: Uint8Array;
}

/** Reads as a peer does; keeps what it has read. */
class Reader extends Recorder {
  readonly kept: Taken[] = [];
  readonly seen: number[] = [];
  readonly #content: (index: number) => Uint8Array;
  readonly #after: (index: number) => void;

  constructor(content: (index: number) => Uint8Array, after: (index: number) => void) {
    super();
    this.#content = content;
    this.#after = after;
  }
  longText(bytes: Uint8Array): boolean {
    const message = parseLongMessage(bytes);
    if (message) this.#take(message);
    return message !== undefined;
  }
  bytes(bytes: Uint8Array): void {
    this.#take(parseBinaryMessage(bytes));
  }
  override message(text: string): void {
    const { id, params } = JSON.parse(text) as { id: number; params: { chunk: string } };
    this.#seen(id, Buffer.from(params.chunk, text.includes('"plain"') ? "latin1" : "base64"));
  }
  #take(message: object): void {
    const { id, params } = message as { id: number; params: { chunk: Uint8Array } };
    this.#seen(id, params.chunk);
  }
  #seen(index: number, bytes: Uint8Array): void {
    if (this.closes.length > 0) this.late++;
    this.seen.push(index);
    if (index % 2 === 0) this.kept.push({ index, bytes });
    else {
      expect(Buffer.compare(bytes, this.#content(index))).toBe(0);
      giveBack(bytes);
    }
    this.#after(index);
  }
}

const contentOf = (length: number, index: number): Uint8Array =>
  new Uint8Array(length).map((_, at) => 0x20 + ((at * 7 + index * 13) % 64));

function messageOf(kind: Kind, length: number, index: number): { code: number; payload: Uint8Array } {
  const content = contentOf(length, index);
  const start = `{"id":${index},"method":"m","params":{"handleId":"h","offset":0`;
  if (kind === "raw") {
    return { code: 2, payload: Buffer.concat([binaryHead(`${start}},"raw":"chunk"}`), content]) };
  }
  const chunk = kind === "text" ? JSON.stringify(Buffer.from(content).toString("latin1")) : "";
  const plain = kind === "text" ? `,"kind":"plain","chunk":${chunk}` : `,"chunk":"${content.toBase64()}"`;
  return { code: 1, payload: Buffer.from(`${start}${plain}}}`) };
}

const message = fc.record({
  kind: fc.constantFrom<Kind>("base64", "raw", "text"),
  length: fc.oneof(fc.nat({ max: 200 }), fc.integer({ min: 3000, max: 90_000 }), fc.constant(400_000)),
  /** Of its frames. */
  frames: fc.integer({ min: 1, max: 4 }),
});
const messages = fc.array(message, { minLength: 1, maxLength: 8 });
const amounts = fc.infiniteStream(fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 200_000 })));
type Messages = { kind: Kind; length: number; frames: number }[];

function wire(all: Messages, mask: boolean): Uint8Array {
  const frames: Uint8Array[] = [];
  for (const [index, { kind, length, frames: count }] of all.entries()) {
    const { code, payload } = messageOf(kind, length, index);
    const step = Math.max(1, Math.ceil(payload.length / count));
    for (let at = 0; at < payload.length; at += step) {
      const fin = at + step >= payload.length;
      const part = payload.subarray(at, at + step);
      frames.push(encodeFrame({ fin, opcode: at === 0 ? code : 0, payload: part }, mask));
    }
  }
  return Buffer.concat(frames);
}

function check(reader: Reader, all: Messages): void {
  for (const { index, bytes } of reader.kept) {
    expect(Buffer.compare(bytes, contentOf(all[index]!.length, index))).toBe(0);
  }
  expect(reader.late).toBe(0);
}

function start(
  all: Messages,
  next: () => number,
  role: "client" | "server",
  after: (index: number, stream: ReadableStream, channel: WebsocketChannel) => void,
): { stream: ReadableStream; channel: WebsocketChannel; reader: Reader } {
  const stream = new ReadableStream(wire(all, role === "server"), next);
  const channel = new WebsocketChannel(stream, { role, label: "test", pingIntervalMs: 0 });
  const reader = new Reader(
    (index) => contentOf(all[index]!.length, index),
    (index) => after(index, stream, channel),
  );
  return { stream, channel, reader };
}

describe.each(["server", "client"] as const)("a %s that reads more", (role) => {
  test("gets each message, however it is cut, paused in between; what is kept stays what it was", () => {
    fc.assert(
      fc.property(messages, amounts, fc.nat({ max: 3 }), (all, amounts, pauseAt) => {
        const { stream, channel, reader } = start(
          all,
          () => amounts.next().value,
          role,
          (index, _stream, channel) => {
            if (index % 4 === pauseAt) channel.pause();
          },
        );
        channel.open(reader);
        while (stream.left > 0) {
          if (stream.isHeld) channel.resume();
          channel.streamHandlers.data(stream.take(stream.left));
        }
        expect(reader.seen).toEqual(all.map((_, index) => index));
        check(reader, all);
      }),
      { numRuns: 30 },
    );
  });

  test("hears nothing more once it has closed in the middle", () => {
    fc.assert(
      fc.property(messages, amounts, fc.nat({ max: 7 }), (all, amounts, closeAt) => {
        const { stream, channel, reader } = start(
          all,
          () => amounts.next().value,
          role,
          (index, _stream, channel) => {
            if (index === closeAt) channel.close({ kind: "timeout", message: "enough" });
          },
        );
        channel.open(reader);
        while (stream.left > 0 && !stream.isHeld) channel.streamHandlers.data(stream.take(stream.left));
        expect(reader.seen).toEqual(all.map((_, index) => index).slice(0, closeAt + 1));
        expect(reader.closes.length).toBe(closeAt < all.length ? 1 : 0);
        check(reader, all);
      }),
      { numRuns: 30 },
    );
  });

  test("takes what came before it was opened first, and in order", () => {
    fc.assert(
      fc.property(messages, amounts, fc.integer({ min: 2, max: 4 }), (all, amounts, pieces) => {
        const { stream, channel, reader } = start(
          all,
          () => 1 + amounts.next().value,
          role,
          () => {},
        );
        for (let i = 0; i < pieces && stream.left > 0; i++) {
          channel.streamHandlers.data(stream.take(stream.left));
        }
        channel.open(reader);
        while (stream.left > 0) channel.streamHandlers.data(stream.take(stream.left));
        expect(reader.seen).toEqual(all.map((_, index) => index));
        check(reader, all);
      }),
      { numRuns: 30 },
    );
  });
});
