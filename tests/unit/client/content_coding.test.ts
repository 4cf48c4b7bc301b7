import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { Gunzip, gzipSync } from "node:zlib";
import { decodeContent } from "../../../lib/client/content_coding.ts";

const gzipped = [{ name: "content-encoding", value: "gzip" }];

/** The bytes in pieces, each when it is asked for. */
function inPieces(bytes: Uint8Array): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = new Uint8Array(bytes.subarray(at, at + 64 * 1024));
      at += piece.length;
      if (piece.length > 0) controller.enqueue(piece);
      else controller.close();
    },
  });
}

/** Much that becomes more, so that the decoder takes no more for a while with nearly every piece. */
const content = Buffer.concat(
  Array.from({ length: 40 }, () => Buffer.concat([randomBytes(64 * 1024), Buffer.alloc(256 * 1024)])),
);

test("a decoder that is waited for again and again collects no listeners", async () => {
  const on = Gunzip.prototype.on;
  let most = 0;
  Gunzip.prototype.on = function (this: Gunzip, ...args: Parameters<typeof on>) {
    const result = on.apply(this, args);
    for (const name of ["close", "error", "drain"]) most = Math.max(most, this.listenerCount(name));
    return result;
  } as typeof on;
  try {
    const { body } = decodeContent(inPieces(gzipSync(content)), gzipped);
    expect(Buffer.from(await new Response(body).arrayBuffer()).equals(content)).toBe(true);
  } finally {
    Gunzip.prototype.on = on;
  }
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(6);
});

test("what cannot be decoded is told as such, also where the decoder is waited for", async () => {
  const bytes = gzipSync(content);
  bytes.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 200_000);
  const { body } = decodeContent(inPieces(bytes), gzipped);
  const failure: unknown = await new Response(body).arrayBuffer().catch((error) => error);
  expect(failure).toMatchObject({ name: "TypeError", code: "ERR_HTTP_BODY" });
});
