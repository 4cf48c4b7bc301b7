/** `fs/hash`: the digest of a file or of a part of it. */

import type { HashResult } from "../protocol/fs_blocks.ts";
import { newHasher } from "../runtime/digest.ts";
import type { FileCalls } from "../runtime/file_calls.ts";
import { turnOfOthers } from "../runtime/turn.ts";
import { openToRead } from "./contents.ts";

const PIECE_BYTES = 256 * 1024;

/** @param stopped Asked between pieces; the digest of a client that has gone is of no use. */
export async function hashFile(
  files: FileCalls,
  path: string,
  range: { offset: number; length: number; follow: boolean },
  stopped: () => boolean,
): Promise<HashResult> {
  const fd = openToRead(files, path, range.follow);
  try {
    const { size } = files.fstat(fd);
    const hash = newHasher("sha256");
    const piece = new Uint8Array(PIECE_BYTES);
    let length = 0;
    while (length < range.length && !stopped()) {
      const wanted = piece.subarray(0, Math.min(PIECE_BYTES, range.length - length));
      const count = await files.preadSoon(fd, wanted, range.offset + length);
      if (count === 0) break;
      hash.update(wanted.subarray(0, count));
      length += count;
      const turn = turnOfOthers();
      if (turn) await turn;
    }
    return { sha256: hash.digest().toHex(), length, size };
  } finally {
    files.close(fd);
  }
}
