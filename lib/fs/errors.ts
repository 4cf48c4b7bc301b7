/** Failures of the system as the wire has them (docs/protocol.md, "Error codes"). */

import { RpcError, rpcCode } from "../protocol/errors.ts";
import { SystemError } from "../runtime/file_calls.ts";
import { errnoByName } from "../runtime/os_error.ts";
import { type PathForm, pathText } from "./wire_path.ts";

/** The code of the wire by the kind of failure; all others are internal errors. */
const codes: Record<string, number> = {
  ENOENT: rpcCode.notFound,
  EACCES: rpcCode.invalidRequest,
  EPERM: rpcCode.invalidRequest,
  EINVAL: rpcCode.invalidRequest,
};

/** A failure with what is known of it in `data`; anything but a failure of the system is passed on. */
export function wireError(error: unknown, path: string, form: PathForm): unknown {
  if (!(error instanceof SystemError)) return error;
  return new RpcError(
    codes[error.code] ?? rpcCode.internal,
    error.message,
    { errno: error.code, path: pathText(error.path ?? path, form) },
    { cause: error },
  );
}

/** A rule of ours or of the peer that the request breaks. */
export function refused(message: string): RpcError {
  return new RpcError(rpcCode.invalidRequest, message);
}

export function systemError(code: string, path?: string): SystemError {
  return new SystemError(errnoByName.get(code)!, path);
}

/** Whether it is one of these failures of the system. */
export function isSystemError(
  error: unknown,
  ...codes: readonly [string, ...string[]]
): error is SystemError {
  return error instanceof SystemError && codes.includes(error.code);
}
