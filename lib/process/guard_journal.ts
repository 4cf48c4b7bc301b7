/** What a guardian would have to end, in a file: written at every change, read only when we are gone. */

import process from "node:process";
import { nodeOs } from "../runtime/node_modules.ts";
import { NewFile, removeFile } from "../runtime/small_files.ts";

/** Above this the file is written anew, with what still counts. */
const REWRITE_ABOVE_BYTES = 64 * 1024;

/**
 * A line for each change. It is a file and not a pipe, so that nobody has to read along, and a change costs no more
 * than one `write`.
 */
export class GuardJournal {
  #file: NewFile;
  #bytes = 0;
  #rewriteAbove = REWRITE_ABOVE_BYTES;

  /** @throws {Error} The file cannot be made, as when there is no room. */
  constructor() {
    const name = `exec-server-guard-${process.pid}-${crypto.randomUUID()}`;
    try {
      // In memory where that can be had.
      this.#file = new NewFile(`/dev/shm/${name}`);
    } catch {
      this.#file = new NewFile(`${nodeOs().tmpdir()}/${name}`);
    }
  }

  /** Known to its reader, which may come when we are gone. */
  get path(): string {
    return this.#file.path;
  }

  /**
   * Adds a line. `all` gives every line that still counts, for when the file has grown long.
   * @throws {Error} There is no room for it.
   */
  add(line: string, all: () => string[]): void {
    if (this.#bytes > this.#rewriteAbove) this.#rewrite(all());
    else this.#bytes += this.#file.append(`${line}\n`);
  }

  remove(): void {
    this.#file.close();
    removeFile(this.path);
  }

  /** Whoever reads meanwhile has the old file or the new one, never a part. */
  #rewrite(lines: readonly string[]): void {
    const next = new NewFile(`${this.path}.next`);
    try {
      this.#bytes = next.append(lines.map((line) => `${line}\n`).join(""));
      next.moveTo(this.path);
    } catch (error) {
      next.close();
      removeFile(next.path);
      throw error;
    }
    this.#file.close();
    this.#file = next;
    this.#rewriteAbove = REWRITE_ABOVE_BYTES + 2 * this.#bytes;
  }
}
