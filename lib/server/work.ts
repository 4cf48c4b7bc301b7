/**
 * What a server does for connections after their handshake. Nothing else imports what does it, so that a server listens,
 * and greets its first client, before that is loaded (`listen.ts`).
 */

import type { HttpOptions } from "../http/handlers.ts";
import type { Message } from "../jsonrpc/message.ts";
import type { Cgroups } from "../process/cgroups.ts";
import { defaultProcessLimits, type ProcessLimits, ProcessTable } from "../process/handlers.ts";
import type { ProcessObserver } from "../process/process.ts";
import {
  type Handlers,
  requests,
  type ServerNotifications,
  serverNotifications,
} from "../protocol/methods.ts";
import type { Schema } from "../protocol/schema.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { sandboxInfo } from "../sandbox/ceiling.ts";
import { type Policy, unrestricted } from "../sandbox/policy.ts";
import { ConnectionWork, type Row, unknownMethod, type WorkLink } from "./connection_work.ts";
import type { InfoTexts } from "./info_texts.ts";
import { Observer } from "./observer.ts";
import { LateService, Services } from "./service.ts";
import type { Session } from "./session.ts";

/** What it can do, and how far. */
export interface WorkOptions {
  limits?: Partial<ProcessLimits> | undefined;
  http?: HttpOptions | undefined;
  ceiling?: Policy | undefined;
  cgroups?: Cgroups | undefined;
}

export class Work {
  readonly services: Services;
  /** The answer of `environment/info`. */
  readonly info: (raw: boolean) => string;
  /** For a new session. */
  readonly processTable: (observer: ProcessObserver) => ProcessTable;

  constructor(
    services: Services,
    info: (raw: boolean) => string,
    processTable: (observer: ProcessObserver) => ProcessTable,
  ) {
    this.services = services;
    this.info = info;
    this.processTable = processTable;
  }

  /** @throws {RpcError} There is no such method. */
  rowOf(method: string): Row {
    if (!Object.hasOwn(requests, method)) throw unknownMethod(method);
    return requests[method as keyof Handlers] as Row;
  }

  /** What a message has to wait for; undefined where it can be handled at once. */
  waitsFor(message: Message): Promise<unknown> | undefined {
    return message.kind === "request" ? this.services.of(message.method)?.waitsFor?.() : undefined;
  }

  /** Begins for a connection whose handshake is over. */
  open(link: WorkLink, session: Session): ConnectionWork {
    return new ConnectionWork(this, link, session);
  }

  /** The same for one that only looks on at the session. */
  observe(link: WorkLink, session: Session): ConnectionWork {
    return new ConnectionWork(this, link, session, new Observer(session, link));
  }

  /** The wire form of the parameters. */
  encode<N extends keyof ServerNotifications>(name: N, params: ServerNotifications[N]): unknown {
    const schema: Schema<unknown> = serverNotifications[name];
    return schema.encode(params);
  }
}

/** All of it, as options say. */
export function fullWork(runtime: Runtime, info: InfoTexts, options: WorkOptions): Work {
  const { ceiling = unrestricted, cgroups } = options;
  const limits = { ...defaultProcessLimits, ...options.limits };
  // Where the system's calls cannot be had the methods of files are not known.
  const hasFiles = runtime.hasFiles();
  const services: LateService[] = [];
  if (ceiling.network) {
    const load = async () => (await import("./http_service.ts")).httpService(runtime, options.http);
    services.push(new LateService("http/", load));
  }
  if (hasFiles) {
    const load = async () => (await import("./confined_files.ts")).confinedFiles(runtime, ceiling);
    services.push(new LateService("fs/", load));
  }
  const more = () => (hasFiles ? { sandbox: sandboxInfo(runtime) } : {});
  return new Work(
    new Services(services),
    (raw) => info.whole(raw, more),
    (observer) => new ProcessTable(runtime, observer, limits, ceiling, cgroups),
  );
}
