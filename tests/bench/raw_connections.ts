/**
 * Connections that are made, greeted and closed by calls of the system in one loop: by an event loop and promises they cost
 * the client as much as the server, and on two cores it is then the client that is measured.
 */

import { Buffer } from "node:buffer";
import { frame, TEXT } from "./frames.ts";
import { libc, MSG_DONTWAIT } from "./libc.ts";
import { upgradeHead } from "./websocket_link.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_NOSIGNAL = 0x4000;
const POLLIN = 1;
const POLLFD_BYTES = 8;
const POLLFD_WORDS = 4;
/** A server that is silent for so long is broken. */
const SILENCE_MS = 10_000;
const MAX_ANSWER_BYTES = 16_384;

const on = new Int32Array([1]);
/** Closing resets the connection, as the other clients of the bench do, and keeps no port. */
const noLinger = new Int32Array([1, 0]);
const initialize = frame(
  TEXT,
  [Buffer.from('{"id":1,"method":"initialize","params":{"clientName":"bench","resumeSessionId":null}}')],
  true,
);
const initialized = frame(TEXT, [Buffer.from('{"method":"initialized","params":{}}')], true);

/** Makes so many connections, `width` at a time: upgrade, handshake, close. */
export function makeConnections(url: string, count: number, width: number): void {
  const { hostname, port, host } = new URL(url);
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET);
  address.writeUInt16BE(Number(port), 2);
  address.set(hostname.split(".").map(Number), 4);
  const slots = new Slots(Math.min(width, count), address, Buffer.from(upgradeHead(host)));
  try {
    slots.run(count);
  } finally {
    slots.close();
  }
}

/** As many connections as are under way at a time. */
class Slots {
  readonly #address: Buffer;
  readonly #head: Buffer;
  /** For `poll`: the descriptor in two words, what is asked for, what is there. */
  readonly #polled: Int16Array;
  readonly #fds: Int32Array;
  readonly #answers: Buffer[];
  readonly #lengths: number[];
  readonly #upgraded: boolean[];

  constructor(width: number, address: Buffer, head: Buffer) {
    this.#address = address;
    this.#head = head;
    this.#polled = new Int16Array(width * POLLFD_WORDS);
    this.#fds = new Int32Array(this.#polled.buffer);
    this.#answers = Array.from({ length: width }, () => Buffer.alloc(MAX_ANSWER_BYTES));
    this.#lengths = new Array(width).fill(0);
    this.#upgraded = new Array(width).fill(false);
    for (let i = 0; i < width; i++) {
      this.#fds[(i * POLLFD_BYTES) / 4] = -1;
      this.#polled[i * POLLFD_WORDS + 2] = POLLIN;
    }
  }

  run(count: number): void {
    const width = this.#answers.length;
    let left = count - width;
    for (let i = 0; i < width; i++) this.#open(i);
    for (let done = 0; done < count; ) {
      if (libc.poll(this.#polled, width, SILENCE_MS) <= 0) throw new Error("The server does not answer");
      for (let i = 0; i < width; i++) {
        if (this.#polled[i * POLLFD_WORDS + 3] === 0 || !this.#advance(i)) continue;
        this.#close(i);
        done++;
        if (left-- > 0) this.#open(i);
      }
    }
  }

  close(): void {
    for (let i = 0; i < this.#answers.length; i++) this.#close(i);
  }

  #open(i: number): void {
    const fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    this.#fds[i * 2] = fd;
    this.#lengths[i] = 0;
    this.#upgraded[i] = false;
    libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, on, on.byteLength);
    libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, noLinger, noLinger.byteLength);
    if (libc.connect(fd, this.#address, this.#address.length) !== 0) throw new Error("Cannot connect");
    this.#send(fd, this.#head);
  }

  #close(i: number): void {
    const fd = this.#fds[i * 2]!;
    if (fd >= 0) libc.close(fd);
    // Which `poll` leaves out.
    this.#fds[i * 2] = -1;
  }

  /** Takes what has come; answers whether that was the last. */
  #advance(i: number): boolean {
    const fd = this.#fds[i * 2]!;
    const answer = this.#answers[i]!;
    const room = answer.subarray(this.#lengths[i]!);
    const received = Number(libc.recv(fd, room, room.length, MSG_DONTWAIT));
    if (received <= 0) throw new Error("The server has closed the connection");
    this.#lengths[i]! += received;
    const bytes = answer.subarray(0, this.#lengths[i]!);
    if (!this.#upgraded[i]) {
      if (!bytes.includes("\r\n\r\n")) return false;
      if (!bytes.toString("latin1", 0, 12).endsWith(" 101")) throw new Error(`No upgrade: ${bytes}`);
      this.#upgraded[i] = true;
      this.#lengths[i] = 0;
      this.#send(fd, initialize);
      return false;
    }
    // A frame of 126 to 65,535 bytes; control's is shorter.
    const length = bytes[1] === 126 ? 4 + bytes.readUInt16BE(2) : 2 + bytes[1]!;
    if (bytes.length < length) return false;
    if (!bytes.includes('{"id":1,"result":{')) throw new Error(`No handshake: ${bytes}`);
    this.#send(fd, initialized);
    return true;
  }

  #send(fd: number, bytes: Buffer): void {
    const sent = Number(libc.send(fd, bytes, bytes.length, MSG_NOSIGNAL));
    if (sent !== bytes.length) throw new Error("The connection takes nothing");
  }
}
