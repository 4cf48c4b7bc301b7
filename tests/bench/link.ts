/**
 * A client that does as little as possible, so that it is the server that is measured: it knows nothing of lib/, looks
 * at the length of a chunk in place of decoding it, and puts what is sent in one turn into one write.
 */

import { Buffer } from "node:buffer";
import { type BenchProcess, type ProcessOptions, startProcess } from "./bench_process.ts";

/** A message as it came, but for the text of a chunk. */
// biome-ignore lint/suspicious/noExplicitAny: a client that checks nothing
export type Json = any;

/** What a process tells. */
export interface ProcessEvents {
  output(bytes: number): void;
  exited(): void;
  closed(): void;
}

interface Waiting {
  resolve(result: Json): void;
  reject(error: Error): void;
}

/** Strings that can be long: where they begin. The shortest message with one that is worth the search. */
const longStrings = ['"chunk":"', '"dataBase64":"'].map((text) => Buffer.from(text));
const LONG_MESSAGE = 512;
const QUOTE = 0x22;

export abstract class Link {
  readonly processes = new Map<string, ProcessEvents>();
  /** Settles when the connection is gone. */
  readonly gone: Promise<void>;
  readonly #gone = Promise.withResolvers<void>();
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #lastProcess = 0;
  #outgoing: Buffer[] = [];
  #ended: Error | undefined;

  constructor() {
    this.gone = this.#gone.promise;
  }

  /** Puts a text into the form of the wire. */
  protected abstract encode(text: string): Buffer;
  protected abstract write(bytes: Buffer): void;
  /** Reads no more until `resume()`. */
  abstract pause(): void;
  abstract resume(): void;
  abstract close(): Promise<void>;

  async initialize(): Promise<this> {
    await this.call("initialize", { clientName: "bench", resumeSessionId: null });
    this.#send('{"method":"initialized","params":{}}');
    return this;
  }

  /** Sends a request; resolves with its result. */
  call(method: string, params: unknown): Promise<Json> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Json>();
    this.#waiting.set(id, { resolve, reject });
    this.#send(`{"id":${id},"method":"${method}","params":${JSON.stringify(params)}}`);
    return promise;
  }

  /** Starts a process; resolves once the server has answered. */
  async start(argv: readonly string[], options: ProcessOptions = {}): Promise<BenchProcess> {
    return await startProcess(this, `p${++this.#lastProcess}`, argv, options);
  }

  #send(text: string): void {
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#flush());
    this.#outgoing.push(this.encode(text));
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    if (!this.#ended) this.write(outgoing.length === 1 ? outgoing[0]! : Buffer.concat(outgoing));
  }

  /** A whole message has come. */
  protected received(bytes: Buffer): void {
    const { message, chunkBytes } = parse(bytes);
    const { id, method, params } = message;
    if (method === undefined) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (message.error) waiting?.reject(new Error(`${message.error.code} ${message.error.message}`));
      else waiting?.resolve(message.result);
      return;
    }
    const process = this.processes.get(params?.processId);
    if (method === "process/output") process?.output(chunkBytes);
    else if (method === "process/exited") process?.exited();
    else if (method === "process/closed") process?.closed();
  }

  /** The connection is over. */
  protected over(why: string): void {
    if (this.#ended) return;
    this.#ended = new Error(why);
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
    this.#gone.resolve();
  }
}

/** Parses a message without the long string in it, of which only the number of bytes is wanted. */
function parse(bytes: Buffer): { message: Json; chunkBytes: number } {
  if (bytes.length >= LONG_MESSAGE) {
    for (const key of longStrings) {
      const at = bytes.indexOf(key);
      if (at < 0) continue;
      const from = at + key.length;
      const to = bytes.indexOf(QUOTE, from);
      const rest = bytes.toString("latin1", 0, from) + bytes.toString("latin1", to);
      return { message: JSON.parse(rest), chunkBytes: decodedLength(bytes, from, to) };
    }
  }
  const message = JSON.parse(bytes.toString());
  const chunk: string | undefined = message.params?.chunk;
  return { message, chunkBytes: chunk === undefined ? 0 : Buffer.byteLength(chunk, "base64") };
}

function decodedLength(bytes: Buffer, from: number, to: number): number {
  const padding = bytes[to - 1] !== 0x3d ? 0 : bytes[to - 2] !== 0x3d ? 1 : 2;
  return ((to - from) / 4) * 3 - padding;
}
