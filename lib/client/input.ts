/** Feeds the input of a process from a byte source, as fast as the process takes it. */

import { Buffer } from "node:buffer";
import type { ByteSource } from "../runtime/runtime.ts";
import type { Process } from "./process.ts";

/** Writes that may wait for their answers. */
const MAX_UNANSWERED = 16;
const MAX_WRITE_BYTES = 64 * 1024;
/** Bytes of one line of base64 below; a multiple of three. */
const LINE_BYTES = 3 * 1024;

/** How the process takes its input. */
export interface InputOptions {
  /** It was started through {@link wrapForEndOfInput}. */
  wrapped: boolean;
}

/**
 * Writes everything and settles when the server has taken all of it, or when the process takes no more.
 * @throws {ExecServerError} `ERR_DISCONNECTED`
 * @throws {RpcError} The server refused a write.
 */
export async function writeAllInput(
  process: Process,
  source: ByteSource,
  options: InputOptions,
): Promise<void> {
  const unanswered: Promise<boolean>[] = [];
  let open = true;
  const write = async (bytes: Uint8Array): Promise<void> => {
    const answer = process.write(bytes).then((status) => status === "accepted");
    // Looked at later; until then a rejection is nobody's.
    answer.catch(() => {});
    unanswered.push(answer);
    if (unanswered.length >= MAX_UNANSWERED) open = (await unanswered.shift()!) && open;
  };
  for (let bytes = await source.read(); bytes && open; bytes = await source.read()) {
    const step = options.wrapped ? MAX_WRITE_BYTES - (MAX_WRITE_BYTES % LINE_BYTES) : MAX_WRITE_BYTES;
    for (let start = 0; start < bytes.length && open; start += step) {
      const piece = bytes.subarray(start, start + step);
      await write(options.wrapped ? base64Lines(piece) : piece);
    }
  }
  if (options.wrapped && open) await write(Buffer.from(".\n"));
  await Promise.all(unanswered);
}

/**
 * A command line that gives the command an end of input on servers that cannot close a pipe: a shell there reads
 * lines of base64 up to a line with a dot. Needs `sh`, `sed` and `base64` there; input reaches the command in
 * blocks, and the exit status is the command's as a shell tells it.
 */
export function wrapForEndOfInput(argv: readonly string[]): string[] {
  return ["/bin/sh", "-c", `sed -n -e '/^[.]$/q' -e p | base64 -d | "$@"`, "sh", ...argv];
}

function base64Lines(bytes: Uint8Array): Uint8Array {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += LINE_BYTES) {
    lines.push(bytes.subarray(start, start + LINE_BYTES).toBase64(), "\n");
  }
  return Buffer.from(lines.join(""));
}
