/** A process started by a raw client: its notifications, gathered. */

import { Buffer } from "node:buffer";
import type { Json, RawClient } from "./raw_client.ts";

/** What a process told, put together. */
export interface Told {
  stdout: string;
  stderr: string;
  pty: string;
  /** Bytes of all streams in order of their numbers. */
  bytes: Buffer;
  exitCode: number;
  /** Of ours, which name it. */
  signal: unknown;
  /** The numbers in the order of the wire. */
  seqs: number[];
  /** `output`, `exited`, `closed`, in order of their numbers. */
  kinds: string[];
}

/** One event as it came. */
export interface RawEvent {
  kind: "output" | "exited" | "closed";
  seq: number;
  stream?: "stdout" | "stderr" | "pty";
  bytes?: Buffer;
  exitCode?: number;
  sandboxDenied?: unknown;
  endedBy?: string;
  signal?: unknown;
}

let count = 0;

export class RawProcess {
  readonly id: string;
  readonly client: RawClient;
  readonly events: RawEvent[] = [];
  /** The result of `process/start`. */
  result: Json;
  #writes = 0;

  constructor(client: RawClient, id = `p${++count}`) {
    this.client = client;
    this.id = id;
    client.route.set(id, (method, params) => this.#accept(method, params));
  }

  async start(params: object, ms?: number): Promise<this> {
    this.result = await this.client.call("process/start", { processId: this.id, ...params }, ms);
    return this;
  }

  #accept(method: string, params: Json): void {
    const { seq, stream, chunk, exitCode, sandboxDenied, signal, endedBy } = params;
    const kind = method.slice("process/".length) as RawEvent["kind"];
    if (kind === "output") this.events.push({ kind, seq, stream, bytes: Buffer.from(chunk, "base64") });
    else if (kind === "exited") this.events.push({ kind, seq, exitCode, sandboxDenied, signal, endedBy });
    else this.events.push({ kind, seq, endedBy });
  }

  /** Everything so far of one stream, or of all. */
  output(stream?: RawEvent["stream"]): Buffer {
    const events = this.events.filter(
      (event) => event.kind === "output" && (!stream || event.stream === stream),
    );
    return Buffer.concat(events.sort((a, b) => a.seq - b.seq).map(({ bytes }) => bytes!));
  }

  get text(): string {
    return this.output().toString();
  }

  /** Waits until the output so far has the text. */
  async says(text: string, ms?: number): Promise<void> {
    let seen = -1;
    await this.client.until(
      () => {
        if (seen === this.events.length) return false;
        seen = this.events.length;
        return this.text.includes(text);
      },
      ms,
      `${JSON.stringify(text)} in the output of ${this.id}`,
    );
  }

  async exited(ms?: number): Promise<number> {
    const exit = await this.client.until(
      () => this.events.find(({ kind }) => kind === "exited"),
      ms,
      `exit of ${this.id}`,
    );
    return exit!.exitCode!;
  }

  /** Waits for the end and for every number up to that of `closed`. */
  async closed(ms?: number): Promise<Told> {
    const all = (): boolean => {
      const last = this.events.findLast(({ kind }) => kind === "closed");
      return last !== undefined && this.events.length >= last.seq;
    };
    await this.client.until(
      all,
      ms,
      `closing of ${this.id}; so far ${JSON.stringify(this.text.slice(-500))}`,
    );
    const sorted = [...this.events].sort((a, b) => a.seq - b.seq);
    return {
      stdout: this.output("stdout").toString(),
      stderr: this.output("stderr").toString(),
      pty: this.output("pty").toString(),
      bytes: this.output(),
      exitCode: sorted.find(({ kind }) => kind === "exited")!.exitCode!,
      signal: sorted.find(({ kind }) => kind === "exited")!.signal,
      seqs: this.events.map(({ seq }) => seq),
      kinds: sorted.map(({ kind }) => kind),
    };
  }

  async write(data: string | Uint8Array, ms?: number): Promise<string> {
    const params = {
      processId: this.id,
      chunk: Buffer.from(data).toString("base64"),
      writeId: `${++this.#writes}`,
    };
    return (await this.client.call("process/write", params, ms)).status;
  }

  async read(params: object = {}, ms?: number): Promise<Json> {
    return await this.client.call("process/read", { processId: this.id, ...params }, ms);
  }

  async terminate(): Promise<boolean> {
    return (await this.client.call("process/terminate", { processId: this.id })).running;
  }

  /** Ends it, whatever its state. */
  async end(): Promise<void> {
    if (this.client.isClosed) return;
    await this.terminate();
    if (!this.events.some(({ kind }) => kind === "closed")) await this.closed();
  }
}
