/** What a file operation fails with: the server's answer, with the name that the operating system has for it. */

import { type RpcError, rpcCode } from "../../protocol/errors.ts";
import { errnoName } from "../../runtime/os_error.ts";

/** `code` of a {@link FsError}: the system's name for it, or one of ours. */
export type FsErrorCode =
  /** `ENOENT`, `EACCES`, `EEXIST`, `ENOTDIR`, `EISDIR`, `ENOTEMPTY`, `ELOOP`, `ENOSPC`, … */
  | `E${Uppercase<string>}`
  /** The server does not do that: a size, a kind of file or a value that it does not take. */
  | "ERR_FS_REFUSED"
  /** It failed there for a reason without a name. */
  | "ERR_FS_FAILED"
  /** The path is not one that can be sent. */
  | "ERR_FS_PATH"
  /** The file is no longer the one that was begun with. */
  | "ERR_FS_CHANGED"
  /** The bytes are not UTF-8. */
  | "ERR_FS_NOT_TEXT";

export interface FsErrorDetails {
  code: FsErrorCode;
  /** As the caller had it. */
  path: string;
  /** Of a copy, a rename or a link: the other path. */
  destination?: string;
  /** Method of the protocol: `fs/readFile`. */
  operation: string;
  cause?: unknown;
}

/** A file operation that the server has answered with an error, or that cannot be done with that path. */
export class FsError extends Error {
  override readonly name = "FsError";
  /** Callers compare this, never the text. */
  readonly code: FsErrorCode;
  readonly path: string;
  readonly destination: string | undefined;
  readonly operation: string;

  constructor(message: string, details: FsErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.path = details.path;
    this.destination = details.destination;
    this.operation = details.operation;
  }
}

const verbs: Readonly<Record<string, string>> = {
  "fs/readFile": "read",
  "fs/readBlock": "read",
  "fs/writeFile": "write",
  "fs/writeBlock": "write",
  "fs/open": "open",
  "fs/close": "close",
  "fs/createDirectory": "make the directory",
  "fs/getMetadata": "look at",
  "fs/canonicalize": "resolve",
  "fs/readDirectory": "list",
  "fs/walk": "walk",
  "fs/remove": "remove",
  "fs/copy": "copy",
  "fs/rename": "rename",
  "fs/chmod": "set the mode of",
  "fs/setTimes": "set the times of",
  "fs/symlink": "make the link",
  "fs/readLink": "read the link",
  "fs/hash": "hash",
  "fs/watch": "watch",
  "fs/search": "search",
};

/** `Cannot read "/srv/a"`, for errors. */
export function attempt(operation: string, path: string, destination?: string): string {
  const verb = verbs[operation] ?? `do "${operation}" with`;
  return `Cannot ${verb} "${path}"${destination === undefined ? "" : ` to "${destination}"`}`;
}

/** The server's answer as a {@link FsError}. */
export function fsError(error: RpcError, details: Omit<FsErrorDetails, "code" | "cause">): FsError {
  const { path, destination, operation } = details;
  return new FsError(`${attempt(operation, path, destination)}: ${error.message}`, {
    ...details,
    code: codeOf(error),
    cause: error,
  });
}

function codeOf(error: RpcError): FsErrorCode {
  const { data } = error;
  const named = typeof data === "object" && data !== null ? (data as { errno?: unknown }).errno : undefined;
  if (typeof named === "string" && /^E[A-Z0-9]+$/.test(named)) return named as FsErrorCode;
  const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
  if (number !== undefined) return errnoName(Number(number)) as FsErrorCode;
  if (error.code === rpcCode.notFound) return "ENOENT";
  if (error.code === rpcCode.invalidRequest || error.code === rpcCode.invalidParams) return "ERR_FS_REFUSED";
  return "ERR_FS_FAILED";
}
