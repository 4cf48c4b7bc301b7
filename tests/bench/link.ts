/**
 * A client that does as little as possible, so that it is the server that is measured: it knows nothing of lib/, looks
 * at the length of a chunk in place of decoding it, and puts what is sent in one turn into one write.
 */

import { Buffer } from "node:buffer";
import { type BenchProcess, type ProcessOptions, startProcess } from "./bench_process.ts";
import { Flood } from "./flood.ts";
import { joined, lengthOf } from "./frames.ts";

/** A message as it came, but for the text of a chunk. */
// biome-ignore lint/suspicious/noExplicitAny: a client that checks nothing
export type Json = any;

/** What a process tells. */
export interface ProcessEvents {
  output(bytes: number): void;
  exited(): void;
  closed(): void;
}

/** A result, with the number of bytes of the long string in it, which itself is left out. */
export interface Answer {
  result: Json;
  bytes: number;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** Strings that can be long: where they begin. The shortest message with one that is worth the search. */
const longStrings = ['"chunk":"', '"dataBase64":"', '"deltaBase64":"', '"bodyBase64":"'].map((text) =>
  Buffer.from(text),
);
const LONG_MESSAGE = 512;
/** Longer ones are looked at at both ends only, of so many bytes each. */
const SKIMMED_MESSAGE = 65_536;
const END_BYTES = 1024;
const QUOTE = 0x22;
/** What comes before the head of a binary message. */
const RAW_PREFIX = 5;
/** Pieces up to this are put together for one write; longer ones are written as they are. */
const ONE_WRITE = 65_536;
const end = Buffer.from('"}}');

export abstract class Link {
  readonly processes = new Map<string, ProcessEvents>();
  /** Gets the notifications that are not about a process, and the number of bytes of the long string in them. */
  onNotification: ((method: string, params: Json, bytes: number) => void) | undefined;
  /** Settles when the connection is gone. */
  readonly gone: Promise<void>;
  readonly #gone = Promise.withResolvers<void>();
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #lastProcess = 0;
  #outgoing: Buffer[] = [];
  #flood: Flood | undefined;
  #ended: Error | undefined;

  constructor() {
    this.gone = this.#gone.promise;
  }

  /** Puts a message into the form of the wire, without copying it. */
  protected abstract encode(parts: readonly Buffer[]): Buffer[];
  /** The same for a message that is not text; only over websocket. */
  protected encodeBinary(_parts: readonly Buffer[]): Buffer[] {
    throw new Error("This connection has no binary messages");
  }
  /** With what every byte of a message is XORed. */
  protected get mask(): number {
    return 0;
  }
  protected abstract write(bytes: Buffer): void;
  /** Reads no more until `resume()`. */
  abstract pause(): void;
  abstract resume(): void;
  abstract close(): Promise<void>;

  async initialize(): Promise<this> {
    await this.call("initialize", { clientName: "bench", resumeSessionId: null });
    this.#send([Buffer.from('{"method":"initialized","params":{}}')]);
    return this;
  }

  /** Sends a request; resolves with its result, in which a long string can be missing. */
  async call(method: string, params: unknown): Promise<Json> {
    return (await this.ask(method, params)).result;
  }

