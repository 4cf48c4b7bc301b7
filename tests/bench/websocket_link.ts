/** The lean client over a websocket of its own. */

import { Buffer } from "node:buffer";
import type { Socket } from "bun";
import {
  BINARY,
  CLOSE,
  FrameReader,
  frame,
  frameHead,
  lengthOf,
  MASK,
  masked,
  PING,
  PONG,
  TEXT,
} from "./frames.ts";
import { libc, MSG_DONTWAIT } from "./libc.ts";
import { Link } from "./link.ts";
import { OutputQueue } from "./output_queue.ts";

/** So much is read in one turn. */
const PASSED_BYTES = 4 * 1024 * 1024;
const memory = Buffer.alloc(1024 * 1024);

interface Data {
  link: WebsocketLink;
}

export class WebsocketLink extends Link {
  #socket: Socket<Data> | undefined;
  readonly #queue = new OutputQueue((bytes) => this.#socket!.write(bytes));
  readonly #reader = new FrameReader(
    (opcode, pieces) => this.#message(opcode, pieces),
    (bytes, at) => this.skim(bytes, at),
    (opcode, first) => opcode === BINARY || this.isMostlyBytes(first),
  );
  /** The answer to the upgrade, while it is not whole. */
  #head: Buffer | undefined = Buffer.alloc(0);
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
          socket.write(upgradeHead(`${hostname}:${port}`));
        },
        data: (socket, bytes) => {
          socket.data.link.#bytes(bytes as Buffer);
          socket.data.link.#passMore((socket as { fd?: number }).fd);
        },
        drain: (socket) => socket.data.link.#queue.drain(),
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

  protected override get mask(): number {
    return MASK;
  }

  protected encode(parts: readonly Buffer[]): Buffer[] {
    return [frameHead(TEXT, lengthOf(parts), true), ...masked(parts)];
  }

  protected override encodeBinary(parts: readonly Buffer[]): Buffer[] {
    return [frameHead(BINARY, lengthOf(parts), true), ...masked(parts)];
  }

  protected write(bytes: Buffer): void {
    this.#queue.write(bytes);
  }

  #end(why: string): void {
    this.#open.reject(new Error(why));
    this.over(why);
  }

  #bytes(bytes: Buffer): void {
    if (this.#head === undefined) {
      this.#reader.push(bytes);
      return;
    }
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#head;
    this.#head = undefined;
    const first = head.toString("latin1", 0, head.indexOf("\r"));
    if (!first.includes(" 101 ")) this.#open.reject(new Error(`The server answered: ${first}`));
    this.#open.resolve();
    if (end + 4 < head.length) this.#reader.push(head.subarray(end + 4));
  }

  /** What is there of a long frame, past Bun, which hands it on in memory that it gets and gives back each time. */
  #passMore(fd: number | undefined): void {
    for (let left = PASSED_BYTES; fd !== undefined && left > 0; ) {
      const most = Math.min(this.#reader.passable, memory.length);
      if (most === 0) return;
      const count = Number(libc.recv(fd, memory, most, MSG_DONTWAIT));
      if (count <= 0) return;
      left -= count;
      this.#reader.pass(memory.subarray(0, count));
    }
  }

  #message(opcode: number, pieces: readonly Buffer[]): void {
    if (opcode === TEXT) this.received(pieces);
    else if (opcode === BINARY) this.receivedBinary(pieces);
    else if (opcode === PING) this.write(frame(PONG, pieces, true));
    else if (opcode === CLOSE) this.#socket!.terminate();
  }
}

export function upgradeHead(host: string): string {
  const lines = [
    ...["GET / HTTP/1.1", `Host: ${host}`, "Connection: Upgrade", "Upgrade: websocket"],
    ...["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""],
  ];
  return lines.join("\r\n");
}
