/** What a process handle asks of its session: the calls of `process/*` about this one process. */

import { randomUUID } from "node:crypto";
import type { CloseReason } from "../jsonrpc/channel.ts";
import type { CallOptions } from "../jsonrpc/peer.ts";
import type { Capabilities } from "../protocol/environment.ts";
import { ExecServerError, hasCode } from "../protocol/errors.ts";
import type { Requests } from "../protocol/methods.ts";
import type { ReadResult, SignalName, TerminalSizeParams, WriteStatus } from "../protocol/process.ts";
import type { ProcessLink } from "./process.ts";
import type { ReceiveWindow } from "./receive_window.ts";

/** What is needed of a client. */
export interface Caller {
  readonly capabilities: Readonly<Capabilities>;
  readonly connected: boolean;
  readonly closeReason: CloseReason | undefined;
  readonly serverVersion: string | undefined;
  call<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options?: CallOptions,
  ): Promise<Requests[M]["result"]>;
}

/** What the session knows of the process. */
export interface LinkOptions {
  isTerminal: boolean;
  /** The client only looks on. */
  isObserved: boolean;
  window: ReceiveWindow;
  /** False once everything of the process has arrived. */
  isLive(): boolean;
}

export class SessionLink implements ProcessLink {
  readonly #client: Caller;
  readonly #processId: string;
  readonly #options: LinkOptions;
  /** Another handle on the same process must not use the same ids. */
  readonly #writePrefix = randomUUID();
  #writes = 0;

  constructor(client: Caller, processId: string, options: LinkOptions) {
    this.#client = client;
    this.#processId = processId;
    this.#options = options;
  }

  get isObserved(): boolean {
    return this.#options.isObserved;
  }

  async leave(): Promise<void> {
    await this.#client.call("process/detach", { processId: this.#processId });
  }

  async write(chunk: Uint8Array): Promise<WriteStatus> {
    const writeId = `${this.#writePrefix}-${++this.#writes}`;
    const send = () => this.#client.call("process/write", { processId: this.#processId, chunk, writeId });
    // Servers since 0.169.0 know a repeated one by its id, and write it only once.
    return (this.#client.serverVersion === undefined ? await send() : (await this.#repeat(send)).answer)
      .status;
  }

  async closeStdin(): Promise<WriteStatus> {
    // What ends the input of a terminal, as typed by a user: Ctrl-D.
    if (this.#options.isTerminal) return await this.write(new Uint8Array([4]));
    this.#need("processCloseStdin", "end the input of a process");
    const close = () => this.#client.call("process/closeStdin", { processId: this.#processId });
    const { answer, isSecond } = await this.#repeat(close);
    return isSecond && answer.status === "stdinClosed" ? "accepted" : answer.status;
  }

  async signal(signal: SignalName): Promise<void> {
    if (signal !== "interrupt") this.#need("processSignals", `send the signal "${signal}"`);
    await this.#client.call("process/signal", { processId: this.#processId, signal });
  }

  async terminate(graceMs?: number): Promise<boolean> {
    const { processTerminateGrace } = this.#client.capabilities;
    const params = {
      processId: this.#processId,
      ...(processTerminateGrace && graceMs !== undefined ? { graceMs } : {}),
    };
    const { answer, isSecond } = await this.#repeat(() => this.#client.call("process/terminate", params));
    // The first may have ended it.
    return isSecond || (answer.running ?? false);
  }

  async resize({ columns, rows }: TerminalSizeParams): Promise<void> {
    this.#need("processResize", "set the size of a terminal");
    const resize = () => this.#client.call("process/resize", { processId: this.#processId, columns, rows });
    await this.#repeat(resize);
  }

  received(bytes: number): void {
    if (!this.#acknowledges) this.#options.window.backlog.received(this.#processId, bytes);
  }

  consumed(bytes: number, seq: number): void {
    const { window, isLive } = this.#options;
    if (!this.#acknowledges) window.backlog.consumed(this.#processId, bytes);
    // Of a process that has ended the server wants to know nothing.
    else if (isLive()) window.consumed(this.#processId, bytes, seq);
  }

  reads(): void {
    if (this.#options.isLive()) this.#options.window.backlog.reads(this.#processId);
  }

  get isFull(): boolean {
    return !this.#acknowledges && this.#options.window.backlog.isFull(this.#processId);
  }

  get isLow(): boolean {
    return this.#options.window.backlog.isLow(this.#processId);
  }

  async readAfter(afterSeq: number): Promise<ReadResult | undefined> {
    if (!this.#client.connected) return undefined;
    return await this.#client.call("process/read", { processId: this.#processId, afterSeq });
  }

  /** Asks again when the answer was lost with the connection: for what does no more twice than once. */
  async #repeat<T>(call: () => Promise<T>): Promise<{ answer: T; isSecond: boolean }> {
    for (let isSecond = false; ; isSecond = true) {
      try {
        return { answer: await call(), isSecond };
      } catch (error) {
        if (!hasCode(error, "ERR_DISCONNECTED") || this.#client.closeReason) throw error;
      }
    }
  }

  get #acknowledges(): boolean {
    return this.#client.capabilities.processOutputWindow ?? false;
  }

  #need(capability: keyof Capabilities, what: string): void {
    if (this.#client.capabilities[capability]) return;
    throw new ExecServerError("ERR_UNSUPPORTED", `The server cannot ${what}: it lacks "${capability}"`);
  }
}
