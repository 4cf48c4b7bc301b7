/**
 * What the control answers. `BYTES` in the environment of a process is how much output it has, `TAKES` how much input
 * it waits for. Understands only the bench's client, which puts `processId` first.
 */

import { Buffer } from "node:buffer";
import { parse } from "../link.ts";
import type { OutputQueue } from "../output_queue.ts";

const CHUNK = 8192;
const CHUNKS_IN_A_BLOCK = 32;
const chunk = Buffer.alloc(CHUNK).toString("base64");

interface Process {
  readonly id: string;
  /** Output, or input, that is still to come. */
  left: number;
  /** Input that it waits for. */
  readonly takes: number;
  /** Output, made beforehand. */
  readonly block: Buffer;
}

export class Responder {
  readonly #encode: (text: string) => Buffer;
  readonly #queue: OutputQueue;
  readonly #processes = new Map<string, Process>();
  #answers: Buffer[] = [];
  /** Processes that have output to write. */
  #flooding: Process[] = [];

  constructor(encode: (text: string) => Buffer, queue: OutputQueue) {
    this.#encode = encode;
    this.#queue = queue;
  }

  received(message: Buffer): void {
    const start = message.toString("latin1", 0, 160);
    const [, id, method] = /^\{"id":(\d+),"method":"([^"]+)"/.exec(start) ?? [];
    if (id === undefined) return;
    this.#say(`{"id":${id},"result":{}}`);
    if (method === "process/start") {
      this.#start(JSON.parse(message.toString()).params);
      return;
    }
    const [, processId = ""] = /"processId":"([^"]+)"/.exec(start) ?? [];
    const process = this.#processes.get(processId);
    if (process && method === "process/terminate") this.#end(process);
    if (process && method === "process/write") this.#write(process, message);
  }

  /** Sends the answers, and as much output as is taken, of each process in turn. */
  flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    if (answers.length > 0) this.#queue.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers));
    while (this.#queue.isEmpty) {
      const process = this.#flooding.shift();
      if (!process) return;
      const whole = process.left >= CHUNK * CHUNKS_IN_A_BLOCK;
      const length = whole ? CHUNK * CHUNKS_IN_A_BLOCK : Math.min(process.left, CHUNK);
      process.left -= length;
      this.#queue.write(whole ? process.block : this.#encode(output(process.id, Buffer.alloc(length))));
      if (process.left > 0) {
        this.#flooding.push(process);
        continue;
      }
      this.#end(process);
      this.#queue.write(Buffer.concat(this.#answers));
      this.#answers = [];
    }
  }

  #start(params: { processId: string; argv: string[]; env: { BYTES?: string; TAKES?: string } }): void {
    const { processId: id, argv, env } = params;
    const takes = Number(env.TAKES ?? 0);
    const bytes = Number(env.BYTES ?? 0);
    const floods = bytes > 1;
    const one = floods ? this.#encode(output(id, chunk)) : Buffer.alloc(0);
    const block = Buffer.concat(Array.from({ length: CHUNKS_IN_A_BLOCK }, () => one));
    const process = { id, left: takes || bytes, takes, block };
    this.#processes.set(id, process);
    if (floods) this.#flooding.push(process);
    else if (bytes === 1) this.#say(output(id, "eA=="));
    else if (takes === 0 && argv[0] !== "/bin/sleep") this.#end(process);
  }

  /** A terminal's echo; input of a pipe is counted. */
  #write(process: Process, message: Buffer): void {
    if (process.takes === 0) {
      this.#say(output(process.id, "eA=="));
      return;
    }
    process.left -= parse([message]).bytes;
    if (process.left > 0) return;
    this.#say(output(process.id, "eA=="));
    this.#end(process);
  }

  #end({ id }: Process): void {
    this.#processes.delete(id);
    this.#say(`{"method":"process/exited","params":{"processId":"${id}","exitCode":0}}`);
    this.#say(`{"method":"process/closed","params":{"processId":"${id}"}}`);
  }

  #say(text: string): void {
    this.#answers.push(this.#encode(text));
  }
}

function output(processId: string, data: string | Buffer): string {
  const base64 = typeof data === "string" ? data : data.toString("base64");
  return `{"method":"process/output","params":{"processId":"${processId}","seq":1,"stream":"stdout","chunk":"${base64}"}}`;
}
