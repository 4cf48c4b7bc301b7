/** Copies one file: within a server, or from one to another in blocks, over breaks of either connection. */

import type { FileInfo } from "../client/fs/entries.ts";
import { FsError } from "../client/fs/error.ts";
import { isCut } from "../client/fs/link.ts";
import { looksSame, statIfThere } from "./same.ts";
import { isSamePlace, type Location, locationText } from "./target.ts";

/** Files up to this size go by one request each way. */
const SMALL_BYTES = 1024 * 1024;
/** What is compared at once when a copy is taken up again. */
const COMPARE_BYTES = 64 * 1024 * 1024;
const BLOCK_BYTES = 1024 * 1024;
/** How often a file is begun anew where nothing can go on in the middle. */
const MAX_BEGINS = 3;

export interface FileJob {
  from: Pick<Location, "place" | "path">;
  to: Pick<Location, "place" | "path">;
  info: FileInfo;
  /** Goes on behind what is there and the same. */
  resume: boolean;
  signal?: AbortSignal;
  /** More bytes are done; less than 0 when the file is begun anew. */
  onBytes(bytes: number): void;
  /** Bytes that were there already. */
  onSkip(bytes: number): void;
  /** Something that is worth a line. */
  onWarning(text: string): void;
}

/** @throws {FsError} @throws {ExecServerError} */
export async function copyFile(job: FileJob): Promise<void> {
  const { from, to, info, signal } = job;
  const options = signal ? { signal } : {};
  if (isSamePlace(from.place, to.place)) {
    await from.place.fs.copy(from.path, to.path, options);
    job.onBytes(info.size ?? 0);
    return;
  }
  const keepBytes = job.resume ? await goodBytes(job) : 0;
  if (keepBytes > 0) {
    job.onSkip(keepBytes);
    if (keepBytes === info.size) return;
  }
  const isSmall = keepBytes === 0 && info.size !== null && info.size <= SMALL_BYTES;
  // A small file is here as a whole before it is written.
  if (!isSmall && keepBytes === 0 && (await isItself(job))) {
    job.onSkip(info.size ?? 0);
    return;
  }
  for (let begins = 1; ; begins++) {
    let done = 0;
    const onBytes = (bytes: number): void => {
      done += bytes;
      job.onBytes(bytes);
    };
    try {
      await (isSmall ? copySmall(job, onBytes) : copyBlocks(job, keepBytes, onBytes));
      return;
    } catch (error) {
      if (!isCut(error) || begins >= MAX_BEGINS || keepBytes > 0) throw error;
      job.onBytes(-done);
      job.onWarning(`"${locationText(to)}" is begun anew, as the connection broke`);
    }
  }
}

async function copySmall({ from, to, signal }: FileJob, onBytes: (bytes: number) => void): Promise<void> {
  const options = signal ? { signal } : {};
  const bytes = await from.place.fs.readFile(from.path, { atOnce: true, ...options });
  await to.place.fs.writeFile(to.path, bytes, options);
  onBytes(bytes.length);
}

async function copyBlocks(job: FileJob, keepBytes: number, onBytes: (bytes: number) => void): Promise<void> {
  const { from, to, signal } = job;
  const options = signal ? { signal } : {};
  const reader = await from.place.fs.openReader(from.path, { offset: keepBytes, ...options });
  const writer = await to.place.fs.openWriter(to.path, { keepBytes, ...options });
  if (!reader || !writer) {
    reader?.close();
    writer?.abort();
    const target = to.place.fs.writable(to.path, { keepBytes, ...options });
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        onBytes(bytes.length);
        controller.enqueue(bytes);
      },
    });
    await from.place.fs
      .readable(from.path, { offset: keepBytes, ...options })
      .pipeThrough(count)
      .pipeTo(target, options);
    return;
  }
  try {
    for (let block = await reader.next(); block; block = await reader.next()) {
      await writer.write(block);
      onBytes(block.length);
    }
    await writer.close();
  } catch (error) {
    reader.close();
    writer.abort();
    throw error;
  }
  if (reader.cuts + writer.cuts > 0) await verify(job);
}

/** After a break both ends say what they have. */
async function verify({ from, to, signal, onWarning }: FileJob): Promise<void> {
  const ends = [from, to];
  if (!(await canCompare(ends))) {
    onWarning(`"${locationText(to)}" was not compared after the break: one of the servers cannot hash`);
    return;
  }
  if (await areSame(ends, signal ? { signal } : {})) return;
  throw new FsError(`Cannot copy to "${locationText(to)}": after a break it is not the same as its source`, {
    code: "ERR_FS_CHANGED",
    path: to.path,
    operation: "fs/writeBlock",
  });
}

/**
 * Whether the destination is the source, or as good as that: two environments may lead to one file, by whatever names, and
 * a file that is copied onto itself would be emptied before it is read.
 * @throws {FsError} It may be, and the servers cannot tell.
 */
async function isItself({ from, to, info, signal }: FileJob): Promise<boolean> {
  const options = signal ? { signal } : {};
  const there = await statIfThere(to, options);
  if (!there || !looksSame(there, info)) return false;
  const ends = [from, to];
  if (!(await canCompare(ends))) {
    const text = `"${locationText(to)}" has the same size and time and may be the same file: remove it if it is another`;
    throw new FsError(`Cannot copy "${locationText(from)}": ${text}`, {
      code: "EEXIST",
      path: from.path,
      operation: "fs/copy",
    });
  }
  return await areSame(ends, options);
}

/** Whether the servers of both can hash. */
async function canCompare(ends: readonly FileJob["from"][]): Promise<boolean> {
  return (await Promise.all(ends.map(({ place }) => place.fs.can("fsHash")))).every(Boolean);
}

async function areSame(
  ends: readonly FileJob["from"][],
  options: { signal?: AbortSignal },
): Promise<boolean> {
  const [a, b] = await Promise.all(ends.map(({ place, path }) => place.fs.hash(path, options)));
  return a!.sha256 === b!.sha256;
}

/** How many bytes of the destination are those of the source, in whole blocks unless it is all. */
async function goodBytes({ from, to, info, signal, onWarning }: FileJob): Promise<number> {
  const options = signal ? { signal } : {};
  const there = await statIfThere(to, options);
  if (!there?.isFile || there.size === 0) return 0;
  const ends = [from, to];
  if (there.size === null || info.size === null || !(await canCompare(ends))) {
    onWarning(`"${locationText(to)}" is copied anew: one of the servers cannot hash`);
    return 0;
  }
  // Longer than its source it is no half of it.
  if (there.size > info.size) return 0;
  const same = async (offset: number, length: number): Promise<boolean> => {
    const [a, b] = await Promise.all(
      ends.map(({ place, path }) => place.fs.hash(path, { offset, length, ...options })),
    );
    return a!.sha256 === b!.sha256 && a!.length === length && b!.length === length;
  };
  return await commonBytes(there.size, same);
}

/** How far two files are the same, to a block: big pieces first, then halves of the piece that differs. */
export async function commonBytes(
  size: number,
  same: (offset: number, length: number) => Promise<boolean>,
): Promise<number> {
  let good = 0;
  let step = COMPARE_BYTES;
  while (good < size) {
    const length = Math.min(step, size - good);
    if (await same(good, length)) {
      good += length;
      continue;
    }
    if (length <= BLOCK_BYTES) break;
    step = Math.max(BLOCK_BYTES, Math.floor(length / 2 / BLOCK_BYTES) * BLOCK_BYTES);
  }
  return good;
}
