/** Removes what is in a directory, straight from the system's list of it: no name becomes a text on the way. */

import { Buffer } from "node:buffer";
import { type FileLibc, SYS_GETDENTS64 } from "./file_libc.ts";

/** Something that is a directory, or may be one. */
export interface LeftEntry {
  /** A byte string. */
  readonly name: string;
  readonly isDirectory: boolean;
}

const LIST_BYTES = 32 * 1024;
/** Of so many directories, each in the one before, the lists are kept for the next tree. */
const MAX_UNUSED = 8;
/** About as many are removed in a millisecond. */
const STEP_ENTRIES = 128;
const ENOENT = 2;
const DT_UNKNOWN = 0;
const DT_DIR = 4;
const DOT = 0x2e;

interface List {
  readonly bytes: Buffer;
  /** Where the bytes are for the system. */
  readonly address: number;
}

/** One for each directory that is open at a time. */
const unused: List[] = [];

/** One pass over an open directory. */
export class DirectorySweep {
  readonly #libc: FileLibc;
  readonly #fd: number;
  readonly #fail: (errno: number) => Error;
  readonly #list: List;
  /** How much of the list is filled, and where the next entry begins. */
  #length = 0;
  #at = 0;

  /** @param fail Makes the error that is thrown. */
  constructor(libc: FileLibc, fd: number, fail: (errno: number) => Error) {
    this.#libc = libc;
    this.#fd = fd;
    this.#fail = fail;
    this.#list = unused.pop() ?? newList(libc);
  }

  /**
   * Removes some entries: undefined at the end, null when there may be more, or what is next and not for this to
   * remove. What somebody else has removed meanwhile is passed over.
   */
  next(): LeftEntry | null | undefined {
    const { bytes, address } = this.#list;
    for (let left = STEP_ENTRIES; left > 0; left--) {
      if (this.#at === this.#length) {
        this.#at = 0;
        this.#length = this.#libc.syscall(SYS_GETDENTS64, this.#fd, bytes, LIST_BYTES);
        if (this.#length <= 0) return this.#endOfList();
      }
      // `struct linux_dirent64`: two numbers of 64 bits, the length of the entry, its type, its name.
      const name = this.#at + 19;
      const type = bytes[this.#at + 18];
      this.#at += bytes[this.#at + 16]! + 256 * bytes[this.#at + 17]!;
      if (type === DT_DIR || type === DT_UNKNOWN) {
        const second = bytes[name + 1];
        if (bytes[name] === DOT && (second === 0 || (second === DOT && bytes[name + 2] === 0))) continue;
        return {
          name: bytes.toString("latin1", name, bytes.indexOf(0, name)),
          isDirectory: type === DT_DIR,
        };
      }
      if (this.#libc.unlinkat(this.#fd, address + name, 0) < 0) {
        const errno = this.#libc.errno();
        if (errno !== ENOENT) throw this.#fail(errno);
      }
    }
    return null;
  }

  /** The directory itself may be what somebody else has removed: then it has no list any more. */
  #endOfList(): undefined {
    const errno = this.#length === 0 ? 0 : this.#libc.errno();
    this.#length = 0;
    if (errno !== 0 && errno !== ENOENT) throw this.#fail(errno);
  }

  /** Does not close the directory. */
  end(): void {
    if (unused.length < MAX_UNUSED) unused.push(this.#list);
  }
}

function newList(libc: FileLibc): List {
  const bytes = Buffer.allocUnsafeSlow(LIST_BYTES);
  return { bytes, address: Number(libc.addressOf(bytes)) };
}
