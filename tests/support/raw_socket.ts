/** A TCP connection for what no client library does: handshakes and frames by hand. */

import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { within } from "./deadline.ts";

/** One frame as it came. */
export interface RawFrame {
  fin: boolean;
  opcode: number;
  masked: boolean;
  payload: Buffer;
}

/** A frame to be sent; by default a whole, masked text. */
export interface FrameOptions {
  fin?: boolean;
  opcode?: number;
  masked?: boolean;
  /** The reserved bits, 0 to 7. */
  reserved?: number;
}

export const upgradeHeaders: Readonly<Record<string, string>> = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

const DEADLINE_MS = 8000;

export class RawSocket {
  #bytes: Buffer = Buffer.alloc(0);
  #pieces: Buffer[] = [];
  #ended = false;
  #asked = 0;
  #wake: (() => void) | undefined;
  readonly socket: Socket;
  /** Settles when the connection is gone. */
  readonly gone: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      this.#pieces.push(bytes as Buffer);
      this.#wake?.();
    });
    socket.on("error", () => {});
    this.gone = new Promise((resolve) => {
      const end = (): void => {
        this.#ended = true;
        this.#wake?.();
        resolve();
      };
      socket.on("end", end);
      socket.on("close", end);
    });
  }

  static async connect(port: number, host = "127.0.0.1"): Promise<RawSocket> {
    const socket = connect({ port, host });
    const raw = new RawSocket(socket);
    await within(
      DEADLINE_MS,
      "connection",
      new Promise((resolve, reject) =>
        socket.once("connect", () => resolve(undefined)).once("error", reject),
      ),
    );
    return raw;
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  close(): void {
    this.socket.destroy();
  }

  /** Sends a head and reads the answer: its status, its headers in lower case, and its body. */
  async http(
    start: string,
    headers: readonly (readonly [string, string])[] | Record<string, string>,
  ): Promise<{ status: number; headers: Record<string, string>; body: string }> {
    const lines = (Array.isArray(headers) ? headers : Object.entries(headers)).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    this.write(`${start} HTTP/1.1\r\n${lines.join("")}\r\n`);
    return await this.response(start.startsWith("HEAD"));
  }

  /** Reads one answer. */
  async response(isHead = false): Promise<{ status: number; headers: Record<string, string>; body: string }> {
    const end = await this.#find("\r\n\r\n");
    const [first, ...rest] = this.#take(end + 4)
      .toString("latin1")
      .trimEnd()
      .split("\r\n");
    const found = Object.fromEntries(
      rest.map((line) => [
        line.slice(0, line.indexOf(":")).toLowerCase(),
        line.slice(line.indexOf(":") + 1).trim(),
      ]),
    );
    const length = isHead ? 0 : Number(found["content-length"] ?? 0);
    await this.#have(length);
    return { status: Number(first!.split(" ")[1]), headers: found, body: this.#take(length).toString() };
  }

  /** Turns the connection into a websocket. */
  async upgrade(headers: Record<string, string> = {}): Promise<this> {
    const answer = await this.http("GET /", { Host: "127.0.0.1", ...upgradeHeaders, ...headers });
    if (answer.status !== 101) throw new Error(`The upgrade was refused: ${answer.status} ${answer.body}`);
    return this;
  }

  frame(payload: string | Uint8Array, options: FrameOptions = {}): void {
    this.write(encodeFrame(payload, options));
  }

  /** The next frame; undefined when the connection has ended. */
  async next(ms = DEADLINE_MS): Promise<RawFrame | undefined> {
    if (!(await this.#have(2, ms))) return undefined;
    const [first, second] = [this.#bytes[0]!, this.#bytes[1]!];
    const short = second & 0x7f;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    await this.#have(2 + extra, ms);
    const length =
      extra === 0
        ? short
        : extra === 2
          ? this.#bytes.readUInt16BE(2)
          : Number(this.#bytes.readBigUInt64BE(2));
    if (!(await this.#have(2 + extra + length, ms))) return undefined;
    const frame = this.#take(2 + extra + length);
    return {
      fin: (first & 0x80) !== 0,
      opcode: first & 0x0f,
      masked: (second & 0x80) !== 0,
      payload: Buffer.from(frame.subarray(2 + extra)),
    };
  }

  /** The next message that is no ping, as JSON; undefined when the connection has ended. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like
  async nextJson(ms = DEADLINE_MS): Promise<any> {
    for (;;) {
      const frame = await this.next(ms);
      if (!frame || frame.opcode === 8) return undefined;
      if (frame.opcode === 1) return JSON.parse(frame.payload.toString());
    }
  }

  /** Sends a request; its id, 1 for the first and one more for each, comes back. */
  ask(method: string, params: object): number {
    this.frame(JSON.stringify({ id: ++this.#asked, method, params }));
    return this.#asked;
  }

  /** The handshake; the id of the session. */
  async initialize(): Promise<string> {
    this.ask("initialize", { clientName: "raw" });
    const { sessionId } = (await this.nextJson()).result;
    this.frame('{"method":"initialized"}');
    return sessionId;
  }

  /** Status of the close frame that comes, or `"dropped"` when the connection ends without one. */
  async closing(ms = DEADLINE_MS): Promise<number | "dropped"> {
    for (;;) {
      const frame = await this.next(ms);
      if (!frame) return "dropped";
      if (frame.opcode === 8) return frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005;
    }
  }

  #join(): void {
    if (this.#pieces.length === 0) return;
    this.#bytes = Buffer.concat([this.#bytes, ...this.#pieces]);
    this.#pieces = [];
  }

  /** Waits for so many bytes; false when the connection ends first. */
  async #have(length: number, ms = DEADLINE_MS): Promise<boolean> {
    const end = performance.now() + ms;
    for (;;) {
      const total = this.#bytes.length + this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
      if (total >= length) {
        this.#join();
        return true;
      }
      if (this.#ended) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await within(Math.max(1, end - performance.now()), `${length} bytes`, promise);
    }
  }

  async #find(text: string): Promise<number> {
    for (let length = text.length; ; length++) {
      if (!(await this.#have(length)))
        throw new Error(`The connection ended after: ${this.#bytes.toString()}`);
      length = this.#bytes.length;
      const at = this.#bytes.indexOf(text);
      if (at >= 0) return at;
    }
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }
}

export function encodeFrame(payload: string | Uint8Array, options: FrameOptions = {}): Buffer {
  const { fin = true, opcode = 1, masked = true, reserved = 0 } = options;
  const body = Buffer.from(payload);
  const extra = body.length < 126 ? 0 : body.length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extra + (masked ? 4 : 0));
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (extra === 0 ? body.length : extra === 2 ? 126 : 127);
  if (extra === 2) head.writeUInt16BE(body.length, 2);
  if (extra === 8) head.writeBigUInt64BE(BigInt(body.length), 2);
  // The mask is zero, so that the payload goes out as it is.
  return Buffer.concat([head, body]);
}
