/** The handles that a client has on processes, by id, and how they come by their events. */

import { ExecServerError, hasCode, RpcError } from "../protocol/errors.ts";
import type { Requests } from "../protocol/methods.ts";
import { catchUp } from "./catch_up.ts";
import { Process, type ProcessOptions } from "./process.ts";
import type { ReceiveWindow } from "./receive_window.ts";
import { type Caller, SessionLink } from "./session_link.ts";

/** What the handles need of their client. */
export interface HandlesOptions {
  client: Caller;
  window: ReceiveWindow;
  /** The client only looks on at the session. */
  observes: boolean;
}

/** A client, or one connection of it. */
export interface Asker {
  call<M extends "process/read" | "process/attach">(
    method: M,
    params: Requests[M]["params"],
  ): Promise<Requests[M]["result"]>;
}

export class ProcessHandles {
  readonly #options: HandlesOptions;
  readonly #processes = new Map<string, Process>();
  /** Starts without an answer; a lost connection leaves open whether they were carried out. */
  readonly starting = new Set<string>();

  constructor(options: HandlesOptions) {
    this.#options = options;
  }

  /**
   * A handle that gets its events from here on; those of a start may come before its answer.
   * @throws {ExecServerError} `ERR_DUPLICATE_PROCESS`
   */
  add(processId: string, options: ProcessOptions): Process {
    this.refuseDuplicate(processId);
    const { client, window, observes } = this.#options;
    const link = new SessionLink(client, processId, {
      isTerminal: options.terminal !== undefined,
      isObserved: observes,
      window,
      isLive: () => this.#processes.has(processId),
    });
    const process = new Process(processId, link, options);
    this.#processes.set(processId, process);
    process.closed.then(() => {
      if (this.#processes.get(processId) === process) this.forget(processId);
    });
    return process;
  }

  /** @throws {ExecServerError} `ERR_DUPLICATE_PROCESS` */
  refuseDuplicate(processId: string): void {
    if (!this.#processes.has(processId)) return;
    throw new ExecServerError("ERR_DUPLICATE_PROCESS", `Process id "${processId}" is in use`);
  }

  forget(processId: string): void {
    this.#processes.delete(processId);
    this.#options.window.forget(processId);
  }

  get byId(): ReadonlyMap<string, Process> {
    return this.#processes;
  }

  /** Brings the events of a process up to now, and sees to it that the next ones come. */
  async follow(asker: Asker, process: Process): Promise<void> {
    const { observes } = this.#options;
    if (observes) await asker.call("process/attach", { processId: process.id, afterSeq: process.lastSeq });
    else await catchUp(asker, process);
  }

  /** Over a fresh connection: gets what every process has put out and done meanwhile. */
  async followAll(asker: Asker): Promise<void> {
    const { backlog } = this.#options.window;
    const follows = [...this.#processes].map(async ([processId, process]) => {
      // Its start is asked about by who sent it.
      if (this.starting.has(processId)) return;
      try {
        await backlog.during(() => this.follow(asker, process));
      } catch (error) {
        if (error instanceof RpcError)
          process.fail(`the server does not know the process any more: ${error.message}`);
        else if (!hasCode(error, "ERR_DISCONNECTED"))
          process.fail(error instanceof Error ? error.message : String(error));
      }
    });
    await Promise.all(follows);
  }

  /** The connection has ended for good. */
  failAll(message: string): void {
    for (const process of this.#processes.values()) process.fail(message);
    this.#processes.clear();
  }
}
