/** The two families of errors: what crosses the wire, and everything else that can go wrong here. */

/** Error codes of the wire (docs/protocol.md, "Error codes"). */
export const rpcCode = {
  /** Malformed message (then with id −1), handshake order, unknown session or process id, duplicate id. */
  invalidRequest: -32600,
  /** The method is not known. */
  methodNotFound: -32601,
  /** The parameters do not decode. */
  invalidParams: -32602,
  /** The operation failed here: a spawn error with the text of the operating system, an internal fault. */
  internal: -32603,
  /** A file or folder does not exist. */
  notFound: -32004,
  /** The session to resume is attached to another connection. */
  sessionAttached: -32010,
} as const;

/** An error that crosses the wire: an answer `{code, message, data?}` to a request. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.data = data;
  }
}

/** Stable codes of {@link ExecServerError}. Callers compare these, never texts. */
export type ErrorCode =
  /** A flag, a value or a combination of them that the command line does not take. */
  | "ERR_USAGE"
  /** `environments.toml`, `CODEX_HOME` or a variable of the configuration is not right. */
  | "ERR_CONFIG"
  /** No environment of that id is configured. */
  | "ERR_UNKNOWN_ENVIRONMENT"
  /** No environment was named and there is no default. */
  | "ERR_NO_DEFAULT_ENVIRONMENT"
  /** The server could not be reached or refused the websocket upgrade. */
  | "ERR_CONNECT"
  /** No connection within the connect timeout. */
  | "ERR_CONNECT_TIMEOUT"
  /** No answer to `initialize` within the initialize timeout. */
  | "ERR_INITIALIZE_TIMEOUT"
  /** The answer, or something the server sent, is not what the protocol says. */
  | "ERR_PROTOCOL"
  /** The connection ended; what was pending has an unknown outcome. */
  | "ERR_DISCONNECTED"
  /** A deadline given for one call has passed. */
  | "ERR_CALL_TIMEOUT"
  /** A process id is in use already on this client. */
  | "ERR_DUPLICATE_PROCESS"
  /** Output is missing that the server has given up. */
  | "ERR_OUTPUT_GAP"
  /** The body of an HTTP answer is not whole. */
  | "ERR_HTTP_BODY"
  /** The process takes no input: it has none, has closed it, or has ended. */
  | "ERR_STDIN_CLOSED"
  /** No session of that id: it never was, has been told of to its end, or was forgotten. */
  | "ERR_UNKNOWN_SESSION"
  /** As many sessions as are allowed are running. */
  | "ERR_TOO_MANY_SESSIONS"
  /** The listener could not be opened, or was refused as unsafe. */
  | "ERR_LISTEN"
  /** The program could not be started. */
  | "ERR_SPAWN"
  /** This runtime or operating system cannot do it. */
  | "ERR_UNSUPPORTED"
  /** The object was closed by its owner. */
  | "ERR_CLOSED";

/** Any failure that is not an answer of the server. */
export class ExecServerError extends Error {
  override readonly name = "ExecServerError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether it is one of ours, with this code. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof ExecServerError && error.code === code;
}
