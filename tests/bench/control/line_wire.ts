/** The control over its own stdin and stdout. */

import { Buffer } from "node:buffer";
import { OutputQueue } from "../output_queue.ts";
import { Responder } from "./responder.ts";

const LINE_END = 10;

export async function serveLines(): Promise<void> {
  const sink = Bun.stdout.writer();
  let busy = false;
  const queue = new OutputQueue((bytes) => {
    if (busy) return 0;
    sink.write(bytes);
    const flushed = sink.flush();
    if (flushed instanceof Promise) {
      busy = true;
      flushed.then(() => {
        busy = false;
        queue.drain();
        responder.flush();
      });
    }
    return bytes.length;
  });
  const responder = new Responder((text) => Buffer.from(`${text}\n`, "latin1"), queue);
  let pieces: Buffer[] = [];
  for await (const bytes of Bun.stdin.stream()) {
    const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    for (let end = input.indexOf(LINE_END); end >= 0; end = input.indexOf(LINE_END, at)) {
      const line = input.subarray(at, end);
      responder.received(pieces.length === 0 ? line : Buffer.concat([...pieces, line]));
      pieces = [];
      at = end + 1;
    }
    if (at < input.length) pieces.push(input.subarray(at));
    responder.flush();
  }
  process.exit(0);
}
