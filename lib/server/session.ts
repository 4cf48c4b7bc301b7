/** Sessions: they own processes, outlive connections, and expire when nobody comes back. */

import type { ProcessTable } from "../process/handlers.ts";
import type { ManagedProcess, ProcessEvent, ProcessObserver } from "../process/process.ts";
import { RpcError, rpcCode } from "../protocol/errors.ts";
import { Deadlines } from "../runtime/deadlines.ts";

/** Where events go. */
export interface EventSink {
  send(text: string): void;
  /** A text in three parts, of which the second is to be base64. */
  sendBase64(head: string, bytes: Uint8Array, tail: string): void;
}

/** The connection that a session speaks to. */
export interface Attachment extends EventSink {
  /** Nothing when more may be sent, else a promise for when it may, or for the end of the connection. */
  ready(): Promise<void> | undefined;
  /** Ends the connection unless the client shows life within this time. */
  probe(timeoutMs: number): void;
  /** Another connection has the session now. */
  takenOver(): void;
}

/** A connection that looks on. */
export interface Onlooker {
  /** Whether it gets the events of this process. */
  follows(processId: string): boolean;
  /** The session is over. */
  ended(): void;
}

/** How long a client whose session somebody else asks for has to show life. */
const PROBE_MS = 2000;

/** One client's processes. */
export class Session {
  readonly id: string = crypto.randomUUID();
  readonly onlookers = new Set<Onlooker>();
  readonly #options: SessionOptions;
  #processes: ProcessTable | undefined;
  #attachment: Attachment | undefined;
  /** When it is over if nobody attaches, by the clock that nobody sets; never while somebody is. */
  expiresAt: number = Number.POSITIVE_INFINITY;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Made when they are asked for: many a session has none. */
  get processes(): ProcessTable {
    this.#processes ??= this.#options.processTable({
      event: (process, event) => {
        if (this.#attachment) sendEvent(this.#attachment, process, event);
      },
      ready: () => this.#attachment?.ready(),
      attached: (processId) => {
        const onlookers = [...this.onlookers].filter((one) => one.follows(processId));
        return (this.#attachment ? 1 : 0) + onlookers.length;
      },
    });
    return this.#processes;
  }

  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  get attached(): boolean {
    return this.#attachment !== undefined;
  }

  /** Finds out whether the client is still there; if not, the session will be free in a moment. */
  probe(): void {
    this.#attachment?.probe(PROBE_MS);
  }

  attach(attachment: Attachment): void {
    this.#attachment = attachment;
    this.expiresAt = Number.POSITIVE_INFINITY;
  }

  /** Puts who is attached out of it. */
  takeOver(attachment: Attachment): void {
    const before = this.#attachment;
    this.#processes?.detach(takenOver());
    this.attach(attachment);
    before?.takenOver();
  }

  detach(): void {
    this.#attachment = undefined;
    this.#processes?.detach();
  }

  /** Settles when all of its children have been reaped; undefined where it has had none. */
  dispose(): Promise<void> | undefined {
    return this.#processes?.dispose();
  }
}

/** What a connection hears whose session another one has taken. */
export function takenOver(): RpcError {
  return new RpcError(rpcCode.invalidRequest, "session has been resumed by another connection");
}

/**
 * Sends a notification. It is put together by hand: base64 and our own words need no escaping, and `JSON.stringify` over
 * large pieces costs as much as all the rest.
 */
export function sendEvent(to: EventSink, process: ManagedProcess, event: ProcessEvent): void {
  const head = `"params":{"processId":${JSON.stringify(process.id)},"seq":${event.seq}`;
  switch (event.kind) {
    case "output":
      to.sendBase64(
        `{"method":"process/output",${head},"stream":"${event.stream}","chunk":"`,
        event.bytes,
        '"}}',
      );
      return;
    case "exited": {
      const more = `${member("signal", event.signal)}${member("endedBy", event.endedBy)}`;
      to.send(
        `{"method":"process/exited",${head},"exitCode":${event.exitCode},"sandboxDenied":${event.sandboxDenied}${more}}}`,
      );
      return;
    }
    case "closed":
      to.send(`{"method":"process/closed",${head}${member("endedBy", event.endedBy)}}}`);
  }
}

/** A member whose value is a word of ours. */
function member(name: string, word: string | undefined): string {
  return word === undefined ? "" : `,"${name}":"${word}"`;
}

/** Settings of the sessions of a server. */
export interface SessionOptions {
  /** Makes the table of a session's processes, with the first request for one. */
  processTable(observer: ProcessObserver): ProcessTable;
  /** How long a session without a connection lives. 0 ends it with its connection. @default {80_000} */
  detachedMs: number;
}

/** All sessions of a server. */
export class SessionStore {
  readonly #options: SessionOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #detached: Deadlines<Session>;
  /** Sessions whose processes have not all gone yet. */
  readonly #ending = new Set<Promise<void>>();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#detached = new Deadlines(options.detachedMs, (session) => this.#end(session));
  }

  /** A new session, attached. */
  create(attachment: Attachment): Session {
    const session = new Session(this.#options);
    this.#sessions.set(session.id, session);
    session.attach(attachment);
    return session;
  }

  /** @throws {RpcError} The id is not known, or somebody is attached and may not be put out. */
  resume(id: string, attachment: Attachment, { takesOver = false } = {}): Session {
    const session = this.find(id);
    if (session.attached && !takesOver) {
      // A connection that has died unseen would keep its own client out. Who asks again finds the session free.
      session.probe();
      throw new RpcError(rpcCode.sessionAttached, `session ${id} is already attached to another connection`);
    }
    this.#detached.stop(session);
    session.takeOver(attachment);
    return session;
  }

  /** @throws {RpcError} The id is not known. */
  find(id: string): Session {
    const session = this.#sessions.get(id);
    // A late timer does not make the session live longer.
    if (session && performance.now() >= session.expiresAt) this.#end(session);
    if (!session || !this.#sessions.has(id))
      throw new RpcError(rpcCode.invalidRequest, `unknown session id ${id}`);
    return session;
  }

  /** The connection has gone; if it had the session, that waits for another for a while. */
  detach(session: Session, attachment: Attachment): void {
    if (session.attachment !== attachment) return;
    session.detach();
    if (this.#options.detachedMs === 0) this.#end(session);
    else session.expiresAt = this.#detached.start(session);
  }

  /** Ends all sessions; settles when all children have been reaped. */
  async dispose(): Promise<void> {
    for (const session of this.#sessions.values()) this.#end(session);
    await Promise.all(this.#ending);
  }

  #end(session: Session): void {
    this.#detached.stop(session);
    this.#sessions.delete(session.id);
    session.detach();
    for (const onlooker of [...session.onlookers]) onlooker.ended();
    const end = session.dispose()?.finally(() => this.#ending.delete(end!));
    if (end) this.#ending.add(end);
  }
}
