/** Checks of what a start asks for, and the errors that they end with. */

import { RpcError, rpcCode } from "../protocol/errors.ts";
import { pathFromWire } from "../protocol/path_uri.ts";
import { DecodeError } from "../protocol/schema.ts";
import { SpawnError } from "../runtime/runtime.ts";

const MAX_TERMINAL_SIDE = 65_535;

export function decodeCwd(cwd: string): string {
  try {
    return pathFromWire(cwd);
  } catch (error) {
    if (error instanceof DecodeError) throw invalid(`cwd: ${error.message}`);
    throw error;
  }
}

export function decodeSize({ columns, rows }: { columns: number; rows: number }): {
  columns: number;
  rows: number;
} {
  if (columns < 1 || rows < 1 || columns > MAX_TERMINAL_SIDE || rows > MAX_TERMINAL_SIDE) {
    throw invalid(`terminal size ${columns}x${rows}: expected 1 to ${MAX_TERMINAL_SIDE} columns and rows`);
  }
  return { columns, rows };
}

/** What the system says of a program is told with its number. */
export function startError(error: unknown): unknown {
  if (!(error instanceof SpawnError)) return error;
  return new RpcError(rpcCode.internal, error.message, { errno: error.errno });
}

export function refuseNul(texts: readonly string[]): void {
  if (texts.some((text) => text.includes("\0"))) {
    throw new RpcError(rpcCode.internal, "nul byte found in provided data");
  }
}

export function invalid(message: string): RpcError {
  return new RpcError(rpcCode.invalidParams, message);
}
