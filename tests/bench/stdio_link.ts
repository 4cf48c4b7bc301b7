/** The lean client over the pipes of a server that it has started. */

import { Buffer } from "node:buffer";
import type { Child } from "../../lib/runtime/runtime.ts";
import { Link } from "./link.ts";

const LINE_END = 10;
const lineEnd = Buffer.from("\n");

export class StdioLink extends Link {
  readonly #child: Child;
  #paused: PromiseWithResolvers<void> | undefined;

  constructor(child: Child) {
    super();
    this.#child = child;
    this.#read().catch((error: Error) => this.over(error.message));
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  async close(): Promise<void> {
    this.#child.stdin!.close();
    await this.#child.exited;
  }

  protected encode(parts: readonly Buffer[]): Buffer[] {
    return [...parts, lineEnd];
  }

  protected write(bytes: Buffer): void {
    this.#child.stdin!.write(bytes).catch((error: Error) => this.over(error.message));
  }

  async #read(): Promise<void> {
    let pieces: Buffer[] = [];
    for (;;) {
      await this.#paused?.promise;
      const bytes = await this.#child.stdout.read();
      if (bytes === null) break;
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      let at = 0;
      for (let end = buffer.indexOf(LINE_END); end >= 0; end = buffer.indexOf(LINE_END, at)) {
        const line = buffer.subarray(at, end);
        this.received(pieces.length === 0 ? [line] : [...pieces, line]);
        pieces = [];
        at = end + 1;
      }
      if (at < buffer.length) pieces.push(buffer.subarray(at));
    }
    this.over("The server has ended its output");
  }
}