  /** Sends a request whose answer may be long. */
  ask(method: string, params: unknown): Promise<Answer> {
    return this.#request((id) => [
      Buffer.from(`{"id":${id},"method":"${method}","params":${JSON.stringify(params)}}`),
    ]);
  }

  /** Sends a request with a long string, which is base64 and ready to be sent, as the last of its parameters. */
  askWith(method: string, params: object, key: string, base64: Buffer): Promise<Answer> {
    const start = JSON.stringify(params).slice(0, -1);
    return this.#request((id) => [
      Buffer.from(`{"id":${id},"method":"${method}","params":${start},"${key}":"`),
      base64,
      end,
    ]);
  }

  /** Sends a request with bytes as they are, which stand for one of its parameters. */
  askRaw(method: string, params: object, key: string, bytes: Buffer): Promise<Answer> {
    return this.#request((id) => {
      const text = `{"id":${id},"method":"${method}","params":${JSON.stringify(params)},"raw":"${key}"}`;
      const head = Buffer.from("\0".repeat(RAW_PREFIX) + text);
      head.writeUInt32BE(head.length - RAW_PREFIX, 1);
      return [head, bytes];
    }, true);
  }

  /** Sends so many small requests, `width` of them on the way at a time, of whose answers nothing is wanted. */
  async flood(options: { method: string; params: unknown; count: number; width: number }): Promise<void> {
    if (this.#ended) throw this.#ended;
    this.#flood = new Flood(
      options,
      (parts) => joined(this.encode(parts)),
      this.mask,
      (bytes) => this.write(bytes),
    );
    await this.#flood.done;
    this.#flood = undefined;
  }

  #request(message: (id: number) => Buffer[], binary = false): Promise<Answer> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, { resolve, reject });
    this.#send(message(id), binary);
    return promise;
  }

  /** Starts a process; resolves once the server has answered. */
  async start(argv: readonly string[], options: ProcessOptions = {}): Promise<BenchProcess> {
    return await startProcess(this, `p${++this.#lastProcess}`, argv, options);
  }

  #send(parts: readonly Buffer[], binary = false): void {
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#flush());
    this.#outgoing.push(...(binary ? this.encodeBinary(parts) : this.encode(parts)));
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    if (this.#ended) return;
    let small: Buffer[] = [];
    const writeSmall = (): void => {
      if (small.length > 0) this.write(joined(small));
      small = [];
    };
    for (const piece of outgoing) {
      if (piece.length < ONE_WRITE) {
        small.push(piece);
      } else {
        writeSmall();
        this.write(piece);
      }
    }
    writeSmall();
  }

  /** A whole binary message has come: a head as text, then the bytes of one member of its result. */
  protected receivedBinary(pieces: readonly Buffer[]): void {
    const message = beginning(pieces, END_BYTES);
    const end = RAW_PREFIX + message.readUInt32BE(1);
    const { id, result } = JSON.parse(message.toString("latin1", RAW_PREFIX, end));
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve({ result, bytes: lengthOf(pieces) - end });
  }

  /** Whether the text that begins there is dealt with, without a look at its end. */
  protected skim(bytes: Buffer, at: number): boolean {
    return this.#flood?.take(bytes, at) ?? false;
  }

  /** Whether a message that begins so is a long string for the most part, of which only the length is of interest. */
  protected isMostlyBytes(first: Buffer): boolean {
    const key = longKey(first);
    return key !== undefined && first.length > END_BYTES && first.indexOf(QUOTE, key.at + key.length) < 0;
  }

  /** A whole message has come. */
  protected received(pieces: readonly Buffer[]): void {
    if (this.#flood?.take(joined(pieces), 0)) return;
    const { message, bytes } = parse(pieces);
    const { id, method, params } = message;
    if (method === undefined) {
      if (this.#flood && message.error) this.#flood.fail(new Error(message.error.message));
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (message.error) waiting?.reject(new Error(`${message.error.code} ${message.error.message}`));
      else waiting?.resolve({ result: message.result, bytes });
      return;
    }
    const process = this.processes.get(params?.processId);
    if (method === "process/output") process?.output(bytes);
    else if (method === "process/exited") process?.exited();
    else if (method === "process/closed") process?.closed();
    else this.onNotification?.(method, params, bytes);
  }

  /** The connection is over. */
  protected over(why: string): void {
    if (this.#ended) return;
    this.#ended = new Error(why);
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
    this.#flood?.fail(this.#ended);
    this.#gone.resolve();
  }
}

/** Parses a message without the long string in it, of which only the number of bytes is wanted. */
export function parse(pieces: readonly Buffer[]): { message: Json; bytes: number } {
  const { text, omitted } = skimmed(pieces);
  if (text.length >= LONG_MESSAGE) {
    const key = longKey(text);
    if (key) {
      const from = key.at + key.length;
      const to = text.indexOf(QUOTE, from);
      const rest = text.toString("latin1", 0, from) + text.toString("latin1", to);
      return { message: JSON.parse(rest), bytes: decodedLength(text, from, to, omitted) };
    }
  }
  const message = JSON.parse(text.toString());
  const { chunk, dataBase64 = chunk, deltaBase64 = dataBase64 } = message.params ?? message.result ?? {};
  return { message, bytes: typeof deltaBase64 === "string" ? Buffer.byteLength(deltaBase64, "base64") : 0 };
}

/** Both ends of a message with a very long string, which goes from the one to the other; else the whole. */
function skimmed(pieces: readonly Buffer[]): { text: Buffer; omitted: number } {
  const length = lengthOf(pieces);
  if (length > SKIMMED_MESSAGE) {
    const first = beginning(pieces, END_BYTES).subarray(0, END_BYTES);
    const last = ending(pieces, END_BYTES).subarray(-END_BYTES);
    const key = longKey(first);
    if (key && first.indexOf(QUOTE, key.at + key.length) < 0 && last.includes(QUOTE)) {
      return { text: Buffer.concat([first, last]), omitted: length - 2 * END_BYTES };
    }
  }
  return { text: joined(pieces), omitted: 0 };
}

function longKey(text: Buffer): { at: number; length: number } | undefined {
  const near = text.subarray(0, END_BYTES);
  for (const key of longStrings) {
    const at = near.indexOf(key);
    if (at >= 0) return { at, length: key.length };
  }
  return undefined;
}

/** Pieces from the beginning, so many that they have this length where there is as much. */
function beginning(pieces: readonly Buffer[], length: number): Buffer {
  let count = 1;
  for (let have = pieces[0]!.length; have < length && count < pieces.length; count++) {
    have += pieces[count]!.length;
  }
  return joined(pieces.slice(0, count));
}

/** The same from the end. */
function ending(pieces: readonly Buffer[], length: number): Buffer {
  let from = pieces.length - 1;
  for (let have = pieces[from]!.length; have < length && from > 0; have += pieces[from]!.length) from--;
  return joined(pieces.slice(from));
}

function decodedLength(bytes: Buffer, from: number, to: number, omitted: number): number {
  const padding = bytes[to - 1] !== 0x3d ? 0 : bytes[to - 2] !== 0x3d ? 1 : 2;
  return ((to - from + omitted) / 4) * 3 - padding;
}
