/**
 * The least that a server on Bun can be: it answers in the form of the protocol, does nothing, and writes output that
 * was made beforehand. Compiled and measured beside the others it shows what the client can take and what the runtime
 * alone costs. `BYTES` in a process's environment is how much output it has, `TAKES` how much input it waits for.
 * Understands only the client next to it.
 */

import { Buffer } from "node:buffer";
import type { Socket } from "bun";

const FLOOD_CHUNK = 8192;
const FRAMES_IN_A_BLOCK = 32;
const chunk = Buffer.alloc(FLOOD_CHUNK).toString("base64");

interface Process {
  id: string;
  /** Output, or input, that is still to come. */
  left: number;
  /** Input that it waits for. */
  takes: number;
  block: Buffer;
}

class Connection {
  readonly #socket: Socket<{ connection: Connection }>;
  #input: Buffer = Buffer.alloc(0);
  #upgraded = false;
  #unsent: Buffer[] = [];
  readonly #processes = new Map<string, Process>();
  #flooding: Process[] = [];

  constructor(socket: Socket<{ connection: Connection }>) {
    this.#socket = socket;
  }

  received(bytes: Buffer): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    if (!this.#upgraded) {
      if (!this.#input.includes("\r\n\r\n")) return;
      const [, key = ""] = /sec-websocket-key: *(\S+)/i.exec(this.#input.toString("latin1")) ?? [];
      const accept = new Bun.CryptoHasher("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      this.#write(
        Buffer.from(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
        ),
      );
      this.#upgraded = true;
      this.#input = Buffer.alloc(0);
      return;
    }
    let at = 0;
    const answers: Buffer[] = [];
    for (;;) {
      const left = this.#input.length - at;
      if (left < 2) break;
      const short = this.#input[at + 1]! & 0x7f;
      const head = short < 126 ? 6 : short === 126 ? 8 : 14;
      if (left < head) break;
      const length =
        short < 126
          ? short
          : short === 126
            ? this.#input.readUInt16BE(at + 2)
            : Number(this.#input.readBigUInt64BE(at + 2));
      if (left < head + length) break;
      // The client's masks are zero.
      this.#message(this.#input.subarray(at + head, at + head + length), answers);
      at += head + length;
    }
    this.#input = this.#input.subarray(at);
    if (answers.length > 0) this.#write(answers.length === 1 ? answers[0]! : Buffer.concat(answers));
    this.#flood();
  }

  #message(payload: Buffer, answers: Buffer[]): void {
    const start = payload.toString("latin1", 0, 160);
    const [, id, method] = /^\{"id":(\d+),"method":"([^"]+)"/.exec(start) ?? [];
    if (id === undefined) return;
    const say = (text: string): void => void answers.push(frame(text));
    if (method === "process/start") {
      const { processId, env, argv } = JSON.parse(payload.toString()).params;
      say(`{"id":${id},"result":{}}`);
      const takes = Number(env.TAKES ?? 0);
      const process: Process = {
        id: processId,
        left: Number(env.BYTES ?? takes),
        takes,
        block: Buffer.alloc(0),
      };
      this.#processes.set(processId, process);
      if (env.BYTES > 1) {
        const frames = Array.from({ length: FRAMES_IN_A_BLOCK }, () => frame(output(processId, chunk)));
        process.block = Buffer.concat(frames);
        this.#flooding.push(process);
      } else {
        if (env.BYTES === "1") say(output(processId, "eA=="));
        const lasts = takes > 0 || argv[0] === "/bin/sleep" || env.BYTES === "1";
        if (!lasts) this.#end(process, answers);
      }
      return;
    }
    say(`{"id":${id},"result":{}}`);
    if (method !== "process/write" && method !== "process/terminate") return;
    const [, processId = ""] = /"processId":"([^"]+)"/.exec(start) ?? [];
    const process = this.#processes.get(processId);
    if (!process) return;
    if (method === "process/write" && process.takes === 0) {
      say(output(processId, "eA=="));
      return;
    }
    if (method === "process/write") {
      const input = JSON.parse(payload.toString()).params.chunk;
      process.left -= Buffer.byteLength(input, "base64");
      if (process.left > 0) return;
      // As many characters as the number has.
      say(output(processId, Buffer.from(`${process.takes}`).toString("base64")));
    }
    this.#end(process, answers);
  }

  #end(process: Process, answers: Buffer[]): void {
    this.#processes.delete(process.id);
    answers.push(frame(`{"method":"process/exited","params":{"processId":"${process.id}","exitCode":0}}`));
    answers.push(frame(`{"method":"process/closed","params":{"processId":"${process.id}"}}`));
  }

  /** Writes as much as the socket takes, of each process in turn. */
  #flood(): void {
    while (this.#unsent.length === 0) {
      const process = this.#flooding.shift();
      if (!process) return;
      if (process.left >= FLOOD_CHUNK * FRAMES_IN_A_BLOCK) {
        process.left -= FLOOD_CHUNK * FRAMES_IN_A_BLOCK;
        this.#write(process.block);
      } else {
        const length = Math.min(process.left, FLOOD_CHUNK);
        process.left -= length;
        this.#write(frame(output(process.id, Buffer.alloc(length).toString("base64"))));
      }
      if (process.left > 0) {
        this.#flooding.push(process);
        continue;
      }
      const last: Buffer[] = [];
      this.#end(process, last);
      this.#write(Buffer.concat(last));
    }
  }

  #write(bytes: Buffer): void {
    if (this.#unsent.length === 0) {
      const written = Math.max(0, this.#socket.write(bytes));
      if (written === bytes.length) return;
      bytes = bytes.subarray(written);
    }
    this.#unsent.push(bytes);
  }

  drain(): void {
    while (this.#unsent.length > 0) {
      const bytes = this.#unsent.shift()!;
      const written = Math.max(0, this.#socket.write(bytes));
      if (written === bytes.length) continue;
      this.#unsent.unshift(bytes.subarray(written));
      return;
    }
    this.#flood();
  }
}

function output(processId: string, base64: string): string {
  return `{"method":"process/output","params":{"processId":"${processId}","seq":1,"stream":"stdout","chunk":"${base64}"}}`;
}

function frame(text: string): Buffer {
  const { length } = text;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(head + length);
  bytes[0] = 0x81;
  bytes[1] = head === 2 ? length : head === 4 ? 126 : 127;
  if (head === 4) bytes.writeUInt16BE(length, 2);
  if (head === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  bytes.write(text, head, "latin1");
  return bytes;
}

const server = Bun.listen<{ connection: Connection }>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open: (socket) => {
      socket.setNoDelay(true);
      socket.data = { connection: new Connection(socket) };
    },
    data: (socket, bytes) => socket.data.connection.received(bytes as Buffer),
    drain: (socket) => socket.data.connection.drain(),
  },
});
console.log(`ws://127.0.0.1:${server.port}`);
