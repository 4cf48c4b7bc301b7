/** Bodies that were compressed for the way. */

import { once } from "node:events";
import { type Duplex, Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { HttpHeader } from "../protocol/http.ts";

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

const decoders: Readonly<Record<string, () => Duplex>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** The body as it was before it was coded, without the headers that are wrong now. One in an unknown coding stays. */
export function decodeContent(body: Bytes, headers: HttpHeader[]): { body: Bytes; headers: HttpHeader[] } {
  const codings = headers
    .filter(({ name }) => name === "content-encoding")
    .flatMap(({ value }) => value.split(","))
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  if (codings.length === 0 || codings.some((coding) => !Object.hasOwn(decoders, coding)))
    return { body, headers };
  return {
    body: codings.reduceRight((stream, coding) => through(stream, decoders[coding]!()), body),
    headers: headers.filter(({ name }) => name !== "content-encoding" && name !== "content-length"),
  };
}

function through(source: Bytes, decoder: Duplex): Bytes {
  const reader = source.getReader();
  const feed = async (): Promise<void> => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      if (!decoder.write(value)) await Promise.race([once(decoder, "drain"), once(decoder, "close")]);
      if (decoder.destroyed) return;
    }
    decoder.end();
  };
  feed().catch((error) => decoder.destroy(error));
  // Whoever gives the decoded body up gives up the body.
  decoder.on("close", () => void reader.cancel().catch(() => {}));
  return Readable.toWeb(decoder) as unknown as Bytes;
}
