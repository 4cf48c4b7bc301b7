/** Files as streams: in blocks where the server has open files, else as a whole. */

import { ExecServerError } from "../../protocol/errors.ts";
import { BLOCK_BYTES, BlockReader, type ReadRange, readWhole } from "./block_reader.ts";
import { BlockWriter, type WriteOptions } from "./block_writer.ts";
import { attempt } from "./error.ts";
import { type FsConnect, type FsOptions, type FsPath, FsSession, shownPath } from "./link.ts";

/** A file as a stream, opened when the first bytes are asked for. */
export function readablePath(
  connect: FsConnect,
  path: FsPath,
  options: ReadRange,
): ReadableStream<Uint8Array> {
  let source: { next(): Promise<Uint8Array | null>; close(): void } | undefined;
  let isCancelled = false;
  const open = async (): Promise<NonNullable<typeof source>> => {
    const session = await FsSession.open(connect);
    if (session.readsBlocks) return new BlockReader(connect, path, options);
    return piecesOf(await readWhole(session, path, options), options.signal);
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        source ??= await open();
        if (isCancelled) return;
        const bytes = await source.next();
        if (bytes === null) controller.close();
        else controller.enqueue(bytes);
      },
      cancel() {
        isCancelled = true;
        source?.close();
      },
    },
    // What is read ahead waits in the reader.
    { highWaterMark: 0 },
  );
}

function piecesOf(
  whole: Uint8Array,
  signal: AbortSignal | undefined,
): { next(): Promise<Uint8Array | null>; close(): void } {
  let rest = whole;
  return {
    async next() {
      signal?.throwIfAborted();
      const piece = rest.slice(0, BLOCK_BYTES);
      rest = rest.subarray(piece.length);
      return piece.length === 0 ? null : piece;
    },
    close() {
      rest = new Uint8Array();
    },
  };
}

/** A file as a stream to write to. It is opened at once, and emptied unless bytes are kept. */
export function writablePath(
  connect: FsConnect,
  path: FsPath,
  options: WriteOptions,
  writeWhole: (bytes: Uint8Array, options: FsOptions & { fsync: boolean }) => Promise<void>,
): WritableStream<Uint8Array> {
  let sink: Pick<BlockWriter, "write" | "close" | "abort"> | undefined;
  // A stream that has failed is neither closed nor aborted, and nobody else has the file.
  const orGiveUp = async (done: Promise<void>): Promise<void> => {
    try {
      await done;
    } catch (error) {
      sink!.abort();
      throw error;
    }
  };
  return new WritableStream<Uint8Array>(
    {
      async start() {
        const session = await FsSession.open(connect);
        const { keepBytes = 0, fsync = false, ...rest } = options;
        if (!session.can("fileWriteStreaming")) {
          if (keepBytes > 0) session.need("fsResume", "go on in the middle of a file");
          sink = new WholeWriter(path, (bytes) => writeWhole(bytes, { fsync, ...rest }));
          return;
        }
        const writer = new BlockWriter(connect, path, options);
        await writer.open();
        sink = writer;
      },
      write: (bytes) => orGiveUp(sink!.write(bytes)),
      close: () => orGiveUp(sink!.close()),
      abort: () => sink?.abort(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BLOCK_BYTES }),
  );
}

/** What a message of the servers without open files can carry, of 64 MiB with base64. */
const MAX_WHOLE_BYTES = 46 * 1024 * 1024;

/** For servers that take a file only as a whole: collects it, and writes it at the end. */
class WholeWriter {
  readonly #path: FsPath;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(path: FsPath, write: (bytes: Uint8Array) => Promise<void>) {
    this.#path = path;
    this.#write = write;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (!fitsWhole(this.#size)) throw tooLargeForWhole(this.#path);
    this.#pieces.push(bytes.slice());
  }

  async close(): Promise<void> {
    const whole = joined(this.#pieces);
    this.#pieces = [];
    await this.#write(whole);
  }

  abort(): void {
    this.#pieces = [];
  }
}

export function fitsWhole(bytes: number): boolean {
  return bytes <= MAX_WHOLE_BYTES;
}

export function tooLargeForWhole(path: FsPath): ExecServerError {
  const what = attempt("fs/writeFile", shownPath(path));
  return new ExecServerError(
    "ERR_UNSUPPORTED",
    `${what}: the server takes files as a whole only, of at most ${MAX_WHOLE_BYTES} bytes`,
  );
}

/** All pieces in one array. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
