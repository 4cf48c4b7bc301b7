/** What file operations need of a connection: typed calls, the form of paths, and what the server can do. */

import type { CloseReason } from "../../jsonrpc/channel.ts";
import type { CallOptions } from "../../jsonrpc/peer.ts";
import type { Capabilities, EnvironmentInfo } from "../../protocol/environment.ts";
import { ExecServerError, hasCode, RpcError, rpcCode } from "../../protocol/errors.ts";
import type { Requests, ServerNotifications } from "../../protocol/methods.ts";
import { unlessAborted } from "../call_limit.ts";
import { attempt, FsError, fsError } from "./error.ts";
import { fromWire, type PathForm, textOfBytes, toWire } from "./path.ts";

/** What is needed of a client. */
export interface FsCaller {
  readonly capabilities: Readonly<Capabilities>;
  readonly connected: boolean;
  readonly closed: Promise<CloseReason>;
  info(): Promise<EnvironmentInfo>;
  call<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options?: CallOptions,
  ): Promise<Requests[M]["result"]>;
  onNotification<N extends keyof ServerNotifications>(
    method: N,
    listener: (params: ServerNotifications[N]) => void,
  ): () => void;
  onConnectionChange(listener: (change: { kind: "lost" | "resumed" }) => void): () => void;
}

/** Settings of every file operation. */
export interface FsOptions extends CallOptions {
  /** A confinement in the wire's form; the server refuses what it cannot enforce. */
  sandbox?: unknown;
}

/** A path as the caller has it. */
export type FsPath = string | URL;

/** The methods of files. */
export type FsMethod = Extract<keyof Requests, `fs/${string}`>;

/** What changes nothing, and belongs to no connection: it is asked again after a break. */
const repeatable: ReadonlySet<FsMethod> = new Set([
  "fs/readFile",
  "fs/getMetadata",
  "fs/canonicalize",
  "fs/readDirectory",
  "fs/walk",
  "fs/readLink",
  "fs/hash",
]);
const MAX_ATTEMPTS = 4;

/** Opens what carries file operations: always the same client, or the present one of an environment. */
export type FsConnect = () => Promise<FsCaller>;

/** One client, seen by file operations. */
export class FsSession {
  readonly caller: FsCaller;
  readonly info: EnvironmentInfo;

  private constructor(caller: FsCaller, info: EnvironmentInfo) {
    this.caller = caller;
    this.info = info;
  }

  static async open(connect: FsConnect): Promise<FsSession> {
    const caller = await connect();
    return new FsSession(caller, await caller.info());
  }

  /** A version says that paths are URIs. */
  get form(): PathForm {
    return this.info.executorVersion === undefined ? "native" : "uri";
  }

  can(capability: keyof Capabilities): boolean {
    return this.caller.capabilities[capability] ?? false;
  }

  /** Whether files can be read in blocks. Servers up to 0.138.0 have no handles. */
  get readsBlocks(): boolean {
    return this.form === "uri";
  }

  /** @throws {ExecServerError} `ERR_UNSUPPORTED` */
  need(capability: keyof Capabilities, what: string): void {
    if (this.can(capability)) return;
    throw new ExecServerError("ERR_UNSUPPORTED", `The server cannot ${what}: it lacks "${capability}"`);
  }

  /** @throws {FsError} `ERR_FS_PATH` */
  wire(path: FsPath, operation: FsMethod): string {
    try {
      return toWire(path, this.form);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const shown = shownPath(path);
      const details = { code: "ERR_FS_PATH", path: shown, operation, cause: error } as const;
      throw new FsError(`${attempt(operation, shown)}: ${error.message}`, details);
    }
  }

  /**
   * One request about one path, or about two.
   * @throws {FsError} The server's error.
   * @throws {ExecServerError} `ERR_DISCONNECTED`, `ERR_CALL_TIMEOUT`, `ERR_PROTOCOL`.
   */
  async call<M extends FsMethod>(
    method: M,
    params: Requests[M]["params"],
    about: { path: FsPath; destination?: FsPath },
    { sandbox, ...options }: FsOptions = {},
  ): Promise<Requests[M]["result"]> {
    const confined = sandbox === undefined ? params : { ...params, sandbox };
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.caller.call(method, confined, options);
        } catch (error) {
          if (!repeatable.has(method) || attempt === MAX_ATTEMPTS || !isCut(error)) throw error;
        }
      }
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (error.code === rpcCode.methodNotFound) {
        throw new ExecServerError("ERR_UNSUPPORTED", `The server does not know "${method}"`, {
          cause: error,
        });
      }
      const { path, destination } = about;
      throw fsError(error, {
        path: shownPath(path),
        ...(destination === undefined ? {} : { destination: shownPath(destination) }),
        operation: method,
      });
    }
  }

  /**
   * Opens a file. A server is not told that somebody has given that up, so what it opens all the same is closed then.
   * Throws as {@link call} does.
   */
  async openFile(
    params: Requests["fs/open"]["params"],
    path: FsPath,
    { signal, ...options }: FsOptions,
  ): Promise<void> {
    signal?.throwIfAborted();
    const opening = this.call("fs/open", params, { path }, options);
    try {
      await unlessAborted(opening, signal);
    } catch (error) {
      const close = () => this.call("fs/close", { handleId: params.handleId }, { path });
      (hasCode(error, "ERR_CALL_TIMEOUT") ? close() : opening.then(close)).catch(() => {});
      throw error;
    }
  }
}

export function shownPath(path: FsPath): string {
  return path instanceof URL ? fromWire(path.href) : path;
}

/** A name of the wire, with the bytes that came beside it where it has none of its own. */
export function nameOf(text: string, bytes: Uint8Array | undefined): string {
  return bytes === undefined ? text : textOfBytes(bytes);
}

/** The connection is lost, or an open file with it: what was begun can be begun again. */
export function isCut(error: unknown): boolean {
  if (error instanceof ExecServerError) return error.code === "ERR_DISCONNECTED";
  return (
    error instanceof FsError && /unknown file handle/.test((error.cause as Error | undefined)?.message ?? "")
  );
}

let lastHandle = 0;

/** An id that no other open file, watch or search of this program has. */
export function freshId(kind: string): string {
  return `${kind}-${++lastHandle}`;
}
