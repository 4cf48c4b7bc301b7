/** Reads what a process has put out while nobody was attached. */

import type { Connection } from "./connection.ts";
import type { Process } from "./process.ts";

/** In pieces, so that a connection that breaks again has brought something. */
const PIECE_BYTES = 256 * 1024;

/**
 * Brings the events of a process up to now.
 * @throws {RpcError} The server does not know the process.
 * @throws {ExecServerError} `ERR_DISCONNECTED`: what came was kept.
 */
export async function catchUp(connection: Connection, process: Process): Promise<void> {
  const processId = process.id;
  for (;;) {
    const afterSeq = process.lastSeq;
    const piece = await connection.call("process/read", { processId, afterSeq, maxBytes: PIECE_BYTES });
    for (const { seq, stream, chunk } of piece.chunks)
      process.accept({ kind: "output", seq, stream, bytes: chunk });
    if (process.lastSeq === afterSeq) break;
  }
  // What is left is a hole, or the end: both show in an answer without a limit only.
  const afterSeq = process.lastSeq;
  process.fill(await connection.call("process/read", { processId, afterSeq }), afterSeq);
}
