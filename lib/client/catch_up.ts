/** Reads what a process has put out while nobody was attached. */

import type { ReadParams, ReadResult } from "../protocol/process.ts";
import type { Process } from "./process.ts";

/** In pieces, so that a connection that breaks again has brought something; they grow while it holds. */
const FIRST_PIECE_BYTES = 32 * 1024;
const MAX_PIECE_BYTES = 1024 * 1024;
/** More than servers keep: what is put out so fast that it takes longer comes by itself by now. */
const MAX_BYTES = 16 * 1024 * 1024;

/** A connection, or a client whose reads wait for the next one. */
export interface Reader {
  call(method: "process/read", params: ReadParams): Promise<ReadResult>;
}

/**
 * Brings the events of a process up to now.
 * @throws {RpcError} The server does not know the process.
 * @throws {ExecServerError} `ERR_DISCONNECTED`: what came was kept.
 */
export async function catchUp(reader: Reader, process: Process): Promise<void> {
  const processId = process.id;
  let bytes = 0;
  for (
    let maxBytes = FIRST_PIECE_BYTES;
    bytes < MAX_BYTES;
    maxBytes = Math.min(2 * maxBytes, MAX_PIECE_BYTES)
  ) {
    const afterSeq = process.lastSeq;
    const piece = await reader.call("process/read", { processId, afterSeq, maxBytes });
    for (const { seq, stream, chunk } of piece.chunks) {
      bytes += chunk.length;
      process.accept({ kind: "output", seq, stream, bytes: chunk });
    }
    if (process.lastSeq === afterSeq) break;
  }
  // What is left is a hole, or the end: both show in an answer without a limit only.
  const afterSeq = process.lastSeq;
  process.fill(await reader.call("process/read", { processId, afterSeq }), afterSeq);
}
