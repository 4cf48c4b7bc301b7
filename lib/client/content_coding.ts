/** Bodies that were compressed for the way. */

import { type Duplex, Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib";
import { ExecServerError } from "../protocol/errors.ts";
import type { HttpHeader } from "../protocol/http.ts";
import { toBodyError } from "./http_body.ts";

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** By the first bytes of the body. */
const decoders: Readonly<Record<string, (first: Uint8Array) => Duplex>> = {
  gzip: () => createGunzip(),
  "x-gzip": () => createGunzip(),
  // Some send it without the header of zlib, whose first byte says 8 for the method.
  deflate: ([first]) => ((first! & 0x0f) === 8 ? createInflate() : createInflateRaw()),
  br: () => createBrotliDecompress(),
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
    body: codings.reduceRight((stream, coding) => through(stream, coding), body),
    headers: headers.filter(({ name }) => name !== "content-encoding" && name !== "content-length"),
  };
}

function through(source: Bytes, coding: string): Bytes {
  const reader = source.getReader();
  const decoded = Readable.from(decode(reader, decoders[coding]!), { objectMode: false });
  // Whoever gives the decoded body up gives up the body.
  decoded.on("close", () => void reader.cancel().catch(() => {}));
  return Readable.toWeb(decoded) as unknown as Bytes;
}

async function* decode(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  decoderOf: (first: Uint8Array) => Duplex,
): AsyncGenerator<Uint8Array> {
  const first = await reader.read();
  // Nothing at all is nothing in every coding.
  if (first.done) return;
  const decoder = decoderOf(first.value);
  let lost: { reason: unknown } | undefined;
  const feed = async (): Promise<void> => {
    for (let bytes: Uint8Array | undefined = first.value; bytes; bytes = (await reader.read()).value) {
      if (!decoder.write(bytes)) await takesMore(decoder);
      if (decoder.destroyed) return;
    }
    decoder.end();
  };
  feed().catch((reason) => {
    lost = { reason };
    decoder.destroy(reason instanceof Error ? reason : new Error("The body was given up"));
  });
  try {
    yield* decoder;
  } catch (error) {
    if (lost) throw lost.reason;
    throw toBodyError(
      new ExecServerError("ERR_HTTP_BODY", `The body cannot be decoded: ${(error as Error).message}`, {
        cause: error,
      }),
    );
  }
}

/** Settles when the decoder wants more, or is gone. `once` would leave a listener behind for each time. */
function takesMore(decoder: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      decoder.off("drain", done);
      decoder.off("close", done);
      resolve();
    };
    decoder.on("drain", done);
    decoder.on("close", done);
  });
}
