/** The program's own standard input and output on Bun. */

import type { ByteSink, ByteSource } from "./runtime.ts";
import { StdoutSink } from "./stdout_sink.ts";
import { turnOfOthers } from "./turn.ts";

export function bunStdin(): ByteSource {
  return new BunStdin();
}

/** Standard output (1) or standard error (2). */
export function bunOutput(fd: 1 | 2): ByteSink {
  const writer = Bun.file(fd).writer({ highWaterMark: 1 });
  return new StdoutSink(async (bytes) => {
    await writer.write(bytes);
    await writer.flush();
  });
}

class BunStdin implements ByteSource {
  readonly #reader = Bun.file(0).stream().getReader();
  #done = false;

  async read(): Promise<Uint8Array | null> {
    const turn = turnOfOthers();
    if (turn) await turn;
    if (this.#done) return null;
    const { done, value } = await this.#reader.read().catch(() => ({ done: true, value: undefined }));
    if (!done && value && !this.#done) return value;
    this.cancel();
    return null;
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    this.#reader.cancel().catch(() => {});
  }
}
