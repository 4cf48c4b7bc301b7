/** Events of the file system, read from one descriptor for the whole server. */

import { Buffer } from "node:buffer";
import type { FileCalls } from "../runtime/file_calls.ts";

/** Bits of {@link FileEvent.mask}, as the system has them. */
export const inotify = {
  modify: 0x2,
  attributes: 0x4,
  movedFrom: 0x40,
  movedTo: 0x80,
  create: 0x100,
  delete: 0x200,
  deleteSelf: 0x400,
  moveSelf: 0x800,
  unmount: 0x2000,
  overflow: 0x4000,
  ignored: 0x8000,
  onlyDirectory: 0x0100_0000,
  dontFollow: 0x0200_0000,
  isDirectory: 0x4000_0000,
} as const;

/** Everything that anybody here wants to know: a second watch of a file must not take away what the first wants. */
const EVENTS =
  inotify.modify |
  inotify.attributes |
  inotify.movedFrom |
  inotify.movedTo |
  inotify.create |
  inotify.delete |
  inotify.deleteSelf |
  inotify.moveSelf;

export interface FileEvent {
  mask: number;
  /** The name in the watched directory, as bytes; empty for what is watched itself. */
  name: string;
}

type Listener = (event: FileEvent) => void;

const BUFFER_BYTES = 64 * 1024;
const HEAD_BYTES = 16;
/** With `overflow` it concerns all watches. */
const NO_WATCH = -1;

export class Inotify {
  readonly #files: FileCalls;
  readonly #watches = new Map<number, Set<Listener>>();
  #fd: number | undefined;
  /** Listeners are being called, who may give up their last watch and take another at once. */
  #isTelling = false;

  constructor(files: FileCalls) {
    this.#files = files;
  }

  /**
   * Calls the listener for what happens to a file or in a directory, until the answer is called.
   * @param flags `onlyDirectory`, `dontFollow`.
   * @throws {SystemError} ENOSPC when the system allows no more watches.
   */
  watch(path: string, flags: number, listener: Listener): () => void {
    if (this.#fd === undefined) {
      this.#fd = this.#files.watcher();
      this.#read(this.#fd);
    }
    const fd = this.#fd;
    let watch: number;
    try {
      watch = this.#files.addWatch(fd, path, EVENTS | flags);
    } catch (error) {
      this.#closeIfIdle();
      throw error;
    }
    // A file may be watched twice, by one listener too.
    const told: Listener = (event) => listener(event);
    const listeners = this.#watches.get(watch) ?? new Set();
    this.#watches.set(watch, listeners.add(told));
    return () => {
      if (!listeners.delete(told) || listeners.size > 0) return;
      if (this.#watches.get(watch) === listeners) {
        this.#watches.delete(watch);
        this.#files.removeWatch(fd, watch);
      }
      this.#closeIfIdle();
    };
  }

  #closeIfIdle(): void {
    // A new descriptor would have the number of this one, and its watches those that are still to be told of.
    if (this.#watches.size > 0 || this.#fd === undefined || this.#isTelling) return;
    this.#files.closeWaited(this.#fd);
    this.#fd = undefined;
  }

  async #read(fd: number): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    while (this.#fd === fd) {
      const over = await this.#files.readable(fd);
      if (this.#fd !== fd || over) return;
      let length: number;
      try {
        length = this.#files.read(fd, buffer);
      } catch {
        // Somebody else was woken for nothing; the next wait tells.
        continue;
      }
      this.#dispatch(buffer.subarray(0, length));
    }
  }

  #dispatch(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const watch = bytes.readInt32LE(at);
      const mask = bytes.readUInt32LE(at + 4);
      const padded = bytes.readUInt32LE(at + 12);
      const start = at + HEAD_BYTES;
      at = start + padded;
      const end = padded === 0 ? start : bytes.indexOf(0, start);
      const event = { mask, name: bytes.toString("latin1", start, end) };
      const groups =
        watch === NO_WATCH ? [...this.#watches.values()] : [this.#watches.get(watch) ?? new Set<Listener>()];
      if (mask & inotify.ignored) this.#watches.delete(watch);
      this.#tell(event, groups);
    }
    this.#closeIfIdle();
  }

  /** Once to each who listens now and still does in its turn: a tree that was lost is watched anew meanwhile. */
  #tell(event: FileEvent, groups: Iterable<Set<Listener>>): void {
    const listeners = [...groups].flatMap((group) => [...group].map((listener) => ({ group, listener })));
    this.#isTelling = true;
    try {
      for (const { group, listener } of listeners) if (group.has(listener)) listener(event);
    } finally {
      this.#isTelling = false;
    }
  }
}

const shared = new WeakMap<FileCalls, Inotify>();

/** The one of this program: the system allows a user few of them. */
export function inotifyOf(files: FileCalls): Inotify {
  const known = shared.get(files) ?? new Inotify(files);
  shared.set(files, known);
  return known;
}
