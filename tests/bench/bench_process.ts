/** A process on the server, of whose output only the length is of interest. */

import type { Buffer } from "node:buffer";
import type { Link } from "./link.ts";

export interface ProcessOptions {
  terminal?: boolean;
  stdin?: boolean;
  /** Variables besides `PATH`. The control is told by `BYTES` what to write, and by `TAKES` what to take. */
  env?: Record<string, string>;
  /** A confinement. */
  sandbox?: object;
}

/** Everything that is awaited ends with the connection or with the deadline of the case. */
export class BenchProcess {
  readonly id: string;
  /** Bytes of output so far. */
  bytes = 0;
  /** When it was told to have exited, by `performance.now()`. */
  exitedAt = 0;
  readonly #link: Link;
  readonly #closed = Promise.withResolvers<void>();
  #isClosed = false;
  #wanted: { bytes: number; resolve(): void; reject(error: Error): void } | undefined;
  #writes = 0;

  constructor(link: Link, id: string) {
    this.#link = link;
    this.id = id;
    link.processes.set(id, {
      output: (bytes) => {
        this.bytes += bytes;
        if (this.#wanted && this.bytes >= this.#wanted.bytes) this.#wanted.resolve();
      },
      exited: () => {
        this.exitedAt = performance.now();
      },
      closed: () => {
        this.#isClosed = true;
        link.processes.delete(id);
        this.#closed.resolve();
        this.#wanted?.reject(new Error(`"${id}" has closed after ${this.bytes} bytes of output`));
      },
    });
  }

  /** Waits until the output has so many bytes. */
  async until(bytes: number): Promise<void> {
    if (this.bytes >= bytes) return;
    if (this.#isClosed) throw new Error(`"${this.id}" has closed after ${this.bytes} bytes of output`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#wanted = { bytes, resolve, reject };
    await promise;
    this.#wanted = undefined;
  }

  /** Waits for its end. With a number, the output must have had so many bytes. */
  async closed(bytes?: number): Promise<void> {
    await Promise.race([this.#closed.promise, this.#link.gone]);
    if (!this.#isClosed) throw new Error(`The connection ended before "${this.id}" closed`);
    if (bytes !== undefined && this.bytes !== bytes)
      throw new Error(`"${this.id}" has written ${bytes} bytes, but ${this.bytes} have come`);
  }

  /** Writes base64 text to it. */
  write(chunk: Buffer): Promise<unknown> {
    const params = { processId: this.id, writeId: `${++this.#writes}` };
    return this.#link.askWith("process/write", params, "chunk", chunk);
  }

  terminate(): Promise<unknown> {
    return this.#link.call("process/terminate", { processId: this.id });
  }
}

export async function startProcess(
  link: Link,
  id: string,
  argv: readonly string[],
  { terminal = false, stdin = false, env = {}, sandbox }: ProcessOptions,
): Promise<BenchProcess> {
  const process = new BenchProcess(link, id);
  await link.call("process/start", {
    processId: id,
    argv,
    cwd: "file:///",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...env },
    tty: terminal,
    pipeStdin: stdin,
    arg0: null,
    ...(sandbox && { sandbox }),
  });
  return process;
}
