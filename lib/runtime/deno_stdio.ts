/** The program's own standard input and output on Deno. */

import type { ByteSink, ByteSource } from "./runtime.ts";
import { StdoutSink } from "./stdout_sink.ts";

const READ_BYTES = 256 * 1024;

export function denoStdin(): ByteSource {
  return new DenoStdin();
}

/** Standard output (1) or standard error (2). */
export function denoOutput(fd: 1 | 2): ByteSink {
  const file = fd === 1 ? Deno.stdout : Deno.stderr;
  return new StdoutSink(async (bytes) => {
    for (let at = 0; at < bytes.length; ) at += await file.write(bytes.subarray(at));
  });
}

class DenoStdin implements ByteSource {
  readonly #buffer = new Uint8Array(READ_BYTES);
  #done = false;

  async read(): Promise<Uint8Array | null> {
    if (this.#done) return null;
    // Closing it ends a pending read with an error.
    const count = await Deno.stdin.read(this.#buffer).catch(() => null);
    if (this.#done) return null;
    if (count) return this.#buffer.slice(0, count);
    this.cancel();
    return null;
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    Deno.stdin.close();
  }
}
