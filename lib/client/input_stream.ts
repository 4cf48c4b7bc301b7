/** The input of a process as a stream, as fast as the server takes it. */

import { ExecServerError } from "../protocol/errors.ts";
import type { Process } from "./process.ts";

/** What is needed of a process. */
export type InputTarget = Pick<Process, "write">;

/** Writes that may wait for their answers. */
const MAX_UNANSWERED = 16;
const MAX_WRITE_BYTES = 64 * 1024;

/**
 * Writes all bytes, in pieces of up to 64 KiB of which up to 16 wait for their answers, and settles when the server
 * has answered to all.
 * @throws {ExecServerError} `ERR_STDIN_CLOSED`, `ERR_DISCONNECTED`: how much arrived is not known.
 * @throws {RpcError} The server refused a write.
 */
export async function writeInput(process: InputTarget, bytes: Uint8Array): Promise<void> {
  const unanswered: Promise<void>[] = [];
  for (let start = 0; start < bytes.length; start += MAX_WRITE_BYTES) {
    const answer = writePiece(process, bytes.subarray(start, start + MAX_WRITE_BYTES));
    // Looked at later; until then a rejection is nobody's.
    answer.catch(() => {});
    if (unanswered.push(answer) >= MAX_UNANSWERED) await unanswered.shift();
  }
  await Promise.all(unanswered);
}

/** The stream of {@link Process.stdin}. */
export function inputStream(
  process: Pick<Process, "write" | "closeStdin" | "terminate">,
): WritableStream<Uint8Array> {
  let killed: Promise<unknown> | undefined;
  return new WritableStream<Uint8Array>(
    {
      start(controller) {
        // At once, not when the write on its way is answered: the process may not take it for ever.
        controller.signal.addEventListener("abort", () => {
          killed = process.terminate();
          killed.catch(() => {});
        });
      },
      write: (bytes) => writeInput(process, bytes),
      async close() {
        // A program that has ended, or takes no more, is as closed as can be.
        await process.closeStdin();
      },
      async abort() {
        await killed;
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_WRITE_BYTES }),
  );
}

async function writePiece(process: InputTarget, bytes: Uint8Array): Promise<void> {
  const status = await process.write(bytes);
  if (status === "accepted") return;
  throw new ExecServerError(
    "ERR_STDIN_CLOSED",
    `The process takes no input: the server answered "${status}"`,
  );
}
