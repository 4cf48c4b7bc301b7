/** Families of methods that belong to a connection, not to its session: they begin and end with it. */

import type { Capabilities, EnvironmentInfo } from "../protocol/environment.ts";
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
  /** What it adds to what is advertised. */
  readonly capabilities: Readonly<Capabilities>;
  /** And what besides where the connection can send bytes raw. */
  readonly rawCapabilities?: Readonly<Capabilities>;
  /** What it adds to the answer of `environment/info`; asked for there only, as it may take some time. */
  info?(): Partial<EnvironmentInfo>;
  /** Settles when nothing is left of what its connections, all over by now, have begun. */
  ended?(): Promise<unknown>;
  /** Begins on a connection that has been initialised. */
  open(link: ConnectionLink): OpenService;
}

/** A service on one connection. */
export interface OpenService {
  readonly handlers: Partial<Handlers>;
  readonly notifications?: {
    readonly [N in keyof ClientNotifications]?: (params: ClientNotifications[N]) => void;
  };
  /** The connection is over. */
  dispose(): void;
}
