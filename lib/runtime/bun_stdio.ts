/** The program's own standard input and output on Bun. */

import { busyPoll } from "./bun_process.ts";
import type { Polled } from "./busy_poll.ts";
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
    if (fd === 1) busyPoll.sent(bytes.length, waitForStdin);
    await writer.write(bytes);
    await writer.flush();
  });
}

/** By the event loop alone: Bun reads ahead. */
const waitForStdin: Polled = { poll: () => false };

class BunStdin implements ByteSource {
  readonly #reader = Bun.file(0).stream().getReader();
  #lastBytes = 0;
  #done = false;

  async read(): Promise<Uint8Array | null> {
    const turn = turnOfOthers();
    if (turn) await turn;
    if (this.#done) return null;
    if (this.#lastBytes > 0) busyPoll.came(this.#lastBytes, waitForStdin);
    const { done, value } = await this.#reader.read().catch(() => ({ done: true, value: undefined }));
    if (!done && value && !this.#done) {
      this.#lastBytes = value.length;
      return value;
    }
    this.cancel();
    return null;
  }

  cancel(): void {
    if (this.#done) return;
    this.#done = true;
    this.#reader.cancel().catch(() => {});
  }
}
