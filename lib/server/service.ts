/** Families of methods that belong to a connection, not to its session: they begin and end with it. */

import type { ClientNotifications, Handlers, ServerNotifications } from "../protocol/methods.ts";
import { Loader } from "./loader.ts";

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
  /** Settles when nothing is left of what its connections, all over by now, have begun. */
  ended?(): Promise<unknown>;
  /** What has to settle before a first request; undefined where there is nothing to wait for. */
  waitsFor?(): Promise<unknown> | undefined;
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

/** A service that is loaded for the first request. */
export class LateService implements Service {
  readonly prefix: string;
  readonly #loader: Loader<Service>;

  constructor(prefix: string, load: () => Promise<Service>) {
    this.prefix = prefix;
    this.#loader = new Loader(load);
  }

  waitsFor(): Promise<unknown> | undefined {
    return this.#loader.wait();
  }

  async ended(): Promise<void> {
    await this.#loader.loaded?.ended?.();
  }

  open(link: ConnectionLink): OpenService {
    return this.#loader.get().open(link);
  }
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

  async ended(): Promise<void> {
    await Promise.all(this.#all.map((service) => service.ended?.()));
  }
}
