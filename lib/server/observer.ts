/** A connection that looks on at a session: reads and lists, and follows processes at its own pace. */

import { eventsAfter } from "../process/events_after.ts";
import type { ManagedProcess } from "../process/process.ts";
import { Reads } from "../process/read.ts";
import type { Handlers } from "../protocol/methods.ts";
import type { AttachParams } from "../protocol/process_list.ts";
import { type EventSink, type Onlooker, type Session, sendEvent } from "./session.ts";

/** What an observer may ask for of a session. */
type ObserverHandlers = Pick<Handlers, "process/read" | "process/list" | "process/attach" | "process/detach">;

/** The connection of an observer. */
export interface ObserverLink extends EventSink {
  /** Nothing when more may be sent, else a promise for when it may, or for the end of the connection. */
  ready(): Promise<void> | undefined;
  /** The session is over, so the connection is. */
  ended(): void;
}

/** Sent at a time, so that a slow observer has no more than this in a queue. */
const PIECE_BYTES = 256 * 1024;

/**
 * Holds nobody back: what the retention gives up before a slow observer was sent it, it does not get, which shows in the
 * numbers.
 */
export class Observer implements Onlooker {
  readonly #session: Session;
  readonly #link: ObserverLink;
  readonly #reads: Reads;
  /** The end of following, by process. */
  readonly #following = new Map<string, () => void>();

  constructor(session: Session, link: ObserverLink) {
    this.#session = session;
    this.#link = link;
    this.#reads = new Reads(
      (processId) => session.processes.find(processId),
      () => link.ready(),
    );
    session.onlookers.add(this);
  }

  readonly handlers: ObserverHandlers = {
    "process/read": (params) => this.#reads.read(params),
    "process/list": () => this.#session.processes["process/list"](),
    "process/attach": (params) => this.#attach(params),
    "process/detach": ({ processId }) => {
      this.#following.get(processId)?.();
      return {};
    },
  };

  follows(processId: string): boolean {
    return this.#following.has(processId);
  }

  ended(): void {
    this.#link.ended();
  }

  /** The connection has gone. */
  dispose(): void {
    this.#session.onlookers.delete(this);
    this.#reads.end();
    for (const stop of [...this.#following.values()]) stop();
  }

  #attach({ processId, afterSeq = 0 }: AttachParams): { nextSeq: number } {
    const process = this.#session.processes.find(processId);
    // Again, perhaps from another number.
    this.#following.get(processId)?.();
    let stopped = false;
    let wake = (): void => {};
    const stop = (): void => {
      stopped = true;
      wake();
      if (this.#following.get(processId) === stop) this.#following.delete(processId);
    };
    this.#following.set(processId, stop);
    const isStopped = (): boolean => stopped;
    const onWait = (cancel: () => void): void => {
      wake = cancel;
    };
    // After the answer.
    queueMicrotask(() => this.#follow(process, afterSeq, isStopped, onWait).finally(stop));
    return { nextSeq: process.log.nextSeq };
  }

  async #follow(
    process: ManagedProcess,
    afterSeq: number,
    isStopped: () => boolean,
    onWait: (cancel: () => void) => void,
  ): Promise<void> {
    let seq = afterSeq;
    while (!isStopped()) {
      const events = eventsAfter(process, seq, PIECE_BYTES);
      for (const event of events) sendEvent(this.#link, process, event);
      const last = events.at(-1);
      if (last?.kind === "closed" || (!last && process.closed)) return;
      if (last) {
        seq = last.seq;
        await this.#link.ready();
        continue;
      }
      const { happened, cancel } = process.nextEvent();
      onWait(cancel);
      await happened;
    }
  }
}
