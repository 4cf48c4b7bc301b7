/** The lean client over a websocket of its own. Its masks are zero, which costs it nothing and a server the usual. */

import { Buffer } from "node:buffer";
import type { Socket } from "bun";
import { Link } from "./link.ts";

const TEXT = 1;
const PING = 9;
const PONG = 10;
const CLOSE = 8;

interface Data {
  link: WebsocketLink;
}

export class WebsocketLink extends Link {
  #socket: Socket<Data> | undefined;
  /** Bytes of a frame of which more is to come, and how many are needed before it is worth another look. */
  #pieces: Buffer[] = [];
  #have = 0;
  #need = 0;
  #fragments: Buffer[] = [];
  #upgraded = false;
  #unsent: Buffer[] = [];
  readonly #open = Promise.withResolvers<void>();

  static async connect(url: string): Promise<WebsocketLink> {
    const { hostname, port } = new URL(url);
    const link = new WebsocketLink();
    link.#open.promise.catch(() => {});
    link.#socket = await Bun.connect<Data>({
      hostname,
      port: Number(port),
      data: { link },
      socket: {
        open: (socket) => {
          socket.setNoDelay(true);
          const lines = [
            ...["GET / HTTP/1.1", `Host: ${hostname}:${port}`, "Connection: Upgrade", "Upgrade: websocket"],
            ...["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""],
          ];
          socket.write(lines.join("\r\n"));
        },
        data: (socket, bytes) => socket.data.link.#bytes(bytes as Buffer),
        drain: (socket) => socket.data.link.#drain(),
        close: (socket) => socket.data.link.#end("The connection was closed"),
        error: (socket, error) => socket.data.link.#end(error.message),
      },
    });
    await link.#open.promise;
    return link;
  }

  pause(): void {
    this.#socket!.pause();
  }

  resume(): void {
    this.#socket!.resume();
  }

  async close(): Promise<void> {
    this.#socket!.terminate();
    await this.gone;
  }

  protected encode(text: string): Buffer {
    return frame(TEXT, Buffer.from(text));
  }

  protected write(bytes: Buffer): void {
    if (this.#unsent.length === 0) {
      const written = Math.max(0, this.#socket!.write(bytes));
      if (written === bytes.length) return;
      bytes = bytes.subarray(written);
    }
    this.#unsent.push(bytes);
  }

  #drain(): void {
    while (this.#unsent.length > 0) {
      const bytes = this.#unsent[0]!;
      const written = Math.max(0, this.#socket!.write(bytes));
      if (written < bytes.length) {
        this.#unsent[0] = bytes.subarray(written);
        return;
      }
      this.#unsent.shift();
    }
  }

  #end(why: string): void {
    this.#open.reject(new Error(why));
    this.over(why);
  }

  #bytes(bytes: Buffer): void {
    if (this.#have > 0) {
      this.#pieces.push(bytes);
      this.#have += bytes.length;
      if (this.#have < this.#need) return;
      bytes = Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.#have = 0;
    }
    let at = this.#upgraded ? 0 : this.#head(bytes);
    for (;;) {
      const next = this.#frame(bytes, at);
      if (next === at) break;
      at = next;
    }
    if (at === bytes.length) return;
    this.#pieces = [bytes.subarray(at)];
    this.#have = bytes.length - at;
  }

  /** Reads the answer to the upgrade. Returns where it ends, or 0 when there must be more. */
  #head(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n\r\n");
    this.#need = bytes.length + 1;
    if (end < 0) return 0;
    const first = bytes.toString("latin1", 0, bytes.indexOf("\r"));
    if (!first.includes(" 101 ")) this.#open.reject(new Error(`The server answered: ${first}`));
    else this.#open.resolve();
    this.#upgraded = true;
    return end + 4;
  }

  /** Takes the frame that begins at `at`, if it is whole. Returns where the next begins. */
  #frame(bytes: Buffer, at: number): number {
    const left = bytes.length - at;
    if (!this.#upgraded || left === 0) return at;
    this.#need = left + 1;
    if (left < 2) return at;
    const short = bytes[at + 1]! & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (left < head) return at;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    if (left < head + length) {
      this.#need = head + length;
      return at;
    }
    const end = at + head + length;
    this.#take(bytes[at]!, bytes.subarray(at + head, end));
    return end;
  }

  #take(first: number, payload: Buffer): void {
    const opcode = first & 0x0f;
    if (opcode === PING) this.write(frame(PONG, payload));
    else if (opcode === CLOSE) this.#socket!.terminate();
    if (opcode >= CLOSE) return;
    if ((first & 0x80) === 0 || this.#fragments.length > 0) {
      this.#fragments.push(payload);
      if ((first & 0x80) === 0) return;
      payload = Buffer.concat(this.#fragments);
      this.#fragments = [];
    }
    this.received(payload);
  }
}

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(head + 4 + length);
  bytes[0] = 0x80 | opcode;
  bytes[1] = 0x80 | (head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) bytes.writeUInt16BE(length, 2);
  if (head === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  bytes.fill(0, head, head + 4);
  payload.copy(bytes, head + 4);
  return bytes;
}
