/** One connection over many requests, on a stream that does what it is told to. */

import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Cancellation } from "../../../lib/http/cancellation.ts";
import { HttpFailure } from "../../../lib/http/failure.ts";
import { type Answer, OriginConnection, StaleConnection } from "../../../lib/http/origin_connection.ts";
import type { ByteStream } from "../../../lib/runtime/runtime.ts";

class FakeStream implements ByteStream {
  readonly localAddress = "";
  readonly remoteAddress = "";
  readonly remotePort = 0;
  written = "";
  pendingBytes = 0;
  paused = false;
  awake = true;
  ended: "no" | "in order" | "at once" = "no";
  onClose: (() => void) | undefined;

  write(bytes: Uint8Array): void {
    this.written += Buffer.from(bytes).toString("latin1");
  }
  writeBorrowed(bytes: Uint8Array): void {
    this.write(bytes);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  keepAwake(awake: boolean): void {
    this.awake = awake;
  }
  end(): void {
    if (this.ended === "no") this.ended = "in order";
  }
  destroy(): void {
    if (this.ended === "at once") return;
    this.ended = "at once";
    this.onClose?.();
  }
}

function setUp() {
  const stream = new FakeStream();
  const connection = new OriginConnection(stream);
  let free = 0;
  connection.onFree = () => void free++;
  stream.onClose = () => connection.close();
  const cancellation = new Cancellation();
  const ask = (method = "GET", isLast = false): Promise<Answer> =>
    connection.ask({ method, head: `${method} / HTTP/1.1\r\n\r\n`, body: undefined, isLast }, cancellation);
  const say = (text: string): void => connection.data(Uint8Array.from(Buffer.from(text, "latin1")));
  return { stream, connection, ask, say, cancellation, free: () => free };
}

async function bodyOf(answer: Answer): Promise<string> {
  let text = "";
  for (let piece = await answer.body.read(); piece; piece = await answer.body.read()) {
    text += Buffer.from(piece).toString("latin1");
  }
  return text;
}

const two = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("a connection", () => {
  test("gives each request its own answer, however the bytes are cut", async () => {
    const answers = fc.array(
      fc.tuple(fc.string({ unit: fc.constantFrom("a", "\r", "\n", "0") }), fc.boolean()),
      {
        minLength: 1,
        maxLength: 5,
      },
    );
    const property = fc.asyncProperty(
      answers,
      fc.array(fc.nat(), { maxLength: 9 }),
      async (answers, places) => {
        const { ask, say, free } = setUp();
        for (const [body, isChunked] of answers) {
          const asked = ask();
          const text = isChunked
            ? `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body && `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`
            : `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
          const ends = places.map((place) => place % text.length).sort((a, b) => a - b);
          for (const [i, end] of [...ends, text.length].entries()) say(text.slice(ends[i - 1] ?? 0, end));
          expect(await bodyOf(await asked)).toBe(body);
        }
        expect(free()).toBe(answers.length);
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  test("is not used again after anything odd", async () => {
    const odd: [string, (set: ReturnType<typeof setUp>) => void, string][] = [
      ["more than was said", ({ say }) => say(`${two}HTTP/1.1 200 OK\r\n`), "in order"],
      ["a farewell", ({ say }) => say(two.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")), "in order"],
      [
        "a request on its way",
        ({ say, stream }) => {
          stream.pendingBytes = 1;
          say(two);
        },
        "in order",
      ],
      [
        "an answer behind the answer",
        ({ say }) => {
          say(two);
          say(two);
        },
        "at once",
      ],
    ];
    for (const [what, go, ended] of odd) {
      const set = setUp();
      const asked = set.ask();
      go(set);
      expect([what, await bodyOf(await asked), set.stream.ended, set.connection.isOver]).toEqual([
        ...[what, "ok", ended],
        true,
      ]);
      const again = await set.ask().catch((error) => error);
      expect(again).toBeInstanceOf(StaleConnection);
      expect(set.stream.written).toBe("GET / HTTP/1.1\r\n\r\n");
    }
    const last = setUp();
    const asked = last.ask("GET", true);
    last.say(two);
    await asked;
    expect([last.free(), last.connection.isOver]).toEqual([0, true]);
  });

  test("that is closed before an answer is stale only when it was used before, and nothing came", async () => {
    const failureOf = async (before: string, said: string): Promise<[boolean, string]> => {
      const { ask, say, connection } = setUp();
      if (before !== "") {
        const first = ask();
        say(before);
        await first;
      }
      const asked = ask("POST").catch((error) => error);
      if (said !== "") say(said);
      connection.close();
      const error: HttpFailure = await asked;
      expect([error.kind, error instanceof HttpFailure]).toEqual(["protocol", true]);
      return [error instanceof StaleConnection, error.message];
    };
    expect((await failureOf("", ""))[0]).toBe(false);
    expect((await failureOf(two, ""))[0]).toBe(true);
    expect(await failureOf(two, "H")).toEqual([
      false,
      "the connection was closed before the head of the answer was whole",
    ]);
    expect((await failureOf(two, "HTTP/1.1 100 Continue\r\n\r\n"))[0]).toBe(false);
    expect((await failureOf(two, "junk\r\n\r\n"))[0]).toBe(false);
  });

  test("that ends with an error has cut a body that goes to its end", async () => {
    for (const error of [undefined, new Error("reset")]) {
      const { ask, say, connection } = setUp();
      const asked = ask();
      say("HTTP/1.1 200 OK\r\n\r\nabc");
      connection.close(error);
      const body = bodyOf(await asked).catch((failure) => failure.message);
      expect(await body).toBe(error ? "the connection ended after 3 bytes" : "abc");
    }
  });

  test("delivers what came before a failure", async () => {
    const { ask, say, stream } = setUp();
    const asked = ask();
    say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
    const { body } = await asked;
    expect(Buffer.from((await body.read())!).toString()).toBe("abc");
    expect((await body.read().catch((error) => error)).message).toContain("a chunk has no size");
    expect(stream.ended).toBe("at once");
  });

  test("is closed by whoever gives up, and only then", async () => {
    const waiting = setUp();
    const asked = waiting.ask().catch((error) => error);
    const reason = new HttpFailure("timeout", "late");
    waiting.cancellation.cancel(reason);
    expect(await asked).toBe(reason);
    expect(waiting.stream.ended).toBe("at once");

    // A body that is over has nothing to do with the connection any more.
    const { ask, say, stream, connection, cancellation } = setUp();
    const first = ask();
    say(two);
    const { body } = await first;
    const second = ask();
    body.destroy(reason);
    body.drop();
    expect([stream.ended, connection.isOver]).toEqual(["no", false]);
    say(two);
    expect(await bodyOf(await second)).toBe("ok");
    cancellation.cancel(reason);
    expect(stream.ended).toBe("no");
  });

  test("lets the program end while it is free, and not while a request is on its way", async () => {
    const { ask, say, stream } = setUp();
    for (let i = 0; i < 2; i++) {
      const asked = ask();
      expect(stream.awake).toBe(true);
      say(two);
      await asked;
      expect(stream.awake).toBe(false);
    }
  });

  test("holds the origin back while nobody reads, and is not paused for the next request", async () => {
    const { ask, say, stream } = setUp();
    const size = 700_000;
    const asked = ask();
    say(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
    const { body } = await asked;
    say("x".repeat(size - 1));
    expect(stream.paused).toBe(true);
    expect((await body.read())!.length).toBe(size - 1);
    expect(stream.paused).toBe(false);
    say("x");

    const next = ask();
    say(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${"x".repeat(size)}`);
    expect(stream.paused).toBe(false);
    expect((await bodyOf(await next)).length).toBe(size);
  });
});
