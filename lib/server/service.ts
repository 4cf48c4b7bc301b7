/** Families of methods that belong to a connection, not to its session: they begin and end with it. */

import type { EnvironmentInfo } from "../protocol/environment.ts";
import type { ClientNotifications, Handlers, ServerNotifications } from "../protocol/methods.ts";

/** The connection, as its services see it. */
export interface ConnectionLink {
  /** Sends a message. Ignored after the end. */
  send(text: string): void;
  /** Sends a message of which the bytes between head and tail are to be base64; they are the caller's again. */
  sendBase64(head: string, bytes: Uint8Array, tail: string): void;
  /** Sends a notification. Ignored after the end. */
  notify<N extends keyof ServerNotifications>(name: N, params: ServerNotifications[N]): void;
  /** Nothing when more may be sent, else a promise for when it may, or for the end of the connection. */
  ready(): Promise<void> | undefined;
  /** Stops reading what the client sends until the answer is called, and whoever else holds it has let go as well. */
  hold(): () => void;
}

/** What a server offers on each of its connections. */
export interface Service {
  /** How the methods and notifications begin that are for it: `fs/`. */
  readonly prefix: string;
  /** What it adds to the answer of `environment/info`; asked for there only, as it may take some time. */
  info?(): Partial<EnvironmentInfo>;
  /** Settles when nothing is left of what its connections, all over by now, have begun. */
  ended?(): Promise<unknown>;
  /** Begins on a connection, with the first request for it. */
  open(link: ConnectionLink): OpenService;
}

/** A service on one connection. */
export interface OpenService {
  /** Answers a request, as the handler of the method would. */
  request(method: keyof Handlers, params: unknown): unknown;
  notification?(name: keyof ClientNotifications, params: unknown): void;
  /** The connection is over. */
  dispose(): void;
}

/** The services of a server. */
export class Services {
  readonly #all: readonly Service[];

  constructor(all: readonly Service[] = []) {
    this.#all = all;
  }

  /** The one that a method or notification is for. */
  of(method: string): Service | undefined {
    for (const service of this.#all) if (method.startsWith(service.prefix)) return service;
    return undefined;
  }

  /** What all of them add to the answer of `environment/info`. */
  info(): Partial<EnvironmentInfo> {
    return Object.assign({}, ...this.#all.map((service) => service.info?.()));
  }

  async ended(): Promise<void> {
    await Promise.all(this.#all.map((service) => service.ended?.()));
  }
}
