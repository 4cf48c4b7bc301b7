/** The control's end of a websocket. */

import { Buffer } from "node:buffer";
import { FrameReader, frame, joined, TEXT } from "../frames.ts";
import { OutputQueue } from "../output_queue.ts";
import { Responder } from "./responder.ts";

export class WebsocketWire {
  readonly #queue: OutputQueue;
  readonly #responder: Responder;
  readonly #reader: FrameReader;
  #upgraded = false;

  constructor(take: (bytes: Buffer) => number) {
    this.#queue = new OutputQueue(take);
    const encode = (text: string): Buffer => frame(TEXT, [Buffer.from(text)], false);
    this.#responder = new Responder(encode, this.#queue);
    this.#reader = new FrameReader((_, pieces) => this.#responder.received(joined(pieces)));
  }

  received(bytes: Buffer): void {
    if (!this.#upgraded) {
      this.#upgrade(bytes.toString("latin1"));
      return;
    }
    this.#reader.push(bytes);
    this.#responder.flush();
  }

  drain(): void {
    this.#queue.drain();
    this.#responder.flush();
  }

  /** Our client sends its head in one piece, and nothing more before the answer. */
  #upgrade(head: string): void {
    const [, key = ""] = /sec-websocket-key: *(\S+)/i.exec(head) ?? [];
    const accept = new Bun.CryptoHasher("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    const lines = [
      ...["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"],
      ...[`Sec-WebSocket-Accept: ${accept.digest("base64")}`, "", ""],
    ];
    this.#queue.write(Buffer.from(lines.join("\r\n")));
    this.#upgraded = true;
  }
}
