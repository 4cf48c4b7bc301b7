/** What a file command is, whoever calls it: the command line or the prompt. */

import { FsError } from "../client/fs/error.ts";
import { ExecServerError, RpcError } from "../protocol/errors.ts";
import { printable } from "./format.ts";
import { type Location, located } from "./target.ts";

/** Where results go. */
export interface Output {
  /** One line of the result. A name in it that is not UTF-8 goes out as its bytes. */
  line(text: string): void;
  /** Bytes of the result as they are. @throws {Error} Nobody reads them any more. */
  bytes(bytes: Uint8Array): Promise<void>;
  /** One line about something that went wrong, or that is worth knowing. */
  say(text: string): void;
  /** A line that is written over and taken away at the end. Absent where nobody watches. */
  readonly status?: { readonly columns: number; show(text: string | undefined): void };
  /** Width of the terminal that results go to; undefined when it is none. */
  readonly columns: number | undefined;
}

/** What a command works with. */
export interface FileContext {
  /**
   * Where a word leads; `environment` is meant where the word names none.
   * @throws {ExecServerError} `ERR_USAGE`, `ERR_UNKNOWN_ENVIRONMENT`, and those of connecting.
   */
  locate(text: string, environment?: string, role?: "source" | "destination"): Promise<Location>;
  readonly output: Output;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Exit statuses of file commands. */
export const fileStatus = { ok: 0, failed: 1, interrupted: 130 } as const;

export function usageError(text: string): ExecServerError {
  return new ExecServerError("ERR_USAGE", text);
}

/** The message of an error, with the environment in front of the path. */
export function problemText(error: Error, location?: Pick<Location, "place" | "path">): string {
  return printableText((location ? located(error, location) : error).message);
}

/** Whether it is about this one path, so that others can go on. */
export function isOneFailure(error: unknown): error is Error {
  if (error instanceof FsError || error instanceof RpcError) return true;
  return error instanceof ExecServerError && error.code !== "ERR_USAGE";
}

/**
 * Does something with each path; a failure of one is said, and the others go on.
 * @returns The status.
 */
export async function forEachPath(
  { locate, output, signal }: FileContext,
  words: readonly string[],
  each: (location: Location, word: string) => Promise<void>,
): Promise<number> {
  let status: number = fileStatus.ok;
  for (const word of words) {
    if (signal.aborted) return fileStatus.interrupted;
    let location: Location | undefined;
    try {
      location = await locate(word);
      await each(location, word);
    } catch (error) {
      if (signal.aborted) return fileStatus.interrupted;
      if (!isOneFailure(error)) throw error;
      output.say(problemText(error, location));
      status = fileStatus.failed;
    }
  }
  return status;
}

function printableText(text: string): string {
  return text.split("\n").map(printable).join(" ");
}
